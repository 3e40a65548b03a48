variable "video_bitrate" {
  description = "The picture's ceiling: \"2000k\", \"2M\", or bits per second."
  type        = string

  validation {
    condition     = can(regex("^[0-9]+(\\.[0-9]+)?[kM]?$", var.video_bitrate))
    error_message = "A bitrate is \"2000k\", \"2M\", or a number of bits per second."
  }
}

variable "audio_bitrate" {
  description = "The sound's bitrate."
  type        = string

  validation {
    condition     = can(regex("^[0-9]+(\\.[0-9]+)?[kM]?$", var.audio_bitrate))
    error_message = "A bitrate is \"128k\", or a number of bits per second."
  }
}

variable "fps" {
  description = "Pictures a second."
  type        = number
}

variable "size" {
  description = "Pixels, as \"1280x720\"."
  type        = string
}

variable "destinations" {
  description = "For each platform whether it has a backup ingest, and \"failover\" or \"both\"."
  type = list(object({
    backup     = bool
    redundancy = string
  }))
}

variable "nodes" {
  description = "Machines that run at the same time."
  type        = number
  default     = 1
}

variable "instance_type" {
  description = "The machine; null for the smallest that will do."
  type        = string
  default     = null
}

variable "spot" {
  description = "Whether machines are spot instances."
  type        = bool
  default     = true
}

variable "public_ipv4" {
  description = "Whether each machine has a public IPv4 address."
  type        = bool
  default     = true
}

variable "disk_gb" {
  description = "Each machine's disk, in GB; null for that of `nonstop cost`."
  type        = number
  default     = null
}

variable "metrics" {
  description = "Whether metrics go to CloudWatch."
  type        = bool
  default     = true
}

variable "alarms" {
  description = "Alarms on them; null for as many as `nonstop cost` reckons with."
  type        = number
  default     = null
}
