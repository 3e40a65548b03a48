# A channel on the air, from nothing: a bucket for music, an empty secret for stream keys, a role, and
# an Auto Scaling group of one spot instance whose successor is on air before it goes.
#
# Files go by subject. What is in modules/ needs no provider, so that it can be rendered, tested and
# run without an account.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  name      = "nonstop-${var.channel}"
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.name
  # Where bucket, secret, metrics and log are: the daemon has one region for all that it asks of AWS.
  home  = coalesce(try(var.existing_bucket.home, null), local.region)
  away  = local.home != local.region
  nodes = var.redundancy == "dual" ? 2 : 1
  # Of the whole channel.
  all_nodes = var.pair ? 2 : local.nodes
  namespace = "nonstop"
  # How the rest of the world is reached.
  ipv6_only = var.ipv6 && !var.public_ipv4
  tags      = merge({ channel = var.channel }, var.tags, { managed-by = "terraform" })
}

module "cost" {
  source = "./modules/cost"

  video_bitrate = var.video.bitrate
  audio_bitrate = var.audio.bitrate
  fps           = var.video.fps
  size          = var.video.size
  destinations = [for destination in var.destinations : {
    backup     = destination.backup != null
    redundancy = destination.redundancy
  }]
  nodes         = local.all_nodes
  instance_type = try(var.instance_types[0], null)
  spot          = var.spot
  public_ipv4   = var.public_ipv4
  disk_gb       = var.disk_gb
  alarms        = var.alarms ? length(local.alarms) : 0
}

module "user_data" {
  source = "./modules/user-data"

  channel      = var.channel
  source_url   = "s3://${local.bucket}/${var.channel}"
  background   = var.background
  order        = var.order
  video        = var.video
  audio        = var.audio
  destinations = var.destinations
  secret       = local.secret_arn
  cloudwatch   = { namespace = local.namespace, logs = local.log_group }
  environment = merge(
    local.away ? { AWS_REGION = local.home } : {},
    local.ipv6_only ? { AWS_USE_DUALSTACK_ENDPOINT = "true" } : {},
  )
  group = {
    name     = local.name
    hook     = local.launching
    region   = local.region
    endpoint = "https://autoscaling.${local.region}.${local.ipv6_only ? "api.aws" : "amazonaws.com"}"
  }
  apt_source    = local.apt_source
  ssm_agent_url = var.ssm ? "https://amazon-ssm-${local.region}.s3.${local.region}.amazonaws.com/latest/debian_amd64/amazon-ssm-agent.deb" : null
}

module "commands" {
  source = "./modules/commands"

  region  = local.home
  bucket  = local.bucket
  channel = var.channel
  secret  = local.secret_arn
  names   = var.destinations[*].name
}
