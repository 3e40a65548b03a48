# What a machine may do; docs/aws.md says why.

module "policy" {
  source = "./modules/policy"

  bucket_arn    = local.bucket_arn
  prefix        = var.channel
  secret_arn    = local.secret_arn
  namespace     = local.namespace
  group_arn     = "arn:${local.partition}:autoscaling:${local.region}:${local.account}:autoScalingGroup:*:autoScalingGroupName/${local.name}"
  log_group_arn = local.log_group_arn
  kms_key_arns  = compact([try(var.existing_bucket.kms_key_arn, null), try(var.existing_secret.kms_key_arn, null)])
}

# Roles are of the account, not of a region.
resource "aws_iam_role" "node" {
  name                 = "${local.name}-${local.region}"
  description          = "A machine of the nonstop channel ${var.channel}"
  permissions_boundary = var.role_permissions_boundary
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
  tags = local.tags
}

resource "aws_iam_role_policy" "node" {
  name   = "channel"
  role   = aws_iam_role.node.name
  policy = module.policy.json
}

resource "aws_iam_role_policy_attachment" "ssm" {
  count = var.ssm ? 1 : 0

  role       = aws_iam_role.node.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "node" {
  name = aws_iam_role.node.name
  role = aws_iam_role.node.name
  tags = local.tags
}
