# Who is told of what. The metrics are nonstop's own (docs/metrics.md); they are by channel and not by
# machine, since alarms outlive machines. Ten metrics and ten alarms are free.

locals {
  topic_arn = var.alarms ? try(var.existing_topic.arn, aws_sns_topic.alarms[0].arn) : null

  channel = { Channel = var.channel }
  group   = { AutoScalingGroupName = local.name }

  # `minutes` is one period, `of` are looked at, and all of them have to be bad.
  #
  # Of OnAir that of the machine with the most destinations counts: whoever stands by says 0 of what the
  # other has. Should two machines ever share destinations without a backup between them, neither has
  # all, and off-air is told though all are served; a machine's hearsay would hide the opposite.
  alarms = merge(
    {
      off-air = {
        says      = "No machine sends the stream to all of its destinations. `nonstop status` and the log say why; a destination whose stream key is missing or refused looks like this, too."
        namespace = local.namespace, metric = "OnAir", dimensions = local.channel
        statistic = "Maximum", is = "LessThanThreshold", threshold = 1, minutes = 1, of = 3, missing = "ignore"
      }
      silent = {
        says      = "Nothing has been heard of the channel for five minutes: there is no machine, it does not start, or it may not send metrics. Look at the group's activity; if there are no spot machines, spot = false is the way out; if machines turn themselves off, their console output says why."
        namespace = local.namespace, metric = "OnAir", dimensions = local.channel
        statistic = "SampleCount", is = "LessThanThreshold", threshold = 1, minutes = 1, of = 5, missing = "breaching"
      }
      lag = {
        says      = "An ingest acknowledges the stream more than five seconds late: the network or the platform is too slow for it."
        namespace = local.namespace, metric = "AckedLag", dimensions = local.channel
        statistic = "Maximum", is = "GreaterThanThreshold", threshold = 5, minutes = 1, of = 3, missing = "notBreaching"
      }
      failovers = {
        says      = "The stream has moved between ingests three times within a quarter of an hour. It is on air, but something is not well."
        namespace = local.namespace, metric = "Failovers", dimensions = local.channel
        statistic = "Sum", is = "GreaterThanOrEqualToThreshold", threshold = 3, minutes = 15, of = 1, missing = "notBreaching"
      }
      store = {
        says      = "For a quarter of an hour the bucket could not be read or written. Nothing on air needs it, but a successor would; `nonstop check` says what is wrong."
        namespace = local.namespace, metric = "StoreReachable", dimensions = local.channel
        statistic = "Minimum", is = "LessThanThreshold", threshold = 1, minutes = 5, of = 3, missing = "notBreaching"
      }
      standby = {
        says      = "The standby card is on air: there is no music that can be played. `nonstop status` says what there is, and what is being rendered."
        namespace = local.namespace, metric = "Standby", dimensions = local.channel
        statistic = "Minimum", is = "GreaterThanOrEqualToThreshold", threshold = 1, minutes = 5, of = 3, missing = "notBreaching"
      }
      quarantine = {
        says      = "There are files that cannot be played. The channel does without them; `nonstop status` says which, and why."
        namespace = local.namespace, metric = "Quarantined", dimensions = local.channel
        statistic = "Maximum", is = "GreaterThanThreshold", threshold = 0, minutes = 15, of = 1, missing = "notBreaching"
      }
    },
    local.burstable && var.cpu_credits == "standard" ? {
      cpu-credits = {
        says      = "A machine has been out of CPU credits for an hour. While a new library is rendered that is so; else take a larger machine."
        namespace = "AWS/EC2", metric = "CPUCreditBalance", dimensions = local.group
        statistic = "Minimum", is = "LessThanThreshold", threshold = 1, minutes = 5, of = 12, missing = "notBreaching"
      }
    } : {},
    # Each machine sends its metrics once a minute.
    local.all_nodes == 1 ? {} : {
      alone = {
        says      = "One of two machines has not been heard of for ten minutes. The other carries the stream."
        namespace = local.namespace, metric = "OnAir", dimensions = local.channel
        statistic = "SampleCount", is = "LessThanThreshold", threshold = 2 * 5, minutes = 5, of = 2, missing = "breaching"
      }
    },
  )
}

resource "aws_cloudwatch_metric_alarm" "channel" {
  for_each = var.alarms ? local.alarms : {}

  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = each.value.says
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.is
  threshold           = each.value.threshold
  period              = each.value.minutes * 60
  evaluation_periods  = each.value.of
  datapoints_to_alarm = each.value.of
  treat_missing_data  = each.value.missing
  alarm_actions       = [local.topic_arn]
  ok_actions          = [local.topic_arn]
  tags                = local.tags
}

# Not encrypted: CloudWatch cannot send to a topic under Amazon's own key, one of your own costs a
# dollar a month, and an alarm says nothing that is secret.
resource "aws_sns_topic" "alarms" {
  count = var.alarms && var.existing_topic == null ? 1 : 0

  name = "${local.name}-alarms"
  tags = local.tags
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.alarms ? var.alarm_emails : []

  topic_arn = local.topic_arn
  protocol  = "email"
  endpoint  = each.value
}
