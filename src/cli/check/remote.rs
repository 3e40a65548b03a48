//! Whether a destination's ingests are there, and take the application.

use super::report::Finding;
use crate::cli::{Exit, Failure};
use crate::config::{Destination, IngestUrl};
use crate::publish::Role;
use crate::publish::task::{Net, probe};
use tokio::time::Instant;

/// One finding an ingest. Nothing is published, and the stream key is not sent.
pub(super) async fn ingests(destination: &Destination) -> Vec<Finding> {
    let net = match Net::new(destination.ca_file.as_deref()) {
        Ok(net) => net,
        Err(error) => {
            let why = Failure::new(Exit::Config, error)
                .hint("ca_file is a PEM file with certificates; without it the system's are used");
            return vec![Finding::cross(format!("{} TLS", destination.name), why)];
        }
    };
    let backup = destination.backup.as_ref().map(|url| (Role::Backup, url));
    let mut findings = Vec::new();
    for (role, url) in [(Role::Primary, &destination.primary)].into_iter().chain(backup) {
        let subject = format!("{} {}", destination.name, role.as_str());
        findings.push(connect(&net, subject, url).await);
    }
    findings
}

async fn connect(net: &Net, subject: String, url: &IngestUrl) -> Finding {
    let start = Instant::now();
    match probe(net, url).await {
        Ok(()) => Finding::tick(subject, format!("{url} answers, in {} ms", start.elapsed().as_millis())),
        Err(error) => {
            let why = Failure::new(Exit::Unavailable, format!("{url}: {error}"))
                .hint("is the address right, and does a firewall let this machine out to it?");
            Finding::cross(subject, why)
        }
    }
}
