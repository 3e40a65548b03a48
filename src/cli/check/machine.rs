//! Whether this machine's metadata can be had, from which the notice of its end comes.

use super::report::{Finding, Mark};
use crate::cli::{Env, Exit, Failure};
use crate::host::Imds;
use crate::host::imds::{Endpoint, Error, FIRMWARE, Identity};
use std::path::Path;
use tokio::time::Instant;

const SUBJECT: &str = "metadata";

/// What a machine that is not in EC2 reads.
const ELSEWHERE: &str =
    "this machine is not in EC2: no notice of its end will come, and none is needed to be on the air";

/// One finding.
pub(super) async fn metadata(env: Env<'_>) -> Finding {
    let Some(endpoint) = Endpoint::find(env, Path::new(FIRMWARE)) else {
        let message = "switched off by AWS_EC2_METADATA_DISABLED: no notice of this machine's end will come";
        return Finding::new(Mark::Note, SUBJECT, message);
    };
    if !endpoint.sure {
        return Finding::new(Mark::Note, SUBJECT, ELSEWHERE);
    }
    let start = Instant::now();
    let outcome = Imds::new(&endpoint.url).identity().await;
    finding(&endpoint, outcome, start.elapsed().as_millis())
}

fn finding(endpoint: &Endpoint, outcome: Result<Option<Identity>, Error>, millis: u128) -> Finding {
    let url = &endpoint.url;
    let error = match outcome {
        Ok(Some(Identity { instance_id, availability_zone, instance_type, .. })) => {
            let machine = [instance_id, instance_type, availability_zone];
            let machine: Vec<_> = machine.into_iter().filter(|part| !part.is_empty()).collect();
            return Finding::tick(SUBJECT, format!("{url} answers, in {millis} ms: {}", machine.join(", ")));
        }
        Ok(None) => {
            return Finding::advice(SUBJECT, format!("{url} answers, but has no instance identity document"));
        }
        Err(error) => error,
    };
    let hint = match &error {
        Error::Denied { .. } => {
            "systemd-imdsd keeps it for itself: start the kernel with systemd.imds.network=unlocked; or a firewall rule for other users does"
        }
        Error::Absent { .. } => {
            "does the machine's metadata endpoint listen at this address? `aws ec2 modify-instance-metadata-options --http-endpoint enabled`, and --http-protocol-ipv6 enabled for the IPv6 one"
        }
        Error::Blocked { .. } => {
            "the metadata endpoint is off for this machine, or something in between refuses: `aws ec2 modify-instance-metadata-options --http-endpoint enabled`"
        }
        Error::Silent { .. } => {
            "in a container the answer is one hop too far: `aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2`, or run it on the host's network"
        }
        Error::Failed { .. } => {
            "try again; if it lasts, see what stands between this machine and the service"
        }
    };
    Finding::cross(SUBJECT, Failure::new(Exit::Unavailable, error).hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::imds::fake::{Fake, Fault};
    use tokio::net::TcpListener;

    async fn found(fault: Fault) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let fake = Fake::new();
        fake.say(crate::host::imds::IDENTITY, r#"{"instanceId":"i-1","instanceType":"t3a.micro"}"#);
        fake.fail(fault);
        tokio::spawn(fake.serve(listener));
        let env = |name: &str| (name == "AWS_EC2_METADATA_SERVICE_ENDPOINT").then(|| url.clone().into());
        metadata(&env).await.text(10_000, false)
    }

    #[tokio::test]
    async fn each_thing_that_is_wrong_is_named_with_its_remedy() {
        let well = found(Fault::None).await;
        assert!(well.starts_with("✓ metadata") && well.contains("i-1, t3a.micro"), "{well}");
        for (fault, remedy) in [
            (Fault::Status(403), "--http-endpoint enabled"),
            (Fault::Status(404), "--http-endpoint enabled"),
            (Fault::NoTokens, "--http-put-response-hop-limit 2"),
            (Fault::Status(503), "try again"),
        ] {
            let text = found(fault.clone()).await;
            assert!(text.starts_with("✗ metadata") && text.contains(remedy), "{fault:?}: {text}");
        }
        let endpoint = Endpoint { url: "http://169.254.169.254".into(), sure: true };
        let denied = Error::Denied { endpoint: endpoint.url.clone(), reason: "Permission denied".into() };
        let text = finding(&endpoint, Err(denied), 0).text(10_000, false);
        assert!(text.contains("systemd.imds.network=unlocked"), "{text}");
    }

    #[tokio::test]
    async fn switched_off_it_is_worth_a_note() {
        let off = metadata(&|name: &str| (name == "AWS_EC2_METADATA_DISABLED").then(|| "true".into())).await;
        assert_eq!(off.mark, Mark::Note);
    }
}
