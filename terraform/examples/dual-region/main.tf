# One channel from two regions at once: a machine in each, one on the primary ingest and one on the
# backup, so a region may fail as a whole. Bucket, secret, metrics and log are at home; the machine
# that is away reads them across regions, and goes on with what it has when home is out of reach. A
# machine that starts while home is out of reach has nothing to play: the pair has to last until then.

terraform {
  required_version = ">= 1.7"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.80"
    }
  }
}

variable "home" {
  description = "The region of bucket and secret."
  type        = string
  default     = "us-east-1"
}

variable "away" {
  description = "The other region."
  type        = string
  default     = "us-west-2"
}

variable "alarm_emails" {
  description = "Who is told of alarms."
  type        = set(string)
  default     = []
}

variable "packages" {
  description = "The folder that `make apt-repo` has made."
  type        = string
  default     = "../../../apt"
}

provider "aws" {
  region = var.home
}

provider "aws" {
  alias  = "away"
  region = var.away
}

module "home" {
  source = "../.."

  channel      = "lofi"
  packages     = var.packages
  pair         = true
  alarm_emails = var.alarm_emails
}

module "away" {
  source    = "../.."
  providers = { aws = aws.away }

  channel  = "lofi"
  packages = var.packages
  pair     = true
  # The alarms at home count both machines.
  alarms = false

  existing_bucket = { name = module.home.bucket, home = var.home }
  existing_secret = { arn = module.home.secret_arn }
}

output "next" {
  description = "What to do now."
  value       = module.home.next
}
