# The channel's bucket: music, the background, and what nonstop keeps beside them (renditions/,
# schedule/ and slots/ below the channel's folder).

locals {
  bucket     = try(var.existing_bucket.name, aws_s3_bucket.channel[0].bucket)
  bucket_arn = "arn:${local.partition}:s3:::${local.bucket}"
  # nonstop's own. All but the last version of them is of no use to anybody.
  own = ["renditions", "schedule", "slots"]
}

resource "aws_s3_bucket" "channel" {
  #checkov:skip=CKV_AWS_18:access logs of a bucket that is listed every minute cost more than the bucket, and nothing in it is secret
  #checkov:skip=CKV_AWS_144:music comes from the operator, who has it; renditions are made anew
  #checkov:skip=CKV_AWS_145:see the encryption below, by Amazon's own keys
  #checkov:skip=CKV2_AWS_62:nonstop lists the bucket, and needs no queue to be told
  count = var.existing_bucket == null ? 1 : 0

  bucket = coalesce(var.bucket, "${local.name}-${local.account}-${local.region}")
  tags   = local.tags
}

resource "aws_s3_bucket_public_access_block" "channel" {
  count = length(aws_s3_bucket.channel)

  bucket                  = aws_s3_bucket.channel[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "channel" {
  count = length(aws_s3_bucket.channel)

  bucket = aws_s3_bucket.channel[0].id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# Amazon's own keys cost nothing. Under a KMS key each slot's renewal would be a paid request, and
# ETags would no longer be the checksums that downloads are held against.
resource "aws_s3_bucket_server_side_encryption_configuration" "channel" {
  count = length(aws_s3_bucket.channel)

  bucket = aws_s3_bucket.channel[0].id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_versioning" "channel" {
  count = length(aws_s3_bucket.channel)

  bucket = aws_s3_bucket.channel[0].id
  versioning_configuration {
    status = var.versioning ? "Enabled" : "Suspended"
  }
}

resource "aws_s3_bucket_policy" "channel" {
  count = length(aws_s3_bucket.channel)

  bucket = aws_s3_bucket.channel[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "NothingInTheClear"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [local.bucket_arn, "${local.bucket_arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  depends_on = [aws_s3_bucket_public_access_block.channel]
}

# Nothing that is current ever expires: a rendition that was made a year ago may be on air tonight,
# and nonstop prunes its schedule itself.
resource "aws_s3_bucket_lifecycle_configuration" "channel" {
  #checkov:skip=CKV_AWS_300:the first rule does it for the whole bucket; it is not repeated in the others
  count = length(aws_s3_bucket.channel)

  bucket = aws_s3_bucket.channel[0].id

  rule {
    id     = "uploads-whose-machine-is-gone"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  rule {
    id     = "former-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    expiration {
      expired_object_delete_marker = true
    }
  }

  # A slot is renewed every few seconds, and each time leaves a version behind.
  dynamic "rule" {
    for_each = local.own
    content {
      id     = "former-versions-of-${rule.value}"
      status = "Enabled"
      filter {
        prefix = "${var.channel}/${rule.value}/"
      }
      noncurrent_version_expiration {
        noncurrent_days = 1
      }
    }
  }

  depends_on = [aws_s3_bucket_versioning.channel]
}
