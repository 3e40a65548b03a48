output "config" {
  description = "The configuration, /etc/nonstop/nonstop.toml on the machine."
  value       = local.config
}

output "user_data" {
  description = "The user data: #cloud-config, as text."
  value       = local.user_data

  precondition {
    condition     = length(local.user_data) <= 16384
    error_message = "The user data is longer than the 16 KiB that EC2 takes; a repository's source with fewer keys is shorter."
  }
}
