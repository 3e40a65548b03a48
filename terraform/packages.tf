# The apt repository, in a bucket of its own, in the machines' region. It can be read without
# credentials, as apt does, but only through this network's endpoint for S3, so it is not public.
# apt trusts nothing in it that the key in nonstop.sources has not signed.

locals {
  files = var.packages == null ? [] : [
    for name in fileset(var.packages, "**") : name if !endswith(name, ".new") && name != "nonstop.sources"
  ]
  packages_bucket = "${local.name}-apt-${local.account}-${local.region}"
  packages_arn    = "arn:${local.partition}:s3:::${local.packages_bucket}"
  packages_url    = "https://${local.packages_bucket}.s3.${local.region}.amazonaws.com"
  # The signature is over the index, not over where it lies. Nobody but this module writes the bucket,
  # and an index that grew old would keep every successor from installing: so its age does not count.
  apt_source = var.packages == null ? var.apt_source : replace(
    file("${var.packages}/nonstop.sources"), "/(?m)^URIs:.*$/", "URIs: ${local.packages_url}\nCheck-Valid-Until: no",
  )
}

resource "aws_s3_bucket" "packages" {
  #checkov:skip=CKV_AWS_18:who installs a package is no secret
  #checkov:skip=CKV_AWS_21:each version of a package has a name of its own, and all of it comes from the operator's folder
  #checkov:skip=CKV_AWS_144:all of it comes from the operator's folder
  #checkov:skip=CKV_AWS_145:apt reads without credentials, and so could not use a KMS key; the packages are signed
  #checkov:skip=CKV2_AWS_62:nobody needs to be told
  count = var.packages == null ? 0 : 1

  bucket        = local.packages_bucket
  force_destroy = true
  tags          = local.tags
}

resource "aws_s3_bucket_public_access_block" "packages" {
  count = length(aws_s3_bucket.packages)

  bucket                  = aws_s3_bucket.packages[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "packages" {
  count = length(aws_s3_bucket.packages)

  bucket = aws_s3_bucket.packages[0].id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_policy" "packages" {
  #checkov:skip=CKV_AWS_70:apt has no credentials; the condition lets in this network's endpoint alone, and what is read are signed packages
  count = length(aws_s3_bucket.packages)

  bucket = aws_s3_bucket.packages[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "MachinesOfThisNetworkRead"
        Effect    = "Allow"
        Principal = "*"
        Action    = "s3:GetObject"
        Resource  = "${local.packages_arn}/*"
        Condition = { StringEquals = { "aws:SourceVpce" = local.s3_endpoint_id } }
      },
      {
        Sid       = "NothingInTheClear"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [local.packages_arn, "${local.packages_arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })

  depends_on = [aws_s3_bucket_public_access_block.packages]
}

resource "aws_s3_bucket_lifecycle_configuration" "packages" {
  count = length(aws_s3_bucket.packages)

  bucket = aws_s3_bucket.packages[0].id
  rule {
    id     = "uploads-that-were-broken-off"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_object" "packages" {
  for_each = toset(local.files)

  bucket      = aws_s3_bucket.packages[0].id
  key         = each.value
  source      = "${var.packages}/${each.value}"
  source_hash = filesha256("${var.packages}/${each.value}")
}
