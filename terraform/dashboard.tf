# One look at the channel. The first three dashboards of an account are free.

locals {
  # title, metrics as [name, statistic], and how many columns of 24 it takes
  graphs = [
    { title = "On air: share of the destinations", metrics = [["OnAir", "Maximum"], ["Standby", "Minimum"]], period = 60 },
    { title = "Behind the programme, seconds", metrics = [["AckedLag", "Maximum"]], period = 60 },
    { title = "Failovers and failures", metrics = [["Failovers", "Sum"], ["IngestFailures", "Sum"]], period = 300 },
    { title = "Music: to be rendered, cannot be played", metrics = [["RenderBacklog", "Maximum"], ["Quarantined", "Maximum"]], period = 300 },
    { title = "The bucket can be read and written", metrics = [["StoreReachable", "Minimum"]], period = 300 },
  ]
  widgets = concat(
    [for graph in local.graphs : {
      type   = "metric"
      width  = 12
      height = 6
      properties = {
        title   = graph.title
        region  = local.home
        view    = "timeSeries"
        period  = graph.period
        metrics = [for metric in graph.metrics : [local.namespace, metric[0], "Channel", var.channel, { stat = metric[1] }]]
        yAxis   = { left = { min = 0 } }
      }
    }],
    [
      {
        type   = "metric"
        width  = 12
        height = 6
        properties = {
          title  = "Sent, Mbps"
          region = local.home
          view   = "timeSeries"
          period = 300
          metrics = [
            [{ expression = "sent * 8 / PERIOD(sent) / 1000000", label = "Mbps", id = "mbps" }],
            [local.namespace, "SentBytes", "Channel", var.channel, { stat = "Sum", id = "sent", visible = false }],
          ]
          yAxis = { left = { min = 0 } }
        }
      },
      {
        type   = "metric"
        width  = 12
        height = 6
        properties = {
          title   = "CPU credits of the machines"
          region  = local.region
          view    = "timeSeries"
          period  = 300
          metrics = [["AWS/EC2", "CPUCreditBalance", "AutoScalingGroupName", local.name, { stat = "Minimum" }]]
          yAxis   = { left = { min = 0 } }
        }
      },
      {
        type   = "alarm"
        width  = 12
        height = 6
        properties = {
          title  = "Alarms"
          alarms = [for alarm in aws_cloudwatch_metric_alarm.channel : alarm.arn]
        }
      },
    ],
    var.log_days == 0 ? [] : [{
      type   = "log"
      width  = 24
      height = 6
      properties = {
        title  = "Log"
        region = local.home
        view   = "table"
        query  = "SOURCE '${local.log_group}' | fields @timestamp, @message | sort @timestamp desc | limit 50"
      }
    }],
  )
}

resource "aws_cloudwatch_dashboard" "channel" {
  count = var.alarms ? 1 : 0

  dashboard_name = local.name
  dashboard_body = jsonencode({ widgets = local.widgets })
}
