# What a month costs: the arithmetic of `nonstop cost`, from the same numbers. prices.json is made
# from src/cost/prices.toml, and tests hold both the file and the results against the program's.

locals {
  prices = jsondecode(file("${path.module}/prices.json"))
  use    = local.prices.use

  # "2000k", "2.5M", "64000"
  factors = { k = 1000, M = 1000000, "" = 1 }
  bitrates = { for what, text in { video = var.video_bitrate, audio = var.audio_bitrate } :
    what => tonumber(regex("^[0-9.]+", text)) * local.factors[regex("[kM]?$", text)]
  }

  # Two standing nodes share the ingests: a destination with a backup gets two streams.
  streams = sum([for destination in var.destinations :
    destination.backup && (destination.redundancy == "both" || var.nodes > 1) ? 2 : 1
  ])
  # 48 000 samples a second, 1024 in a frame.
  messages = 48000 / 1024 + var.fps
  media    = local.bitrates.video + local.bitrates.audio
  bits     = (local.media + local.messages * local.use.message_bytes * 8) * local.use.wire * local.streams
  gb       = local.bits / 8 * local.prices.hours * 3600 / 1000000000

  # Of each tier as much as reaches into it: of what is above the free part, and of all.
  tiers = local.prices.egress.tiers
  from  = [for i, tier in local.tiers : sum(concat([0], [for before in slice(local.tiers, 0, i) : before.gb]))]
  egress = { for which, gb in { paid = max(0, local.gb - local.prices.egress.free_gb), all = local.gb } :
    which => sum([for i, tier in local.tiers : max(0, min(gb - local.from[i], try(tier.gb, gb))) * tier.per_gb])
  }

  # Metrics and alarms, in the same manner.
  metrics = var.metrics ? local.use.metrics : 0
  alarms  = var.metrics ? coalesce(var.alarms, local.use.alarms) : 0
  watched = { for which, free in { paid = 1, all = 0 } : which => sum([
    max(0, local.metrics - free * local.prices.alarms.free_metrics) * local.prices.alarms.per_metric,
    max(0, local.alarms - free * local.prices.alarms.free_alarms) * local.prices.alarms.per_alarm,
  ]) }

  lines     = min([for side in split("x", var.size) : tonumber(side)]...)
  rendering = [for size in local.prices.rendering : size.memory_mib if try(local.lines <= size.lines, true)][0]
  fitting   = [for machine in local.prices.instance : machine if machine.memory_mib >= local.rendering]
  smallest  = try(local.fitting[0], local.prices.instance[length(local.prices.instance) - 1])
  # A machine that is not in the list is reckoned as the smallest that would do.
  chosen  = [for machine in local.prices.instance : machine if machine.name == var.instance_type]
  machine = try(local.chosen[0], local.smallest)

  writes   = local.use.pages + local.use.listings + local.use.renewals * local.streams
  requests = (local.writes * local.prices.bucket.per_1000_writes + local.use.looks * local.prices.bucket.per_1000_reads) / 1000

  disk_gb = coalesce(var.disk_gb, local.prices.disk.gb)

  items = { for item, usd in local.all : item => usd if item != "alarms" || var.metrics }
  all = {
    "data sent"      = local.egress.paid
    "public address" = var.public_ipv4 ? local.prices.ipv4.per_hour * local.prices.hours * var.nodes : 0
    "machine"        = local.machine.per_hour * (var.spot ? local.prices.spot.share : 1) * local.prices.hours * var.nodes
    "disk"           = local.disk_gb * local.prices.disk.per_gb * var.nodes
    "secrets"        = local.prices.secret.each
    "bucket"         = local.use.held_gb * local.prices.bucket.per_gb + local.requests
    "alarms"         = local.watched.paid
  }
  total       = sum(values(local.items))
  unless_free = sum([for cost in [local.egress, local.watched] : cost.all - cost.paid])
}
