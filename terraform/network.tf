# The default VPC, or a given one. Machines take no connection from anywhere; there is no SSH.

data "aws_vpc" "default" {
  count   = var.network == null ? 1 : 0
  default = true
}

data "aws_subnets" "default" {
  count = var.network == null ? 1 : 0

  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default[0].id]
  }
  filter {
    name   = "default-for-az"
    values = ["true"]
  }
}

data "aws_route_tables" "default" {
  count  = var.network == null && var.existing_s3_endpoint == null ? 1 : 0
  vpc_id = data.aws_vpc.default[0].id
}

locals {
  vpc_id     = try(var.network.vpc_id, data.aws_vpc.default[0].id)
  subnet_ids = try(var.network.subnet_ids, data.aws_subnets.default[0].ids)
  # None where the way to S3 is there already.
  route_table_ids = try(var.network.route_table_ids, data.aws_route_tables.default[0].ids, [])
  s3_endpoint_id  = try(var.existing_s3_endpoint.id, aws_vpc_endpoint.s3[0].id)

  ingests = concat(var.destinations[*].primary, compact(var.destinations[*].backup))
  # 443 for AWS and RTMPS, 80 for Debian's mirrors, and whatever ports the ingests are on. Names and
  # time come from the VPC itself, which no security group stands in front of.
  ports = setunion(
    [80, 443],
    [for url in local.ingests : tonumber(regex("^[^:]+://[^/:]+:([0-9]+)", url)[0]) if can(regex("^[^:]+://[^/:]+:[0-9]+", url))],
    [for url in local.ingests : 1935 if can(regex("^rtmp://[^/:]+/", url))],
    var.egress_ports,
  )
}

# What goes to S3 through it costs nothing, also for a machine behind a NAT.
resource "aws_vpc_endpoint" "s3" {
  count = var.existing_s3_endpoint == null ? 1 : 0

  vpc_id            = local.vpc_id
  service_name      = "com.amazonaws.${local.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = local.route_table_ids
  tags              = merge(local.tags, { Name = local.name })
}

resource "aws_security_group" "node" {
  name_prefix = "${local.name}-"
  description = "nonstop channel ${var.channel}: nothing comes in, and out goes what a channel needs"
  vpc_id      = local.vpc_id
  tags        = merge(local.tags, { Name = local.name })

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_egress_rule" "ipv4" {
  for_each = toset([for port in local.ports : tostring(port)])

  security_group_id = aws_security_group.node.id
  description       = "TCP ${each.value} to anywhere: an ingest's addresses change with its name"
  ip_protocol       = "tcp"
  from_port         = tonumber(each.value)
  to_port           = tonumber(each.value)
  cidr_ipv4         = "0.0.0.0/0"
  tags              = local.tags
}

resource "aws_vpc_security_group_egress_rule" "ipv6" {
  for_each = toset(var.ipv6 ? [for port in local.ports : tostring(port)] : [])

  security_group_id = aws_security_group.node.id
  description       = "TCP ${each.value} to anywhere: an ingest's addresses change with its name"
  ip_protocol       = "tcp"
  from_port         = tonumber(each.value)
  to_port           = tonumber(each.value)
  cidr_ipv6         = "::/0"
  tags              = local.tags
}
