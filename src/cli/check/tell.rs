//! Whether what the daemon tells by itself can get to where it is to go: webhooks' addresses, the
//! metrics' port, the log's group. Nothing is posted to anybody.

use super::cloud::place;
use super::report::{Finding, Mark};
use crate::aws::secrets::{self, Unfit};
use crate::aws::{Aws, Cause, cloudwatch, logs};
use crate::cli::args::Places;
use crate::cli::{Env, Exit, Failure, ask};
use crate::config::{Address, Config, KeySource, Webhook};
use crate::host::{folders, key};
use crate::store::Kind;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// For an answer on this machine.
const NEAR: Duration = Duration::from_secs(2);
/// How the metrics of a daemon begin, after the head of the answer.
const OURS: &str = "# HELP nonstop_";

/// Each webhook's address: can it be read? It is not posted to.
pub(super) async fn webhooks(
    config: &Config,
    file: &Path,
    credentials: Option<&Path>,
    aws: Option<&Aws>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for webhook in &config.webhooks {
        findings.push(address(webhook, file, credentials, aws).await);
    }
    findings
}

/// What systemd hands to the service, it does not hand to an operator: see [`super::local::key`].
async fn address(webhook: &Webhook, file: &Path, credentials: Option<&Path>, aws: Option<&Aws>) -> Finding {
    let subject = format!("webhook {}", webhook.name);
    let handed = match (&webhook.address, credentials) {
        (Address::Kept(KeySource::Credential(name)), None) => {
            folders::credential(file, name).map(KeySource::File)
        }
        _ => None,
    };
    let source = match (&handed, &webhook.address) {
        (Some(source), _) | (None, Address::Kept(source)) => source,
        (None, Address::Url(_)) => return Finding::tick(subject, "its address is in the configuration"),
    };
    let place = match source {
        KeySource::File(path) => format!("its address is in {}", path.display()),
        KeySource::Credential(name) => format!("its address is in the credential {name}"),
        KeySource::Secret { secret, field } => {
            let place = format!("its address is {}", place(secret, field.as_deref()));
            let Some(aws) = aws else {
                return Finding::new(Mark::Note, subject, format!("{place}, which was not asked for"));
            };
            return match aws.secrets().address(secret, field.as_deref()).await {
                Ok(_address) => Finding::tick(subject, place),
                Err(error) => Finding::cross(subject, secret_failure(&error)),
            };
        }
    };
    match key::address(source, credentials) {
        Ok(_address) => Finding::tick(subject, place),
        Err(error) => Finding::cross(subject, file_failure(&error)),
    }
}

fn file_failure(error: &key::Error) -> Failure {
    let hint = match error {
        key::Error::Read { .. } => "it has to be readable for the user that nonstop runs as".to_owned(),
        key::Error::Unfit { .. } => {
            "write the whole address into it, as in https://hooks.example.com/x".to_owned()
        }
        key::Error::NoCredentials(name) => {
            format!("systemd does that, with LoadCredential={name}:/etc/nonstop/{name} in the unit")
        }
        key::Error::Elsewhere(_) => return Failure::new(Exit::Internal, error),
    };
    Failure::new(Exit::Config, format!("the webhook gets no alerts: {}", error.reason())).hint(hint)
}

fn secret_failure(error: &secrets::Error) -> Failure {
    let exit = match error {
        secrets::Error::Unread { cause, .. } if cause.kind != Kind::Missing => Exit::Unavailable,
        _ => Exit::Config,
    };
    let hint = match error {
        secrets::Error::Unfit {
            unfit: Unfit::Binary | Unfit::NoText { .. } | Unfit::NoKey { .. }, ..
        } => Some("store the whole address as text, as in https://hooks.example.com/x".to_owned()),
        _ => error.hint(),
    };
    let failure = Failure::new(exit, format!("the webhook gets no alerts: {error}"));
    hint.into_iter().fold(failure, Failure::hint)
}

/// The metrics' port, if one is wanted: is it free, or held by the daemon of this channel?
pub(super) async fn metrics(config: &Config, places: &Places, env: Env<'_>) -> Option<Finding> {
    const SUBJECT: &str = "metrics";
    let listen = config.metrics.listen?;
    Some(match TcpListener::bind(listen).await {
        Ok(_free) => Finding::tick(SUBJECT, format!("{listen} is free")),
        Err(error) => {
            let taken = error.kind() == io::ErrorKind::AddrInUse;
            if taken && running(places, env).await && ours(listen).await {
                return Some(Finding::tick(SUBJECT, format!("the daemon serves them at {listen}")));
            }
            let why = format!("metrics cannot be served: {listen} cannot be taken: {error}");
            let hint = match taken {
                true => format!(
                    "`ss -ltnp 'sport = :{}'` as root names who has it; choose another port in [metrics] \
                     listen, one for each channel, or leave it out",
                    listen.port()
                ),
                false => "choose another address in [metrics] listen, or leave it out".to_owned(),
            };
            Finding::cross(SUBJECT, Failure::new(Exit::Unavailable, why).hint(hint))
        }
    })
}

/// Whether the daemon of this channel runs.
async fn running(places: &Places, env: Env<'_>) -> bool {
    match ask::client(places, env) {
        Ok(client) => ask::ask_status(&client).await.is_ok(),
        Err(_nobody) => false,
    }
}

/// Whether a nonstop answers there.
async fn ours(address: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer).await?;
        io::Result::Ok(answer)
    };
    let answer = timeout(NEAR, ask).await.ok().and_then(Result::ok).unwrap_or_default();
    String::from_utf8_lossy(&answer).contains(OURS)
}

/// What CloudWatch needs, as far as it can be tried: a line of the log can be sent where nobody minds
/// it, a metric cannot.
pub(super) async fn cloudwatch(config: &Config, aws: &Aws) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(namespace) = &config.cloudwatch.namespace {
        findings.push(match cloudwatch::ready(aws).await {
            Ok(()) => Finding::new(
                Mark::Note,
                "CloudWatch",
                format!(
                    "metrics go to {namespace}; whether the role's policy allows cloudwatch:PutMetricData was \
                     not tried, as that would be a metric: if it does not, the log says so within a minute"
                ),
            ),
            Err(cause) => Finding::cross("CloudWatch", failure("metrics cannot be sent", cause, None)),
        });
    }
    if let Some(group) = &config.cloudwatch.logs {
        let place = logs::Place { group: group.clone(), stream: format!("{}/check", config.channel) };
        let stream = place.stream.clone();
        findings.push(
            match logs::attempt(aws, place, "INFO nonstop check: a line of the log arrives").await {
                Ok(()) => Finding::tick(
                    "log group",
                    format!("{group} takes lines; the one that tried it is in its stream {stream}"),
                ),
                Err(cause) => {
                    let what = format!("the log cannot go to {group}");
                    Finding::cross("log group", failure(&what, cause, Some(group)))
                }
            },
        );
    }
    findings
}

fn failure(what: &str, cause: Cause, group: Option<&str>) -> Failure {
    let hint = match (cause.kind, group) {
        (Kind::Missing, Some(group)) => Some(format!(
            "nonstop makes no log group: `aws logs create-log-group --log-group-name {group}`, or correct \
             [cloudwatch] logs"
        )),
        (Kind::Denied, Some(group)) => Some(format!(
            "the role's policy has to allow logs:CreateLogStream and logs:PutLogEvents on \
             arn:aws:logs:*:*:log-group:{group}:*; docs/aws.md shows the least that serves"
        )),
        (Kind::Region, _) => Some("set AWS_REGION to the region that metrics and log belong to".to_owned()),
        (kind, _) => kind.hint().map(str::to_owned),
    };
    let exit = if cause.kind == Kind::Missing { Exit::Config } else { Exit::Unavailable };
    let failure = Failure::new(exit, format!("{what}: {cause}"));
    hint.into_iter().fold(failure, Failure::hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[tokio::test]
    async fn an_address_that_is_none_is_named_by_its_place_and_not_repeated() {
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("hook");
        std::fs::write(&file, "hooks.example.com/T0P-S3CR3T\n").unwrap();
        let text = format!(
            "[media]\nsource = \"/srv/music\"\n[[destination]]\nname = \"here\"\n\
             primary = \"rtmp://127.0.0.1/live\"\nkey = {{ file = \"/key\" }}\n[[webhook]]\nname = \"ops\"\n\
             url = {{ file = {file:?} }}\n[[webhook]]\nname = \"chat\"\nurl = {{ secret = \"hooks\" }}\n"
        );
        let config = config::parse(&text).unwrap();
        let found = webhooks(&config, Path::new("nonstop.toml"), None, None).await;
        let said = &found[0].message;
        assert_eq!((found[0].mark, found[0].subject.as_str()), (Mark::Cross(Exit::Config), "webhook ops"));
        assert!(said.contains(file.to_str().unwrap()) && said.contains("hint: "), "{said}");
        assert!(!said.contains("S3CR3T") && !said.contains("stream key"), "{said}");
        assert_eq!(found[1].mark, Mark::Note, "nobody is asked offline");
    }
}
