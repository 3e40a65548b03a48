output "total" {
  description = "US$ a month, with pictures and sound at their ceilings."
  value       = local.total
}

output "items" {
  description = "What it is made of, in US$ a month, by the names that `nonstop cost` has for it."
  value       = local.items
}

output "unless_free" {
  description = "US$ that it is more where something else in the account has all that is free."
  value       = local.unless_free
}

output "gb" {
  description = "GB sent in a month."
  value       = local.gb
}

output "machine" {
  description = "The machine in the bill."
  value       = local.machine.name
}

output "machines" {
  description = "The machines that can render this picture, smallest first."
  value       = length(local.fitting) > 0 ? local.fitting[*].name : [local.smallest.name]
}

output "disk_gb" {
  description = "The disk in the bill, in GB."
  value       = local.disk_gb
}

output "sentence" {
  description = "The bill in a sentence."
  value = format(
    "at most %.2f US$ a month, %.2f of it for data sent (%s, prices of %s, %s), and %.2f more where others use up what is free for an account (%g GB, %g metrics, %g alarms); `nonstop cost` on the machine knows what the renditions really take",
    local.total, local.egress.paid, local.prices.region, local.prices.as_of, local.machine.name,
    local.unless_free, local.prices.egress.free_gb, local.prices.alarms.free_metrics, local.prices.alarms.free_alarms,
  )
}
