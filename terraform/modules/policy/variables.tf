variable "bucket_arn" {
  description = "The channel's bucket."
  type        = string
}

variable "prefix" {
  description = "Where in it the channel lies, without slashes around it."
  type        = string

  validation {
    condition     = can(regex("^[^/*?$]+(/[^/*?$]+)*$", var.prefix))
    error_message = "The prefix has no slash around it, and none of *, ? and $: they would widen the policy."
  }
}

variable "secret_arn" {
  description = "The secret that holds the stream keys."
  type        = string
}

variable "namespace" {
  description = "The namespace in CloudWatch to which metrics may be sent."
  type        = string
}

variable "group_arn" {
  description = "The Auto Scaling group, as a pattern: its ARN contains an id that is not known before it exists."
  type        = string
}

variable "log_group_arn" {
  description = "The log group to which a copy of the log may be sent; null for none."
  type        = string
  default     = null
}

variable "kms_key_arns" {
  description = "Keys of one's own that bucket or secret are encrypted with."
  type        = list(string)
  default     = []
}
