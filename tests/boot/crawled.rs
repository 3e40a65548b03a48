//! What an instance's metadata service says, as a tree with its indexes: cloud-init reads every leaf
//! that they lead to.

use crate::rig::imds::Metadata;
use std::collections::{BTreeMap, BTreeSet};

/// Versions of the service: the one that the SDK asks for, and the oldest and newest that cloud-init
/// knows; it looks for the service with the one and then reads the other.
const VERSIONS: [&str; 3] = ["latest", "2009-04-04", "2021-03-23"];
/// Where the credentials of the machines' role are.
pub const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials/nonstop-lofi";

/// Has `metadata` say what it says on an instance called `id`, in `region`, whose network device has
/// the hardware address `mac`, with `user_data`.
pub fn fill(metadata: &Metadata, id: &str, region: &str, mac: &str, user_data: &str) {
    // Nobody checks them here; that they come from where a role's come from is what is to be seen.
    let credentials = r#"{"Code":"Success","LastUpdated":"2026-01-01T00:00:00Z","Type":"AWS-HMAC","AccessKeyId":"ASIAFAKE","SecretAccessKey":"fake","Token":"fake","Expiration":"2036-01-01T00:00:00Z"}"#;
    let leaves = format!(
        "ami-id ami-0abc12de34f567890
ami-launch-index 0
hostname {id}.{region}.compute.internal
iam/security-credentials/nonstop-lofi {credentials}
instance-id {id}
instance-type t3a.micro
local-hostname {id}.{region}.compute.internal
network/interfaces/macs/{mac}/device-number 0
network/interfaces/macs/{mac}/mac {mac}
network/interfaces/macs/{mac}/subnet-ipv4-cidr-block 10.0.0.0/8
network/interfaces/macs/{mac}/vpc-id vpc-0abc12de34f567890
placement/availability-zone {region}a
placement/region {region}"
    );
    let identity = format!(
        r#"{{"instanceId":"{id}","region":"{region}","availabilityZone":"{region}a","instanceType":"t3a.micro"}}"#
    );
    for version in VERSIONS {
        let root = format!("/{version}/meta-data");
        let mut indexes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, text) in leaves.lines().filter_map(|line| line.split_once(' ')) {
            metadata.say(&format!("{root}/{path}"), text);
            let (mut folder, mut rest) = (root.clone(), path);
            while let Some((name, more)) = rest.split_once('/') {
                indexes.entry(folder.clone()).or_default().insert(format!("{name}/"));
                folder = format!("{folder}/{name}");
                rest = more;
            }
            indexes.entry(folder).or_default().insert(rest.to_owned());
        }
        for (folder, names) in indexes {
            let names = names.into_iter().collect::<Vec<_>>().join("\n");
            metadata.say(&folder, &names);
            metadata.say(&format!("{folder}/"), &names);
        }
        metadata.say(&format!("/{version}/dynamic/instance-identity"), "document");
        metadata.say(&format!("/{version}/dynamic/instance-identity/"), "document");
        metadata.say(&format!("/{version}/dynamic/instance-identity/document"), &identity);
        metadata.say(&format!("/{version}/user-data"), user_data);
    }
}
