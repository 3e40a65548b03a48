variable "region" {
  description = "The region of bucket and secret."
  type        = string
}

variable "bucket" {
  description = "The channel's bucket."
  type        = string
}

variable "channel" {
  description = "The channel, which is its folder in the bucket."
  type        = string
}

variable "secret" {
  description = "Name or ARN of the secret."
  type        = string
}

variable "names" {
  description = "The destinations' names, which are the fields of the secret."
  type        = list(string)
}
