//! From power-on to on air without a hand, and from one machine to the next without a hole: the user
//! data that Terraform renders boots Debian 13 as a cloud's image has it, with cloud-init's Ec2
//! datasource, in a network with a metadata service, a bucket, a secret, the signed repository and a
//! platform with two ingests. Nothing is done on the machines; what the ingests recorded is held
//! against the programme that lies in the bucket.
//!
//! `make test-boot` runs it: it needs root, Terraform, and what `tests/boot/run` makes.

mod rig;

#[path = "boot/cloud.rs"]
mod cloud;
#[path = "boot/crawled.rs"]
mod crawled;
#[path = "boot/instance.rs"]
mod instance;
// The tests of the package do more with it.
#[allow(dead_code)]
#[path = "package/machine.rs"]
mod machine;
#[path = "boot/phases.rs"]
mod phases;
#[path = "boot/story.rs"]
mod story;
#[path = "boot/user_data.rs"]
mod user_data;

#[test]
#[ignore = "make test-boot"]
fn the_channel_goes_on_air_by_itself_and_its_successor_takes_over_without_a_hole() {
    story::told();
}
