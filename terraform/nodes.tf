# The machines: a launch template, and a group that replaces them before they go.

data "aws_ami" "debian" {
  count = var.image == null ? 1 : 0

  most_recent = true
  # Debian's own account.
  owners = ["136693071363"]

  filter {
    name   = "name"
    values = ["debian-${var.debian}-amd64-*"]
  }
  filter {
    name   = "architecture"
    values = ["x86_64"]
  }
  filter {
    name   = "virtualization-type"
    values = ["hvm"]
  }
}

locals {
  launching = "nonstop-launching"
  # Each machine that can render the picture, and the same by Intel; so four kinds of spare machine in
  # each zone to take, of which the cheapest that will last is taken.
  machines = slice(module.cost.machines, 0, min(2, length(module.cost.machines)))
  instance_types = coalesce(var.instance_types, flatten([
    for name in local.machines : [name, replace(name, "t3a.", "t3.")]
  ]))
  burstable = can(regex(local.credits, local.instance_types[0]))
  # Families whose machines earn CPU credits.
  credits = "^t(2|3|3a)\\."
}

resource "aws_launch_template" "node" {
  #checkov:skip=CKV_AWS_88:a NAT costs ten times what the channel does; nothing may connect to the address, and public_ipv4 = false takes it away
  name_prefix            = "${local.name}-"
  description            = "A machine of the nonstop channel ${var.channel}"
  update_default_version = true
  image_id               = try(data.aws_ami.debian[0].id, var.image)
  instance_type          = local.instance_types[0]
  user_data              = base64encode(module.user_data.user_data)
  # One that turns itself off will never play, and shall not lie there stopped.
  instance_initiated_shutdown_behavior = "terminate"

  iam_instance_profile {
    arn = aws_iam_instance_profile.node.arn
  }

  # Only with a token, and only from the machine itself: one hop does not reach into a container.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    http_protocol_ipv6          = var.ipv6 ? "enabled" : "disabled"
    instance_metadata_tags      = "disabled"
  }

  # Amazon refuses it for machines that have no credits.
  dynamic "credit_specification" {
    for_each = local.burstable ? [var.cpu_credits] : []
    content {
      cpu_credits = credit_specification.value
    }
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_type           = "gp3"
      volume_size           = module.cost.disk_gb
      encrypted             = "true"
      delete_on_termination = "true"
    }
  }

  network_interfaces {
    device_index                = 0
    associate_public_ip_address = tostring(var.public_ipv4)
    ipv6_address_count          = var.ipv6 ? 1 : null
    security_groups             = [aws_security_group.node.id]
    delete_on_termination       = "true"
  }

  # A minute's detail would be paid for; nonstop sends its own metrics.
  monitoring {
    enabled = false
  }

  dynamic "tag_specifications" {
    for_each = ["instance", "volume", "network-interface"]
    content {
      resource_type = tag_specifications.value
      tags          = merge(local.tags, { Name = local.name })
    }
  }

  tags = local.tags

  lifecycle {
    create_before_destroy = true

    precondition {
      condition     = length([for given in [var.packages, var.apt_source, var.image] : given if given != null]) == 1
      error_message = "Say where the package comes from: exactly one of packages (a folder that `make apt-repo` has made), apt_source (a repository's nonstop.sources) and image (an AMI that has it)."
    }
    precondition {
      condition     = var.public_ipv4 || var.ipv6 || var.network != null
      error_message = "Without a public address of either kind, machines of the default VPC reach nobody. Set ipv6 = true, or give a network with a NAT."
    }
    precondition {
      condition     = local.all_nodes == 1 || anytrue([for destination in var.destinations : destination.backup != null])
      error_message = "Two machines at a time need a destination with a backup: on one ingest only one can be."
    }
    precondition {
      condition     = length(distinct([for name in local.instance_types : can(regex(local.credits, name))])) == 1
      error_message = "instance_types are either all of a family with CPU credits (t2, t3, t3a) or none: one template serves all, and Amazon takes cpu_credits for the former only."
    }
    precondition {
      condition     = !local.away || var.existing_secret != null
      error_message = "A channel whose bucket is in another region takes its secret from there as well: existing_secret."
    }
  }
}

resource "aws_autoscaling_group" "node" {
  name                = local.name
  min_size            = local.nodes
  desired_capacity    = local.nodes
  max_size            = local.nodes * 2
  vpc_zone_identifier = local.subnet_ids

  # The successor comes first, at a rebalance advice as at an update.
  capacity_rebalance = true
  instance_maintenance_policy {
    min_healthy_percentage = 100
    max_healthy_percentage = 200
  }

  # Evening out zones would move a lone machine that is well where it is; two are to be in two zones.
  suspended_processes = local.nodes == 1 ? ["AZRebalance"] : []

  health_check_type         = "EC2"
  health_check_grace_period = 300
  # A machine without a stream key is up and waits for it, and so does its hook. Nobody needs
  # Terraform to wait, too.
  wait_for_capacity_timeout = "0"

  mixed_instances_policy {
    launch_template {
      launch_template_specification {
        launch_template_id = aws_launch_template.node.id
        version            = aws_launch_template.node.latest_version
      }
      dynamic "override" {
        for_each = local.instance_types
        content {
          instance_type = override.value
        }
      }
    }
    instances_distribution {
      on_demand_base_capacity                  = 0
      on_demand_percentage_above_base_capacity = var.spot ? 0 : 100
      spot_allocation_strategy                 = "price-capacity-optimized"
    }
  }

  # The daemon completes hooks whose names start with `nonstop`: the first when every destination gets
  # the stream, so that the predecessor stays until then; the second when it has left the air. An hour,
  # because a t3a without CPU credits needs long for apt alone, and waiting that long is rare: a machine
  # that will never play has the group give it up (modules/user-data/start.sh).
  dynamic "initial_lifecycle_hook" {
    for_each = {
      (local.launching)   = { transition = "autoscaling:EC2_INSTANCE_LAUNCHING", seconds = 3600 }
      nonstop-terminating = { transition = "autoscaling:EC2_INSTANCE_TERMINATING", seconds = 300 }
    }
    content {
      name                 = initial_lifecycle_hook.key
      lifecycle_transition = initial_lifecycle_hook.value.transition
      heartbeat_timeout    = initial_lifecycle_hook.value.seconds
      default_result       = "CONTINUE"
    }
  }

  # A changed template (a new image, a changed configuration) is taken up at once, in the same manner.
  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage = 100
      max_healthy_percentage = 200
      skip_matching          = true
    }
  }

  dynamic "tag" {
    for_each = merge(local.tags, { Name = local.name })
    content {
      key   = tag.key
      value = tag.value
      # The launch template tags machines, and their disks besides.
      propagate_at_launch = false
    }
  }

  # A machine that boots before these are there fails at what it needs first.
  depends_on = [
    aws_iam_role_policy.node,
    aws_s3_object.packages,
    aws_s3_bucket_policy.packages,
    aws_s3_bucket_server_side_encryption_configuration.channel,
    aws_vpc_endpoint.s3,
    aws_vpc_security_group_egress_rule.ipv4,
    aws_vpc_security_group_egress_rule.ipv6,
  ]
}
