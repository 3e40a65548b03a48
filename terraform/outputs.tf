output "next" {
  description = "What to do now, with the commands."
  value       = <<-EOT
    ${local.confirm}Upload the music, and a background.jpg if there is one. The channel takes up what is new within a minute:

      ${module.commands.upload}

    Give it the stream key, which ends up in no history and no list of processes. Run this, paste the key, press Enter:

      ${module.commands.put_keys}

    Look at it: ${local.dashboard_url}
    It costs ${module.cost.sentence}.
  EOT
}

output "upload_command" {
  description = "Uploads a folder of music. What is no longer in the folder stays in the bucket; --delete takes it away, but leave nonstop's own folders out of that."
  value       = module.commands.upload
}

output "key_command" {
  description = "Asks for the stream key of each destination and puts them into the secret. A channel on air takes up a new key without a break."
  value       = module.commands.put_keys
}

output "monthly_cost" {
  description = "At most, in US$ a month, by the same arithmetic as `nonstop cost`: in all, its parts, what it is more where others use up what is free for an account, and a sentence."
  value = {
    total       = tonumber(format("%.2f", module.cost.total))
    items       = { for item, usd in module.cost.items : item => tonumber(format("%.2f", usd)) }
    unless_free = tonumber(format("%.2f", module.cost.unless_free))
    sentence    = module.cost.sentence
  }
}

output "config" {
  description = "The configuration of the machines, as nonstop reads it."
  value       = module.user_data.config
}

output "user_data" {
  description = "The user data of the machines; nothing in it is secret."
  value       = module.user_data.user_data
}

output "bucket" {
  description = "The channel's bucket."
  value       = local.bucket
}

output "secret_arn" {
  description = "The secret for the stream keys."
  value       = local.secret_arn
}

output "group" {
  description = "The Auto Scaling group."
  value       = aws_autoscaling_group.node.name
}

output "s3_endpoint_id" {
  description = "The network's way to S3, for a second channel in it."
  value       = local.s3_endpoint_id
}

output "topic_arn" {
  description = "The topic that alarms go to, for a second channel."
  value       = local.topic_arn
}

output "dashboard_url" {
  description = "Where to look."
  value       = local.dashboard_url
}

locals {
  confirm       = !var.alarms || length(var.alarm_emails) == 0 ? "" : <<-EOT
    First confirm the mail "AWS Notification - Subscription Confirmation" that ${join(", ", var.alarm_emails)} gets now. Until then nobody is told of alarms.

  EOT
  dashboard_url = "https://${local.home}.console.aws.amazon.com/cloudwatch/home?region=${local.home}#dashboards:name=${local.name}"
}
