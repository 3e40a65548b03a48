# The module against a provider that knows every argument and makes nothing.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
  mock_data "aws_vpc" {
    defaults = { id = "vpc-00000001" }
  }
  mock_data "aws_subnets" {
    defaults = { ids = ["subnet-00000001", "subnet-00000002", "subnet-00000003"] }
  }
  mock_data "aws_route_tables" {
    defaults = { ids = ["rtb-00000001"] }
  }
  mock_data "aws_ami" {
    defaults = { id = "ami-00000001" }
  }
  mock_resource "aws_secretsmanager_secret" {
    defaults = { arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:nonstop/lofi-AbCdEf" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:111122223333:nonstop-lofi-alarms" }
  }
  mock_resource "aws_iam_instance_profile" {
    defaults = { arn = "arn:aws:iam::111122223333:instance-profile/nonstop-lofi-eu-central-1" }
  }
  mock_resource "aws_vpc_endpoint" {
    defaults = { id = "vpce-00000001" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-00000001", latest_version = 1 }
  }
}

variables {
  channel    = "lofi"
  apt_source = <<-EOT
    Types: deb
    URIs: https://packages.example.org
    Suites: stable
    Components: main
    Signed-By:
     -----BEGIN PGP PUBLIC KEY BLOCK-----
     .
     mDMEZ
     -----END PGP PUBLIC KEY BLOCK-----
  EOT
}

run "nobody_connects_to_a_machine_and_it_gets_no_further_than_it_needs" {
  assert {
    condition     = length([for rule in aws_vpc_security_group_egress_rule.ipv4 : rule if rule.ip_protocol == "tcp"]) == 2 && keys(aws_vpc_security_group_egress_rule.ipv4) == ["443", "80"]
    error_message = "Open are ${join(", ", keys(aws_vpc_security_group_egress_rule.ipv4))}."
  }
  assert {
    condition     = length(aws_vpc_security_group_egress_rule.ipv6) == 0
    error_message = "IPv6 is open without being asked for."
  }
  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_egress_rule.ipv4 : rule.from_port == rule.to_port])
    error_message = "A rule opens a range."
  }
  # What is computed is made up by the mock; an ingress that is written down would be there.
  assert {
    condition     = length(aws_security_group.node.ingress) == 0
    error_message = "Something may connect to a machine."
  }
  assert {
    condition     = aws_launch_template.node.key_name == null || aws_launch_template.node.key_name == ""
    error_message = "A machine has a key for SSH."
  }
  assert {
    condition     = length(aws_iam_role_policy_attachment.ssm) == 0
    error_message = "Systems Manager may open a shell without being asked for."
  }
}

run "a_machine_is_as_the_design_wants_it" {
  assert {
    condition     = aws_launch_template.node.metadata_options[0].http_tokens == "required" && aws_launch_template.node.metadata_options[0].http_put_response_hop_limit == 1
    error_message = "The metadata is not behind tokens and one hop."
  }
  assert {
    condition     = aws_launch_template.node.block_device_mappings[0].ebs[0].volume_type == "gp3" && aws_launch_template.node.block_device_mappings[0].ebs[0].encrypted == "true" && aws_launch_template.node.block_device_mappings[0].ebs[0].volume_size == 8
    error_message = "The disk is not an encrypted gp3 of 8 GB."
  }
  assert {
    condition     = aws_launch_template.node.credit_specification[0].cpu_credits == "standard"
    error_message = "A machine could cost more than it says."
  }
  assert {
    condition     = aws_launch_template.node.image_id == "ami-00000001" && data.aws_ami.debian[0].owners == tolist(["136693071363"])
    error_message = "The image is not Debian's own."
  }
  assert {
    condition     = aws_launch_template.node.instance_initiated_shutdown_behavior == "terminate"
    error_message = "A machine that turns itself off would only be stopped."
  }
  assert {
    condition     = anytrue([for command in yamldecode(module.user_data.user_data).runcmd : endswith(join(" ", command), "\n start nonstop-lofi nonstop-launching eu-central-1 https://autoscaling.eu-central-1.amazonaws.com")])
    error_message = "A machine that will never play does not know whom to tell."
  }
  assert {
    condition     = base64decode(aws_launch_template.node.user_data) == module.user_data.user_data
    error_message = "The machine gets other user data than the module renders."
  }
}

run "a_successor_comes_before_a_machine_goes" {
  assert {
    condition     = aws_autoscaling_group.node.min_size == 1 && aws_autoscaling_group.node.desired_capacity == 1 && aws_autoscaling_group.node.max_size == 2
    error_message = "The group is not one machine with room for its successor."
  }
  assert {
    condition     = aws_autoscaling_group.node.capacity_rebalance && aws_autoscaling_group.node.instance_maintenance_policy[0].min_healthy_percentage == 100 && aws_autoscaling_group.node.instance_maintenance_policy[0].max_healthy_percentage == 200
    error_message = "A machine could go before its successor is there."
  }
  assert {
    condition     = aws_autoscaling_group.node.instance_refresh[0].preferences[0].min_healthy_percentage == 100 && aws_autoscaling_group.node.instance_refresh[0].preferences[0].max_healthy_percentage == 200
    error_message = "An update could take a machine away before its successor is there."
  }
  assert {
    condition     = aws_autoscaling_group.node.suspended_processes == toset(["AZRebalance"])
    error_message = "A lone machine could be moved to even out zones."
  }
  assert {
    condition     = length(aws_autoscaling_group.node.vpc_zone_identifier) == 3
    error_message = "Not every zone is used."
  }
  assert {
    condition     = aws_autoscaling_group.node.mixed_instances_policy[0].instances_distribution[0].spot_allocation_strategy == "price-capacity-optimized" && aws_autoscaling_group.node.mixed_instances_policy[0].instances_distribution[0].on_demand_percentage_above_base_capacity == 0
    error_message = "Machines are not spot instances by price and capacity."
  }
  assert {
    condition     = aws_autoscaling_group.node.mixed_instances_policy[0].launch_template[0].override[*].instance_type == tolist(["t3a.nano", "t3.nano", "t3a.micro", "t3.micro"])
    error_message = "The machines are ${join(", ", aws_autoscaling_group.node.mixed_instances_policy[0].launch_template[0].override[*].instance_type)}."
  }
  assert {
    condition     = { for hook in aws_autoscaling_group.node.initial_lifecycle_hook : hook.lifecycle_transition => startswith(hook.name, "nonstop") && hook.default_result == "CONTINUE" && hook.heartbeat_timeout >= (strcontains(hook.lifecycle_transition, "LAUNCHING") ? 3600 : 120) } == { "autoscaling:EC2_INSTANCE_LAUNCHING" = true, "autoscaling:EC2_INSTANCE_TERMINATING" = true }
    error_message = "The daemon would not complete these hooks."
  }
}

run "the_bucket_is_closed_and_forgets_nothing_that_is_current" {
  assert {
    condition     = aws_s3_bucket.channel[0].bucket == "nonstop-lofi-111122223333-eu-central-1"
    error_message = "The bucket is called ${aws_s3_bucket.channel[0].bucket}."
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.channel[0].block_public_acls,
      aws_s3_bucket_public_access_block.channel[0].block_public_policy,
      aws_s3_bucket_public_access_block.channel[0].ignore_public_acls,
      aws_s3_bucket_public_access_block.channel[0].restrict_public_buckets,
    ])
    error_message = "The bucket could be made public."
  }
  assert {
    condition     = one(one(aws_s3_bucket_server_side_encryption_configuration.channel[0].rule).apply_server_side_encryption_by_default).sse_algorithm == "AES256"
    error_message = "The bucket is not encrypted."
  }
  assert {
    condition     = anytrue([for statement in jsondecode(aws_s3_bucket_policy.channel[0].policy).Statement : statement.Effect == "Deny" && statement.Condition.Bool["aws:SecureTransport"] == "false"])
    error_message = "The bucket can be read in the clear."
  }
  assert {
    condition     = anytrue([for rule in aws_s3_bucket_lifecycle_configuration.channel[0].rule : try(rule.abort_incomplete_multipart_upload[0].days_after_initiation == 1, false)])
    error_message = "What an upload left behind stays for ever."
  }
  assert {
    condition = alltrue([for rule in aws_s3_bucket_lifecycle_configuration.channel[0].rule :
      alltrue([for expiration in rule.expiration : try(expiration.days, 0) == null || try(expiration.days, 0) == 0]) && alltrue([for expiration in rule.expiration : expiration.expired_object_delete_marker])
    ])
    error_message = "Something that is current expires."
  }
  assert {
    condition     = length([for rule in aws_s3_bucket_lifecycle_configuration.channel[0].rule : rule if contains(["lofi/renditions/", "lofi/schedule/", "lofi/slots/"], try(rule.filter[0].prefix, "-"))]) == 3
    error_message = "Former versions of nonstop's own objects pile up."
  }
}

run "a_role_may_do_what_its_channel_needs" {
  assert {
    condition     = aws_iam_role_policy.node.policy == module.policy.json
    error_message = "The role has another policy."
  }
  assert {
    condition     = alltrue([for statement in jsondecode(module.policy.json).Statement : alltrue([for action in statement.Action : !strcontains(action, "*")])])
    error_message = "An action is a pattern."
  }
  assert {
    condition = alltrue([for statement in jsondecode(module.policy.json).Statement :
      !contains(statement.Resource, "*") || alltrue([for action in statement.Action : contains(["cloudwatch:PutMetricData", "autoscaling:DescribeAutoScalingInstances", "autoscaling:DescribeLifecycleHooks"], action)])
    ])
    error_message = "Something is allowed on everything."
  }
  assert {
    condition = alltrue([for statement in jsondecode(module.policy.json).Statement : alltrue([for action in statement.Action :
      !contains(["s3:PutObject", "s3:DeleteObject"], action) || alltrue([for resource in statement.Resource : can(regex("^arn:aws:s3:::nonstop-lofi-111122223333-eu-central-1/lofi/(renditions|schedule|slots)/\\*$", resource))])
    ])])
    error_message = "Music could be changed."
  }
  assert {
    condition     = [for statement in jsondecode(module.policy.json).Statement : statement.Resource if statement.Sid == "ReadTheStreamKey"] == [["arn:aws:secretsmanager:eu-central-1:111122223333:secret:nonstop/lofi-AbCdEf"]]
    error_message = "Another secret than the channel's can be read."
  }
  assert {
    condition     = [for statement in jsondecode(aws_iam_role.node.assume_role_policy).Statement : statement.Principal] == [{ Service = "ec2.amazonaws.com" }]
    error_message = "Somebody else than a machine can take the role."
  }
}

run "no_secret_is_in_state_or_user_data" {
  assert {
    condition     = strcontains(module.user_data.config, "key = { secret = \"arn:aws:secretsmanager:eu-central-1:111122223333:secret:nonstop/lofi-AbCdEf\", field = \"youtube\" }")
    error_message = "The configuration does not name the secret."
  }
  assert {
    condition     = !strcontains(output.key_command, "--secret-string '") && strcontains(output.key_command, "file:///dev/stdin")
    error_message = "The key would be in the arguments of a program."
  }
}

run "every_alarm_tells_somebody_and_says_what_to_do" {
  variables {
    alarm_emails = ["you@example.org", "me@example.org"]
  }
  assert {
    condition     = keys(aws_cloudwatch_metric_alarm.channel) == ["cpu-credits", "failovers", "lag", "off-air", "quarantine", "silent", "standby", "store"]
    error_message = "The alarms are ${join(", ", keys(aws_cloudwatch_metric_alarm.channel))}."
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.channel : alarm.alarm_actions == toset(["arn:aws:sns:eu-central-1:111122223333:nonstop-lofi-alarms"]) && length(alarm.alarm_description) > 60])
    error_message = "An alarm goes nowhere, or does not say what to do."
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.channel : !contains(keys(alarm.dimensions), "InstanceId")])
    error_message = "An alarm would end with its machine."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.channel["silent"].treat_missing_data == "breaching"
    error_message = "A machine that is gone would raise no alarm."
  }
  assert {
    condition     = alltrue([for name in ["off-air", "silent", "lag", "failovers", "standby", "quarantine", "store"] : aws_cloudwatch_metric_alarm.channel[name].namespace == "nonstop" && aws_cloudwatch_metric_alarm.channel[name].dimensions == tomap({ Channel = "lofi" })])
    error_message = "An alarm looks at metrics that nobody sends."
  }
  assert {
    condition     = length(aws_sns_topic_subscription.email) == 2
    error_message = "Not everybody is told."
  }
  assert {
    condition     = startswith(output.next, "First confirm the mail \"AWS Notification - Subscription Confirmation\" that me@example.org, you@example.org gets") && strcontains(output.next, "\n\nUpload the music")
    error_message = "Nobody is told that an alarm reaches who has confirmed a mail: ${output.next}"
  }
  assert {
    condition     = alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.channel[0].dashboard_body).widgets : length(widget.properties.title) > 0])
    error_message = "The dashboard has a part without a title."
  }
}

run "it_says_what_to_do_next_and_what_it_costs" {
  assert {
    condition     = output.upload_command == "aws s3 sync --region eu-central-1 ./music s3://nonstop-lofi-111122223333-eu-central-1/lofi/"
    error_message = "The upload would be: ${output.upload_command}"
  }
  assert {
    condition     = strcontains(output.next, output.upload_command) && strcontains(output.next, output.key_command) && strcontains(output.next, output.dashboard_url)
    error_message = "The output `next` leaves something out."
  }
  assert {
    condition     = startswith(output.next, "Upload the music, and")
    error_message = "A mail is to be confirmed that nobody gets."
  }
  assert {
    condition     = abs(output.monthly_cost.total - sum(values(output.monthly_cost.items))) < 0.05 && strcontains(output.next, format("%.2f US$ a month", output.monthly_cost.total))
    error_message = "The bill is not the sum of its parts."
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.channel) == jsondecode(file("modules/cost/prices.json")).use.alarms && output.monthly_cost.unless_free > 12
    error_message = "The bill has another number of alarms than there are."
  }
}

run "two_zones_at_once" {
  variables {
    redundancy = "dual"
    video      = { size = "1920x1080", bitrate = "4M" }
  }
  assert {
    condition     = aws_autoscaling_group.node.desired_capacity == 2 && aws_autoscaling_group.node.max_size == 4 && length(aws_autoscaling_group.node.suspended_processes) == 0
    error_message = "There are not two machines, kept in two zones."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.channel["alone"].statistic == "SampleCount"
    error_message = "Nobody is told that one of two is gone."
  }
  assert {
    condition     = aws_launch_template.node.instance_type == "t3a.nano"
    error_message = "A larger machine than 1080 lines take is paid for."
  }
}

run "a_twin_in_another_region" {
  variables {
    pair            = true
    alarms          = false
    existing_bucket = { name = "nonstop-lofi-111122223333-us-east-1", home = "us-east-1" }
    existing_secret = { arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:nonstop/lofi-AbCdEf" }
  }
  assert {
    condition     = strcontains(module.user_data.user_data, "AWS_REGION=\\\"us-east-1\\\"") || strcontains(module.user_data.user_data, "AWS_REGION=\"us-east-1\"")
    error_message = "The daemon would look for the bucket in its own region."
  }
  assert {
    condition     = length(aws_autoscaling_group.node.initial_lifecycle_hook) == 2
    error_message = "A machine could go before its successor is on the air."
  }
  assert {
    condition     = length(aws_s3_bucket.channel) == 0 && length(aws_secretsmanager_secret.keys) == 0 && length(aws_cloudwatch_log_group.channel) == 0 && length(aws_cloudwatch_metric_alarm.channel) == 0
    error_message = "What is at home is made a second time."
  }
  assert {
    condition     = strcontains(module.policy.json, "arn:aws:logs:us-east-1:111122223333:log-group:/nonstop/lofi")
    error_message = "The log cannot go home."
  }
  assert {
    condition     = strcontains(module.policy.json, "arn:aws:autoscaling:eu-central-1:111122223333:autoScalingGroup:*:autoScalingGroupName/nonstop-lofi")
    error_message = "The hooks of its own group cannot be completed."
  }
}

run "ports_of_ingests_are_open" {
  variables {
    ipv6 = true
    destinations = [
      { name = "twitch", primary = "rtmp://live.twitch.tv/app" },
      { name = "own", primary = "rtmps://ingest.example.org:8443/live", backup = "rtmp://ingest.example.org:19350/live" },
    ]
  }
  assert {
    condition     = keys(aws_vpc_security_group_egress_rule.ipv4) == ["1935", "19350", "443", "80", "8443"] && keys(aws_vpc_security_group_egress_rule.ipv6) == keys(aws_vpc_security_group_egress_rule.ipv4)
    error_message = "Open are ${join(", ", keys(aws_vpc_security_group_egress_rule.ipv4))}."
  }
  assert {
    condition     = aws_launch_template.node.network_interfaces[0].ipv6_address_count == 1 && aws_launch_template.node.metadata_options[0].http_protocol_ipv6 == "enabled"
    error_message = "The machine gets no IPv6 address."
  }
}

run "a_repository_from_a_folder_is_read_by_this_network_alone" {
  variables {
    apt_source = null
    packages   = "tests/repository"
  }
  assert {
    condition     = keys(aws_s3_object.packages) == ["dists/stable/InRelease", "pool/main/n/nonstop/nonstop_0.1.0_amd64.deb"]
    error_message = "Uploaded are ${join(", ", keys(aws_s3_object.packages))}."
  }
  assert {
    condition     = [for statement in jsondecode(aws_s3_bucket_policy.packages[0].policy).Statement : statement.Condition.StringEquals["aws:SourceVpce"] if statement.Effect == "Allow"] == ["vpce-00000001"]
    error_message = "Others than this network's machines can read the packages."
  }
  assert {
    condition     = strcontains(module.user_data.user_data, "URIs: https://nonstop-lofi-apt-111122223333-eu-central-1.s3.eu-central-1.amazonaws.com\n") && strcontains(module.user_data.user_data, "Check-Valid-Until: no\n") && !strcontains(module.user_data.user_data, "packages.example.org")
    error_message = "Machines would look for packages elsewhere."
  }
}

run "an_image_that_has_the_package_needs_no_repository" {
  variables {
    apt_source = null
    image      = "ami-0123456789abcdef0"
  }
  assert {
    condition     = aws_launch_template.node.image_id == "ami-0123456789abcdef0" && length(setintersection(keys(yamldecode(module.user_data.user_data)), ["apt", "packages", "package_update"])) == 0 && !strcontains(module.user_data.user_data, "sources.list.d") && !strcontains(module.user_data.user_data, "install nonstop")
    error_message = "A machine with the package in its image installs it."
  }
}

run "a_machine_that_cannot_be_installed_can_be_looked_at" {
  variables {
    ssm = true
  }
  assert {
    condition     = startswith(join(" ", yamldecode(module.user_data.user_data).runcmd[0]), "systemd-run --unit ssm-agent-install sh -c ") && endswith(join(" ", yamldecode(module.user_data.user_data).runcmd[0]), "\n ssm https://amazon-ssm-eu-central-1.s3.eu-central-1.amazonaws.com/latest/debian_amd64/amazon-ssm-agent.deb")
    error_message = "The agent of Systems Manager comes after what may fail, or holds it up."
  }
  assert {
    condition     = length(aws_iam_role_policy_attachment.ssm) == 1
    error_message = "Systems Manager may not open a shell."
  }
}

run "machines_without_cpu_credits" {
  variables {
    instance_types = ["c6a.large", "m6a.large"]
  }
  assert {
    condition     = length(aws_launch_template.node.credit_specification) == 0 && !contains(keys(aws_cloudwatch_metric_alarm.channel), "cpu-credits")
    error_message = "Something is said of credits that these machines do not have."
  }
}

run "machines_with_and_without_cpu_credits" {
  command = plan
  variables {
    instance_types = ["t3a.micro", "c6a.large"]
  }
  expect_failures = [aws_launch_template.node]
}

run "names_that_no_bucket_can_have" {
  command = plan
  variables {
    channel = "Lo Fi"
  }
  expect_failures = [var.channel]
}

run "an_ingest_with_the_stream_key_in_it" {
  command = plan
  variables {
    destinations = [{ name = "youtube", primary = "rtmps://a.rtmps.youtube.com/live2/abcd-efgh" }]
  }
  expect_failures = [var.destinations]
}

run "both_without_a_backup" {
  command = plan
  variables {
    destinations = [{ name = "twitch", primary = "rtmp://live.twitch.tv/app", redundancy = "both" }]
  }
  expect_failures = [var.destinations]
}

run "a_frame_rate_that_no_cell_has" {
  command = plan
  variables {
    video = { fps = 29 }
  }
  expect_failures = [var.video]
}

run "no_word_where_the_package_comes_from" {
  command = plan
  variables {
    apt_source = null
  }
  expect_failures = [aws_launch_template.node]
}

run "two_machines_on_one_ingest" {
  command = plan
  variables {
    redundancy   = "dual"
    destinations = [{ name = "twitch", primary = "rtmp://live.twitch.tv/app" }]
  }
  expect_failures = [aws_launch_template.node]
}

run "a_machine_that_reaches_nobody" {
  command = plan
  variables {
    public_ipv4 = false
  }
  expect_failures = [aws_launch_template.node]
}
