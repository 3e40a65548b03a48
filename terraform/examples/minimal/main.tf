# One channel to YouTube in the default VPC, for a few dollars a month:
#
#   make apt-repo
#   terraform -chdir=terraform/examples/minimal init
#   terraform -chdir=terraform/examples/minimal apply -var alarm_email=you@example.org
#
# and then what it says at the end.

terraform {
  required_version = ">= 1.7"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.80"
    }
  }
}

variable "region" {
  description = "Where it runs."
  type        = string
  default     = "us-east-1"
}

variable "alarm_email" {
  description = "Who is told of alarms."
  type        = string
}

variable "packages" {
  description = "The folder that `make apt-repo` has made."
  type        = string
  default     = "../../../apt"
}

provider "aws" {
  region = var.region
}

module "lofi" {
  source = "../.."

  channel      = "lofi"
  packages     = var.packages
  alarm_emails = [var.alarm_email]
}

output "next" {
  description = "What to do now."
  value       = module.lofi.next
}

output "upload_command" {
  description = "Uploads ./music."
  value       = module.lofi.upload_command
}

output "key_command" {
  description = "Asks for the stream key, and puts it into the secret."
  value       = module.lofi.key_command
}

output "dashboard_url" {
  description = "Where to look."
  value       = module.lofi.dashboard_url
}

output "monthly_cost" {
  description = "What it costs at most, in US$ a month."
  value       = module.lofi.monthly_cost
}
