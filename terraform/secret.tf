# The secret is made without a value, so that no stream key is ever in Terraform's state or plan.
# The output `next` says how it gets there. Until then the machine is up, and says what it waits for.

locals {
  secret_arn = try(var.existing_secret.arn, aws_secretsmanager_secret.keys[0].arn)
}

resource "aws_secretsmanager_secret" "keys" {
  #checkov:skip=CKV2_AWS_57:stream keys are changed at the platform, by hand; a channel on air takes up a new one
  count = var.existing_secret == null ? 1 : 0

  name                    = "nonstop/${var.channel}"
  description             = "Stream keys of the channel ${var.channel}: a JSON object with a field for each destination."
  recovery_window_in_days = 7
  tags                    = local.tags
}
