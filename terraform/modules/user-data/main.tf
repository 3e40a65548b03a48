# The configuration of a channel, and the cloud-init user data that makes a Debian its node. No
# provider is needed, so it can be rendered, tested and booted without an account.
#
# Nothing in here is secret: whoever may look at an instance may read its user data.

locals {
  # A TOML string is written as a JSON one.
  media = concat(
    ["source = ${jsonencode(var.source_url)}"],
    var.background == null ? [] : ["background = ${jsonencode(var.background)}"],
    var.cache == null ? [] : ["cache = ${jsonencode(var.cache)}"],
  )
  video = [
    "size = ${jsonencode(var.video.size)}",
    "fps = ${var.video.fps}",
    "keyframe = ${jsonencode(var.video.keyframe)}",
    "bitrate = ${jsonencode(var.video.bitrate)}",
    "rate = ${jsonencode(var.video.rate)}",
  ]
  audio = [
    "bitrate = ${jsonencode(var.audio.bitrate)}",
    "loudness = ${var.audio.loudness == "off" ? jsonencode("off") : var.audio.loudness}",
  ]
  cloudwatch = concat(
    var.cloudwatch == null ? [] : ["namespace = ${jsonencode(var.cloudwatch.namespace)}"],
    try(var.cloudwatch.logs, null) == null ? [] : ["logs = ${jsonencode(var.cloudwatch.logs)}"],
  )
  destinations = [for destination in var.destinations : concat(
    ["name = ${jsonencode(destination.name)}", "primary = ${jsonencode(destination.primary)}"],
    destination.backup == null ? [] : ["backup = ${jsonencode(destination.backup)}"],
    destination.ca_file == null ? [] : ["ca_file = ${jsonencode(destination.ca_file)}"],
    [
      "redundancy = ${jsonencode(destination.redundancy)}",
      "key = { secret = ${jsonencode(var.secret)}, field = ${jsonencode(destination.name)} }",
    ],
  )]
  sections = concat(
    [
      ["# Written by Terraform; changes here last until the machine is replaced.", "channel = ${jsonencode(var.channel)}"],
      concat(["[media]"], local.media),
      ["[rotation]", "order = ${jsonencode(var.order)}"],
      concat(["[video]"], local.video),
      concat(["[audio]"], local.audio),
    ],
    length(local.cloudwatch) == 0 ? [] : [concat(["[cloudwatch]"], local.cloudwatch)],
    [for lines in local.destinations : concat(["[[destination]]"], lines)],
  )
  config = "${join("\n\n", [for lines in local.sections : join("\n", lines)])}\n"

  files = concat(
    [{ path = "/etc/nonstop/nonstop.toml", permissions = "0644", content = local.config }],
    length(var.environment) == 0 ? [] : [{
      path        = "/etc/default/nonstop"
      permissions = "0644"
      content     = join("", [for name, value in var.environment : "${name}=${jsonencode(value)}\n"])
    }],
    var.apt_source == null ? [] : [{
      path        = "/etc/apt/sources.list.d/nonstop.sources"
      permissions = "0644"
      content     = var.apt_source
    }],
  )

  # cloud-init gives apt one attempt, and an index that is changed at that moment ends the boot.
  packages = {
    apt = {
      preserve_sources_list = true
      conf                  = "Acquire::Retries \"5\";\nDPkg::Lock::Timeout \"300\";\n"
    }
    package_update = true
    packages       = ["nonstop"]
  }
  first_boot = { for key, value in local.packages : key => value if var.apt_source != null }

  # start.sh's arguments, after the name that its shell goes by.
  told = var.group == null ? [] : ["start", var.group.name, var.group.hook, var.group.region, var.group.endpoint]

  # A list is run without a shell in between, so nothing has to be quoted twice.
  commands = concat(
    var.ssm_agent_url == null ? [] : [["systemd-run", "--unit", "ssm-agent-install", "sh", "-c", file("${path.module}/ssm.sh"), "ssm", var.ssm_agent_url]],
    var.apt_source == null ? [] : [["sh", "-c", file("${path.module}/install.sh")]],
    [concat(["sh", "-c", file("${path.module}/start.sh")], local.told)],
  )

  user_data = "#cloud-config\n${yamlencode(merge(local.first_boot, {
    write_files = local.files
    runcmd      = local.commands
  }))}"
}
