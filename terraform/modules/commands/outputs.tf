output "upload" {
  description = "Uploads a folder of music."
  value       = "aws s3 sync --region ${var.region} ./music s3://${var.bucket}/${var.channel}/"
}

output "put_keys" {
  description = "Asks for the stream key of each destination and puts them into the secret."
  value = join(" ", [
    "bash -c '${local.asks}printf \"{${local.fields}}\" ${local.keys} |",
    "aws secretsmanager put-secret-value --region ${var.region} --secret-id ${var.secret}",
    "--secret-string file:///dev/stdin --query VersionId --output text'",
  ])
}
