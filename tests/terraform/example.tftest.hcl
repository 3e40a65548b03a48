# Each example is planned as it stands, by a provider that makes nothing.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
  mock_data "aws_vpc" {
    defaults = { id = "vpc-00000001" }
  }
  mock_data "aws_subnets" {
    defaults = { ids = ["subnet-00000001", "subnet-00000002"] }
  }
}

mock_provider "aws" {
  alias = "away"
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "us-west-2" }
  }
  mock_data "aws_vpc" {
    defaults = { id = "vpc-00000002" }
  }
  mock_data "aws_subnets" {
    defaults = { ids = ["subnet-00000003", "subnet-00000004"] }
  }
}

run "it_can_be_planned" {
  command = plan
}
