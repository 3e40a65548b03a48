# Two channels that share a bucket, the way to S3 and a topic: one with a still picture for two
# platforms, one in 1080p with two machines in two zones.

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
  description = "Where both run."
  type        = string
  default     = "us-east-1"
}

variable "alarm_emails" {
  description = "Who is told of alarms of either."
  type        = set(string)
  default     = []
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
  alarm_emails = var.alarm_emails
  destinations = [
    {
      name    = "youtube"
      primary = "rtmps://a.rtmps.youtube.com:443/live2"
      backup  = "rtmps://b.rtmps.youtube.com:443/live2?backup=1"
    },
    {
      name    = "twitch"
      primary = "rtmp://live.twitch.tv/app"
    },
  ]
  # A still picture with few keyframes: a fraction of the traffic.
  video = { bitrate = "1000k", keyframe = "4s" }
}

module "jazz" {
  source = "../.."

  channel    = "jazz"
  packages   = var.packages
  redundancy = "dual"
  video      = { size = "1920x1080", bitrate = "4M" }

  existing_bucket      = { name = module.lofi.bucket }
  existing_s3_endpoint = { id = module.lofi.s3_endpoint_id }
  existing_topic       = { arn = module.lofi.topic_arn }
}

output "next" {
  description = "What to do now, for each channel."
  value       = { lofi = module.lofi.next, jazz = module.jazz.next }
}
