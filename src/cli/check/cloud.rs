//! Whether the bucket and the secrets are there, and allow what the daemon does with them.

use super::listing;
use super::report::Finding;
use crate::aws::{Aws, Bucket, secrets};
use crate::cli::{Exit, Failure};
use crate::config::{Config, Source};
use crate::library::bucket::{self as library, OWN};
use crate::store::{self, Body, Kind, Object, Objects, Put, Store};
use std::time::{SystemTime, UNIX_EPOCH};

/// The media source, if it is a bucket: can it be listed, read and written, and what is in it?
pub(super) async fn bucket(config: &Config, aws: &Aws) -> Vec<Finding> {
    let Source::Bucket { bucket: name, prefix } = &config.media.source else { return Vec::new() };
    let bucket = aws.bucket(name, prefix);
    let wanted = config.media.background.as_deref();
    let place = config.media.source.to_string();
    let listing = match listing::list(&bucket, wanted, &place).await {
        Ok(listing) => listing,
        // Nothing else can be told apart from this.
        Err(error) => return vec![cross("bucket", error, name, prefix)],
    };
    let what = format!(
        "{place}: {} {}, {}{} rendered",
        listing.tracks,
        if listing.tracks == 1 { "track" } else { "tracks" },
        if listing.more_rendered { "more than " } else { "" },
        listing.rendered
    );
    let mut findings = vec![match listing.tracks {
        0 => Finding::advice("bucket", format!("{what}; the standby card is on air until there is music")),
        _ => Finding::tick("bucket", what),
    }];
    findings.extend(listing.left_out.map(|left_out| Finding::advice("bucket", left_out)));
    if let Some(wanted) = wanted
        && listing.background.is_none()
    {
        findings.push(Finding::cross("background", no_background(wanted, &place)));
    }
    for object in listing.track.iter().chain(&listing.background) {
        findings.push(match first_piece(&bucket, object).await {
            Ok(()) => Finding::tick("bucket read", format!("{} can be read", object.key)),
            Err(error) => cross("bucket read", error, name, prefix),
        });
    }
    let written = write(&bucket).await;
    if written.is_empty() {
        findings.push(Finding::tick("bucket write", "objects can be written on condition, and removed"));
    }
    findings.extend(written.into_iter().map(|(own, fault)| match fault {
        Fault::Failed(error) => cross("bucket write", error, name, &below(prefix, own)),
        Fault::Ignored(condition) => {
            let why = format!(
                "the store does not honour {condition} on {}/{}: nodes would overwrite each other's schedule and slots",
                config.media.source,
                own
            );
            Finding::cross(
                "bucket write",
                Failure::new(Exit::Unavailable, why)
                    .hint("Amazon S3 does; of other stores, take a version that does"),
            )
        }
    }));
    findings
}

fn no_background(wanted: &str, place: &str) -> Failure {
    if library::is_passed_over(wanted) {
        let why = format!("{wanted:?} is passed over, as are all hidden files and programs' own folders");
        return Failure::new(Exit::Config, why).hint("put it elsewhere, and correct [media] background");
    }
    let why = format!("there is no {wanted:?} below {place}");
    Failure::new(Exit::Config, why).hint("upload it, or correct [media] background")
}

async fn first_piece(bucket: &Bucket, object: &Object) -> Result<(), store::Error> {
    bucket.fetch(&object.key, &object.version, 0).await?.next().await.map(drop)
}

/// What is wrong with writes in one place.
enum Fault {
    Failed(store::Error),
    /// A condition that the store does not hold to.
    Ignored(&'static str),
}

/// Writes below each of nonstop's own prefixes as nodes do, and takes away what it wrote. A policy
/// may allow one and not another.
async fn write(bucket: &Bucket) -> Vec<(&'static str, Fault)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut faults = Vec::new();
    for own in OWN {
        // No node reads such a name, and below these prefixes it is taken for no music.
        let key = format!("{own}check-{}-{}", std::process::id(), now.as_nanos());
        let ignored = ignored(bucket, &key).await;
        let removed = bucket.remove(&key).await;
        match ignored.and_then(|ignored| removed.map(|()| ignored)) {
            Ok(None) => {}
            Ok(Some(condition)) => faults.push((own, Fault::Ignored(condition))),
            Err(error) => faults.push((own, Fault::Failed(error))),
        }
    }
    faults
}

/// Writes an object that no one else has, in each way that has to be taken or refused: what the
/// first page and the first holder of a slot need, and what its next one needs.
async fn ignored(bucket: &Bucket, key: &str) -> Result<Option<&'static str>, store::Error> {
    let content = |text: &str| format!("nonstop check: {text}").into_bytes();
    bucket.put_if_absent(key, content("first")).await?;
    if bucket.put_if_absent(key, content("again")).await? != Put::Refused {
        return Ok(Some("If-None-Match"));
    }
    let Some((_, version)) = bucket.get(key).await? else { return Ok(Some("what was written")) };
    let renewed = bucket.put_if_match(key, content("renewed"), &version).await?;
    let overtaken = bucket.put_if_match(key, content("overtaken"), &version).await?;
    Ok((renewed == Put::Refused || overtaken != Put::Refused).then_some("If-Match"))
}

/// The part of the channel that a prefix of nonstop's own is.
fn below(prefix: &str, own: &str) -> String {
    let own = own.trim_end_matches('/');
    if prefix.is_empty() { own.to_owned() } else { format!("{prefix}/{own}") }
}

fn cross(subject: &str, error: store::Error, bucket: &str, prefix: &str) -> Finding {
    let below = if prefix.is_empty() { "*".to_owned() } else { format!("{prefix}/*") };
    let allow = |action: &str, resource: String| {
        format!(
            "the role's policy has to allow {action} on {resource}; docs/aws.md shows the least that serves"
        )
    };
    let objects = format!("arn:aws:s3:::{bucket}/{below}");
    let hint = match (error.kind, error.action) {
        (Kind::Denied, "list") => Some(allow("s3:ListBucket", format!("arn:aws:s3:::{bucket}"))),
        (Kind::Denied, "read") => Some(allow("s3:GetObject", objects)),
        (Kind::Denied, "write") => Some(allow("s3:PutObject", objects)),
        (Kind::Denied, "remove") => Some(allow("s3:DeleteObject", objects)),
        (Kind::Missing, "list") => Some("create the bucket, or correct [media] source".to_owned()),
        (kind, _) => kind.hint().map(str::to_owned),
    };
    let exit = if error.kind == Kind::Missing { Exit::Config } else { Exit::Unavailable };
    Finding::cross(subject, hinted(Failure::new(exit, error), hint))
}

/// A destination's stream key in Secrets Manager.
pub(super) async fn key(aws: &Aws, destination: &str, secret: &str, field: Option<&str>) -> Finding {
    let subject = format!("{destination} key");
    match aws.secrets().key(secret, field).await {
        Ok(_key) => Finding::tick(subject, place(secret, field)),
        Err(error) => {
            let exit = match &error {
                secrets::Error::Unread { cause, .. } if cause.kind != Kind::Missing => Exit::Unavailable,
                _ => Exit::Config,
            };
            let hint = error.hint();
            Finding::cross(subject, hinted(Failure::new(exit, error), hint))
        }
    }
}

fn hinted(failure: Failure, hint: Option<String>) -> Failure {
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// Where a key is, for a person.
pub(super) fn place(secret: &str, field: Option<&str>) -> String {
    match field {
        Some(field) => format!("in the field {field} of the secret {secret}"),
        None => format!("in the secret {secret}"),
    }
}
