# ---- the channel ---------------------------------------------------------------------------------

variable "channel" {
  description = "The channel's name. Everything that is made is called after it; two channels in one account need two names."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$", var.channel))
    error_message = "A channel's name is at most 20 lower-case letters, digits and hyphens, with no hyphen at either end: a bucket is called after it."
  }
}

variable "destinations" {
  description = "The platforms that get the stream. The name is also the field of the secret that holds the stream key. redundancy is \"failover\" (backup when primary fails) or \"both\" (all the time)."
  type = list(object({
    name       = string
    primary    = string
    backup     = optional(string)
    redundancy = optional(string, "failover")
  }))
  default = [{
    name    = "youtube"
    primary = "rtmps://a.rtmps.youtube.com:443/live2"
    backup  = "rtmps://b.rtmps.youtube.com:443/live2?backup=1"
  }]
  nullable = false

  validation {
    condition     = length(var.destinations) > 0
    error_message = "A channel needs a destination."
  }
  validation {
    condition     = length(distinct(var.destinations[*].name)) == length(var.destinations) && alltrue([for name in var.destinations[*].name : can(regex("^[A-Za-z0-9_-]{1,64}$", name))])
    error_message = "Each destination has a name of its own: letters, digits, - and _, at most 64."
  }
  validation {
    condition     = alltrue([for url in concat(var.destinations[*].primary, compact(var.destinations[*].backup)) : can(regex("^rtmps?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/[^/?#\\s]+(\\?[^/#\\s]*)?$", url))])
    error_message = "An ingest is rtmps://host[:port]/app or rtmp://…, as the platform gives it, without the stream key: that goes into the secret."
  }
  validation {
    condition     = alltrue([for url in concat(var.destinations[*].primary, compact(var.destinations[*].backup)) : try(tonumber(regex("^[^:]+://[^/:]+:([0-9]+)", url)[0]) > 0 && tonumber(regex("^[^:]+://[^/:]+:([0-9]+)", url)[0]) < 65536, true)])
    error_message = "The port of an ingest is 1 to 65535."
  }
  validation {
    condition     = alltrue([for destination in var.destinations : destination.backup != destination.primary])
    error_message = "A backup is another ingest than the primary."
  }
  validation {
    condition     = alltrue([for redundancy in var.destinations[*].redundancy : contains(["failover", "both"], redundancy)])
    error_message = "redundancy of a destination is \"failover\" or \"both\"."
  }
  validation {
    condition     = alltrue([for destination in var.destinations : destination.redundancy != "both" || destination.backup != null])
    error_message = "A destination with redundancy \"both\" needs a backup."
  }
}

variable "background" {
  description = "The picture or clip behind the music, relative to the channel's folder in the bucket; null for background.* at its top."
  type        = string
  default     = null

  validation {
    condition     = var.background == null || can(regex("(?i)\\.(jpe?g|png|webp|mp4|mov|webm|gif|mkv)$", var.background))
    error_message = "A background is a jpg, jpeg, png or webp, or an mp4, mov, webm, gif or mkv."
  }
}

variable "order" {
  description = "\"shuffle\" (without near repeats of a track or an artist) or \"sequential\" (by path)."
  type        = string
  default     = "shuffle"
  nullable    = false

  validation {
    condition     = contains(["shuffle", "sequential"], var.order)
    error_message = "order is \"shuffle\" or \"sequential\"."
  }
}

variable "video" {
  description = "The picture: size in pixels, pictures a second, time between keyframes (at most 4s), the bitrate's ceiling, and rate \"capped\" (constant quality below it) or \"constant\"."
  type = object({
    size     = optional(string, "1280x720")
    fps      = optional(number, 30)
    keyframe = optional(string, "2s")
    bitrate  = optional(string, "2000k")
    rate     = optional(string, "capped")
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[0-9]{3,4}x[0-9]{3,4}$", var.video.size)) && alltrue([for side in try(split("x", var.video.size), []) : try(tonumber(side) % 2 == 0 && tonumber(side) >= 128 && tonumber(side) <= 3840, false)])
    error_message = "video.size is \"1280x720\" or the like: even sides of 128 to 3840 pixels."
  }
  validation {
    condition     = try(tonumber(split("x", var.video.size)[0]) * tonumber(split("x", var.video.size)[1]) <= 3840 * 2160, true)
    error_message = "video.size has at most as many pixels as 3840x2160."
  }
  validation {
    condition     = var.video.fps >= 10 && var.video.fps <= 60 && 48000 % var.video.fps == 0
    error_message = "video.fps is 10 to 60 and divides 48000: 24, 25, 30, 50, 60 and others."
  }
  validation {
    condition     = can(regex("^([0-9]+ms|[0-9]+(\\.[0-9]+)?s)$", var.video.keyframe)) && can(regex("^[0-9]+(\\.[0-9]+)?[kM]?$", var.video.bitrate)) && contains(["capped", "constant"], var.video.rate)
    error_message = "video.keyframe is \"2s\" or \"1500ms\", video.bitrate \"2000k\" or \"2.5M\", video.rate \"capped\" or \"constant\"."
  }
  validation {
    condition = alltrue([for millis in try([tonumber(regex("^[0-9.]+", var.video.keyframe)) * (endswith(var.video.keyframe, "ms") ? 1 : 1000)], []) :
      millis >= 200 && millis <= 4000 && millis * var.video.fps % 1000 == 0
    ])
    error_message = "video.keyframe is 200ms to 4s, and a whole number of pictures."
  }
  validation {
    condition = alltrue([for bits in try([tonumber(regex("^[0-9.]+", var.video.bitrate)) * { k = 1000, M = 1000000, "" = 1 }[regex("[kM]?$", var.video.bitrate)]], []) :
      bits >= 100000 && bits <= 51000000
    ])
    error_message = "video.bitrate is \"100k\" to \"51M\"."
  }
}

variable "audio" {
  description = "The sound: bitrate, and the loudness that every track is brought to, in LUFS or \"off\"."
  type = object({
    bitrate  = optional(string, "128k")
    loudness = optional(string, "-14")
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[0-9]+k?$", var.audio.bitrate)) && (var.audio.loudness == "off" || can(regex("^-[0-9]+(\\.[0-9]+)?$", var.audio.loudness)))
    error_message = "audio.bitrate is \"128k\" or the like, audio.loudness \"-14\" or \"off\"."
  }
  validation {
    condition = alltrue([for bits in try([tonumber(regex("^[0-9]+", var.audio.bitrate)) * (endswith(var.audio.bitrate, "k") ? 1000 : 1)], []) :
      bits >= 48000 && bits <= 320000
    ])
    error_message = "audio.bitrate is \"48k\" to \"320k\"."
  }
  validation {
    condition     = try(tonumber(var.audio.loudness) >= -30 && tonumber(var.audio.loudness) <= -5, true)
    error_message = "audio.loudness is -30 to -5 LUFS, or \"off\"."
  }
}

# ---- where things lie ------------------------------------------------------------------------------

variable "bucket" {
  description = "A name for the bucket that is made; null for nonstop-CHANNEL-ACCOUNT-REGION."
  type        = string
  default     = null

  validation {
    condition     = var.bucket == null || can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "A bucket's name has 3 to 63 lower-case letters, digits and hyphens (a dot would break TLS)."
  }
}

variable "existing_bucket" {
  description = "A bucket that is there already, of another channel for example, instead of a new one. It is left as it is. kms_key_arn if it is encrypted with a key of your own; home is its region if that is another one."
  type = object({
    name        = string
    kms_key_arn = optional(string)
    home        = optional(string)
  })
  default = null

  validation {
    condition     = var.existing_bucket == null || try(can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.existing_bucket.name)), false)
    error_message = "existing_bucket.name is a bucket's name: no ARN and no address."
  }
  validation {
    condition     = try(var.existing_bucket.home, null) == null || try(can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.existing_bucket.home)), false)
    error_message = "existing_bucket.home is a region, such as \"us-east-1\"."
  }
}

variable "versioning" {
  description = "Whether a new bucket keeps what was overwritten or deleted for a month: a slip of `aws s3 sync --delete` can be taken back."
  type        = bool
  default     = true
  nullable    = false
}

variable "existing_secret" {
  description = "A secret that is there already, instead of a new one: a JSON object with a field for each destination. kms_key_arn if it is encrypted with a key of your own."
  type = object({
    arn         = string
    kms_key_arn = optional(string)
  })
  default = null

  validation {
    condition     = var.existing_secret == null || can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:.+$", var.existing_secret.arn))
    error_message = "existing_secret.arn is the secret's whole ARN."
  }
}

# ---- the package -----------------------------------------------------------------------------------

variable "packages" {
  description = "A folder with the apt repository that `make apt-repo` has made. It is put into a bucket of its own, which machines of the network, and nobody else, can read. Exactly one of packages, apt_source and image is given."
  type        = string
  default     = null

  validation {
    condition     = var.packages == null || try(fileexists("${var.packages}/nonstop.sources"), false)
    error_message = "There is no nonstop.sources in the folder packages: `make apt-repo` makes it, and the packages with it."
  }
  validation {
    condition     = var.packages == null || try(length(fileset(var.packages, "pool/**/*_amd64.deb")) > 0, false)
    error_message = "There is no package for x86-64 in the folder packages, and the machines are x86-64: `make apt-repo` on such a machine puts it there."
  }
}

variable "apt_source" {
  description = "The text of a repository's nonstop.sources, if it is served elsewhere."
  type        = string
  default     = null

  validation {
    condition     = var.apt_source == null || can(regex("(?s)URIs:.*Signed-By:\\s*\n -----BEGIN PGP PUBLIC KEY BLOCK-----", var.apt_source))
    error_message = "apt_source is the text of nonstop.sources as `make apt-repo` writes it: deb822, with the key in Signed-By."
  }
}

variable "image" {
  description = "An AMI in which the package is installed already, for the fastest start (docs/terraform.md says how to make one)."
  type        = string
  default     = null

  validation {
    condition     = var.image == null || can(regex("^ami-[0-9a-f]{8,17}$", var.image))
    error_message = "An image is ami-…"
  }
}

variable "debian" {
  description = "The release of Debian that machines without an image of their own start from: the newest image of it that Debian has published."
  type        = number
  default     = 13
  nullable    = false

  validation {
    condition     = contains([12, 13], var.debian)
    error_message = "The package is for Debian 12 and 13."
  }
}

# ---- the machines ----------------------------------------------------------------------------------

variable "redundancy" {
  description = "\"handover\": one machine, whose successor is on air before it goes. \"dual\": two in two zones all the time, one on each ingest; it takes a destination with a backup. Two regions are two groups with \"handover\" and pair = true."
  type        = string
  default     = "handover"
  nullable    = false

  validation {
    condition     = contains(["handover", "dual"], var.redundancy)
    error_message = "redundancy is \"handover\" or \"dual\"."
  }
}

variable "pair" {
  description = "Whether this is one of two such groups on one channel, each in a region of its own; the alarms then expect both, and the bill has the streams of both."
  type        = bool
  default     = false
  nullable    = false
}

variable "instance_types" {
  description = "Machines to choose from, by price and by how much of them is free; null for t3a and its neighbours with enough memory to render the picture. x86; all of a family with CPU credits (t2, t3, t3a), or none."
  type        = list(string)
  default     = null

  validation {
    condition     = var.instance_types == null || try(length(var.instance_types) > 0 && alltrue([for name in var.instance_types : can(regex("^[a-z0-9-]+\\.[a-z0-9]+$", name))]), false)
    error_message = "instance_types names at least one, such as \"t3a.micro\"."
  }
}

variable "spot" {
  description = "Whether machines are spot instances; false is the way out where none are to be had, at two and a half times the price of the machine."
  type        = bool
  default     = true
  nullable    = false
}

variable "cpu_credits" {
  description = "\"standard\": the machine costs what it costs, and boots and renders slowly until it has earned credits. \"unlimited\": it does both at full speed, and each hour of it above the baseline costs 0.05 US$."
  type        = string
  default     = "standard"
  nullable    = false

  validation {
    condition     = contains(["standard", "unlimited"], var.cpu_credits)
    error_message = "cpu_credits is \"standard\" or \"unlimited\"."
  }
}

variable "disk_gb" {
  description = "The machine's disk, in GB; null for what the bill has. Renditions get what Debian and FFmpeg leave of it."
  type        = number
  default     = null

  validation {
    condition     = var.disk_gb == null || try(var.disk_gb >= 8 && var.disk_gb <= 1024 && floor(var.disk_gb) == var.disk_gb, false)
    error_message = "disk_gb is a whole number from 8 to 1024."
  }
}

variable "ssm" {
  description = "Whether Systems Manager may open a shell on the machines, and its agent is installed. There is no SSH."
  type        = bool
  default     = false
  nullable    = false
}

variable "role_permissions_boundary" {
  description = "The ARN of a permissions boundary for the role, where an organisation asks for one."
  type        = string
  default     = null

  validation {
    condition     = var.role_permissions_boundary == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.role_permissions_boundary))
    error_message = "role_permissions_boundary is a policy's whole ARN."
  }
}

# ---- the network -----------------------------------------------------------------------------------

variable "network" {
  description = "A network of your own instead of the default VPC: subnets in as many zones as there are, and their route tables for the way to S3."
  type = object({
    vpc_id          = string
    subnet_ids      = list(string)
    route_table_ids = list(string)
  })
  default = null

  validation {
    condition     = var.network == null || try(length(var.network.subnet_ids) > 0, false)
    error_message = "network has at least one subnet; more, in other zones, find spare machines sooner."
  }
}

variable "existing_s3_endpoint" {
  description = "The network's gateway endpoint for S3, if it has one already (a second channel takes the first one's)."
  type        = object({ id = string })
  default     = null

  validation {
    condition     = var.existing_s3_endpoint == null || try(can(regex("^vpce-[0-9a-f]+$", var.existing_s3_endpoint.id)), false)
    error_message = "existing_s3_endpoint.id is vpce-…"
  }
}

variable "public_ipv4" {
  description = "Whether machines get a public IPv4 address. Without one they need IPv6, or a NAT of yours."
  type        = bool
  default     = true
  nullable    = false
}

variable "ipv6" {
  description = "Whether machines get an IPv6 address; the subnets need a range for it."
  type        = bool
  default     = false
  nullable    = false
}

variable "egress_ports" {
  description = "Further TCP ports that machines may connect to, for a repository on an unusual port for example. Those of destinations, and 80 and 443, are open anyway."
  type        = set(number)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for port in var.egress_ports : port > 0 && port < 65536])
    error_message = "A port is 1 to 65535."
  }
}

# ---- to be told ------------------------------------------------------------------------------------

variable "alarm_emails" {
  description = "Who is told of alarms; each has to confirm the first mail."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", address))])
    error_message = "alarm_emails are addresses."
  }
}

variable "existing_topic" {
  description = "An SNS topic for the alarms instead of a new one."
  type        = object({ arn = string })
  default     = null

  validation {
    condition     = var.existing_topic == null || try(can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:.+$", var.existing_topic.arn)), false)
    error_message = "existing_topic.arn is the topic's whole ARN."
  }
}

variable "alarms" {
  description = "Whether there are alarms and a dashboard. They are by channel, so of two groups on one channel one has them."
  type        = bool
  default     = true
  nullable    = false
}

variable "log_days" {
  description = "How long CloudWatch keeps a copy of the log, in days; 0 for no copy. The machine's journal goes with the machine."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400], var.log_days)
    error_message = "log_days is 0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365 or 400: CloudWatch knows no others below these."
  }
}

variable "tags" {
  description = "Tags for everything that takes some."
  type        = map(string)
  default     = {}
  nullable    = false
}
