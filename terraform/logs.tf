# A copy of the log, because the machine's journal goes with the machine.

locals {
  log_group     = var.log_days == 0 ? null : "/nonstop/${var.channel}"
  log_group_arn = var.log_days == 0 ? null : "arn:${local.partition}:logs:${local.home}:${local.account}:log-group:${local.log_group}"
}

resource "aws_cloudwatch_log_group" "channel" {
  #checkov:skip=CKV_AWS_158:encrypted by Amazon's own key; no stream key is ever in a log, and one of your own costs a dollar a month
  #checkov:skip=CKV_AWS_338:how long is the operator's choice, log_days
  count = var.log_days == 0 || local.away ? 0 : 1

  name              = local.log_group
  retention_in_days = var.log_days
  tags              = local.tags
}
