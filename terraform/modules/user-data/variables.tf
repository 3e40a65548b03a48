variable "channel" {
  description = "The channel's name, in logs and metrics."
  type        = string
}

variable "source_url" {
  description = "Where the music is: s3://bucket/prefix, or a folder on the machine."
  type        = string
}

variable "background" {
  description = "The picture or clip, relative to the source; null for background.* at its top."
  type        = string
  default     = null
}

variable "cache" {
  description = "How much music may lie on the machine to be rendered, as \"1GB\"; null for nonstop's default."
  type        = string
  default     = null
}

variable "order" {
  description = "\"shuffle\" or \"sequential\"."
  type        = string
  default     = "shuffle"
}

variable "video" {
  description = "The picture: size in pixels, pictures a second, time between keyframes, bitrate's ceiling, and \"capped\" or \"constant\"."
  type = object({
    size     = optional(string, "1280x720")
    fps      = optional(number, 30)
    keyframe = optional(string, "2s")
    bitrate  = optional(string, "2000k")
    rate     = optional(string, "capped")
  })
  default = {}
}

variable "audio" {
  description = "The sound: bitrate, and loudness in LUFS or \"off\"."
  type = object({
    bitrate  = optional(string, "128k")
    loudness = optional(string, "-14")
  })
  default = {}
}

variable "destinations" {
  description = "The platforms. A destination's name is also the field of the secret that holds its stream key."
  type = list(object({
    name       = string
    primary    = string
    backup     = optional(string)
    redundancy = optional(string, "failover")
    ca_file    = optional(string)
  }))
}

variable "secret" {
  description = "Name or ARN of the secret that holds the stream keys, as a JSON object with a field for each destination."
  type        = string
}

variable "cloudwatch" {
  description = "Where metrics go, and a copy of the log if a group is named; null for nowhere."
  type = object({
    namespace = string
    logs      = optional(string)
  })
  default = null
}

variable "environment" {
  description = "Variables for the daemon, such as AWS_REGION; written to /etc/default/nonstop. No place for secrets."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.environment) : can(regex("^[A-Z][A-Z0-9_]*$", name))])
    error_message = "Variables are named in capitals, digits and underscores."
  }
  validation {
    condition     = alltrue([for name in keys(var.environment) : !can(regex("SECRET|TOKEN|PASSWORD|ACCESS_KEY", name))])
    error_message = "User data is no place for credentials: whoever may look at an instance may read it. Give the instance a role."
  }
}

variable "apt_source" {
  description = "The text of the repository's nonstop.sources (deb822, with the key in it), which whoever calls has looked at; null where the image has the package already."
  type        = string
  default     = null
}

variable "group" {
  description = "The machine's Auto Scaling group, which is told if the machine will never play: its name, its launching hook, its region, and where Auto Scaling is there; null for none."
  type = object({
    name     = string
    hook     = string
    region   = string
    endpoint = string
  })
  default = null

  validation {
    condition     = var.group == null || try(can(regex("^https?://[A-Za-z0-9.:-]+$", var.group.endpoint)) && alltrue([for name in [var.group.name, var.group.hook, var.group.region] : can(regex("^[A-Za-z0-9_-]+$", name))]), false)
    error_message = "group has names of letters, digits, - and _, and an address without a path."
  }
}

variable "ssm_agent_url" {
  description = "Where Amazon's Systems Manager agent is, as a package; null for none."
  type        = string
  default     = null

  validation {
    condition     = var.ssm_agent_url == null || can(regex("^https://[A-Za-z0-9./_-]+$", var.ssm_agent_url))
    error_message = "ssm_agent_url is an https address."
  }
}
