# What a node may do: the policy of docs/aws.md with the channel's own names in it. A test holds both
# together, and the document against the calls that the program makes.

locals {
  statements = concat(
    [
      {
        Sid       = "ListTheChannel"
        Effect    = "Allow"
        Action    = ["s3:ListBucket"]
        Resource  = [var.bucket_arn]
        Condition = { StringLike = { "s3:prefix" = ["${var.prefix}/*"] } }
      },
      {
        Sid      = "ReadMusicRenditionsScheduleSlots"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["${var.bucket_arn}/${var.prefix}/*"]
      },
      {
        Sid    = "WriteRenditionsScheduleSlots"
        Effect = "Allow"
        Action = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
        Resource = [
          for folder in ["renditions", "schedule", "slots"] : "${var.bucket_arn}/${var.prefix}/${folder}/*"
        ]
      },
      {
        Sid      = "ReadTheStreamKey"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [var.secret_arn]
      },
      {
        Sid       = "TellMetrics"
        Effect    = "Allow"
        Action    = ["cloudwatch:PutMetricData"]
        Resource  = ["*"]
        Condition = { StringEquals = { "cloudwatch:namespace" = var.namespace } }
      },
      {
        # These cannot be narrowed to one group.
        Sid      = "FindLifecycleHooks"
        Effect   = "Allow"
        Action   = ["autoscaling:DescribeAutoScalingInstances", "autoscaling:DescribeLifecycleHooks"]
        Resource = ["*"]
      },
      {
        Sid      = "CompleteLifecycleHooks"
        Effect   = "Allow"
        Action   = ["autoscaling:CompleteLifecycleAction"]
        Resource = [var.group_arn]
      },
    ],
    var.log_group_arn == null ? [] : [{
      Sid      = "ShipLogs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = [var.log_group_arn, "${var.log_group_arn}:*"]
    }],
    length(var.kms_key_arns) == 0 ? [] : [{
      Sid      = "UseTheKeysOfBucketAndSecret"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = var.kms_key_arns
    }],
  )
}
