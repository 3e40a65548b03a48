//! Where the metadata service is: what the environment says in the SDK's own words, else one of two
//! addresses that are the same on every machine.

use std::ffi::OsString;
use std::path::Path;

/// Where the kernel says who made this machine.
pub const FIRMWARE: &str = "/sys/class/dmi/id";
/// On every instance.
const IPV4: &str = "http://169.254.169.254";
/// On instances where it has been switched on, and the only one in networks without IPv4.
const IPV6: &str = "http://[fd00:ec2::254]";

/// Where the metadata service is, and how sure it is that there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `http://169.254.169.254`, without a path.
    pub url: String,
    /// Whether somebody who knows says that it is there: the operator, or the machine's firmware.
    /// Elsewhere nobody should wait for it.
    pub sure: bool,
}

impl Endpoint {
    /// By `AWS_EC2_METADATA_SERVICE_ENDPOINT` or, without it, `AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE`
    /// (`IPv4` or `IPv6`); none if `AWS_EC2_METADATA_DISABLED` is `true`. `dmi` is
    /// [`FIRMWARE`] but in tests.
    pub fn find(env: &dyn Fn(&str) -> Option<OsString>, dmi: &Path) -> Option<Self> {
        let value = |name: &str| env(name)?.into_string().ok().filter(|value| !value.is_empty());
        if value("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return None;
        }
        if let Some(url) = value("AWS_EC2_METADATA_SERVICE_ENDPOINT") {
            return Some(Self { url: url.trim_end_matches('/').to_owned(), sure: true });
        }
        let mode = value("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
        let six = mode.is_some_and(|mode| mode.eq_ignore_ascii_case("ipv6"));
        Some(Self { url: if six { IPV6 } else { IPV4 }.to_owned(), sure: is_ec2(dmi) })
    }
}

/// Whether the firmware says that this is EC2: it does on every Nitro machine, and on Xen ones in
/// the version of its BIOS (`4.11.amazon`).
fn is_ec2(dmi: &Path) -> bool {
    let says = |name: &str, word: &str| {
        std::fs::read_to_string(dmi.join(name)).is_ok_and(|text| text.to_lowercase().contains(word))
    };
    says("sys_vendor", "amazon ec2") || says("bios_version", "amazon")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(vars: &[(&str, &str)], firmware: &[(&str, &str)]) -> Option<Endpoint> {
        let dmi = tempfile::tempdir().unwrap();
        for (name, text) in firmware {
            std::fs::write(dmi.path().join(name), text).unwrap();
        }
        let env = |name: &str| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into());
        Endpoint::find(&env, dmi.path())
    }

    #[test]
    fn the_environment_and_the_firmware_say_where_it_is_and_whether() {
        const NAME: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
        const MODE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";
        const OFF: &str = "AWS_EC2_METADATA_DISABLED";
        let nitro = &[("sys_vendor", "Amazon EC2\n")][..];
        let xen = &[("sys_vendor", "Xen\n"), ("bios_version", "4.11.amazon\n")][..];
        let laptop = &[("sys_vendor", "LENOVO\n"), ("bios_version", "N2WET40W\n")][..];
        let at = |url: &str, sure| Some(Endpoint { url: url.into(), sure });
        for (vars, firmware, found) in [
            (&[][..], nitro, at(IPV4, true)),
            (&[], xen, at(IPV4, true)),
            (&[], laptop, at(IPV4, false)),
            (&[], &[], at(IPV4, false)),
            (&[(NAME, "")], &[], at(IPV4, false)),
            (&[(MODE, "IPv6")], nitro, at(IPV6, true)),
            (&[(MODE, "ipv4")], nitro, at(IPV4, true)),
            (&[(NAME, "http://127.0.0.1:1338/"), (MODE, "IPv6")], laptop, at("http://127.0.0.1:1338", true)),
            (&[(NAME, "http://[::1]:1338")], &[], at("http://[::1]:1338", true)),
            (&[(OFF, "TRUE"), (NAME, "http://127.0.0.1:1")], nitro, None),
            (&[(OFF, "false")], nitro, at(IPV4, true)),
        ] {
            assert_eq!(find(vars, firmware), found, "{vars:?} {firmware:?}");
        }
    }
}
