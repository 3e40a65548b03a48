//! Whether the bucket and the secrets are there, and allow what the daemon does with them.

use super::report::Finding;
use crate::aws::{Aws, Bucket, secrets};
use crate::cli::{Exit, Failure};
use crate::config::{Config, Source};
use crate::library::files;
use crate::store::{self, Body, Kind, Object, Objects, Put, Store};
use std::time::{SystemTime, UNIX_EPOCH};

/// What nonstop itself keeps below the channel's prefix.
const OWN: [&str; 3] = ["renditions/", "schedule/", "slots/"];

/// The media source, if it is a bucket: can it be listed, read and written, and what is in it?
pub(super) async fn bucket(config: &Config, aws: &Aws) -> Vec<Finding> {
    let Source::Bucket { bucket: name, prefix } = &config.media.source else { return Vec::new() };
    let bucket = aws.bucket(name, prefix);
    let objects = match bucket.objects("").await {
        Ok(objects) => objects,
        // Nothing else can be told apart from this.
        Err(error) => return vec![cross("bucket", error, name, prefix)],
    };
    let media: Vec<_> =
        objects.iter().filter(|object| !OWN.iter().any(|own| object.key.starts_with(own))).collect();
    let kind = |object: &&&Object| files::kind(&object.key, config.media.background.as_deref());
    let music = media.iter().filter(|object| kind(object) == Some(files::Kind::Track)).count();
    let renditions = objects
        .iter()
        .filter(|object| object.key.starts_with("renditions/") && object.key.ends_with("/rendition.json"));
    let what = format!(
        "{}: {music} {}, {} rendered",
        config.media.source,
        if music == 1 { "track" } else { "tracks" },
        renditions.count()
    );
    let mut findings = vec![match music {
        0 => Finding::advice("bucket", format!("{what}; the standby card is on air until there is music")),
        _ => Finding::tick("bucket", what),
    }];
    if let Some(background) = &config.media.background
        && !media.iter().any(|object| object.key == *background)
    {
        let why =
            Failure::new(Exit::Config, format!("there is no {background:?} below {}", config.media.source));
        findings.push(Finding::cross("background", why.hint("upload it, or correct [media] background")));
    }
    if let Some(object) = media.first() {
        findings.push(match first_piece(&bucket, object).await {
            Ok(()) => Finding::tick("bucket read", format!("{} can be read", object.key)),
            Err(error) => cross("bucket read", error, name, prefix),
        });
    }
    findings.push(match write(&bucket).await {
        Ok(true) => Finding::tick("bucket write", "objects can be written on condition, and removed"),
        Ok(false) => {
            let why =
                "the store does not honour If-None-Match: two nodes would overwrite each other's schedule";
            Finding::cross(
                "bucket write",
                Failure::new(Exit::Unavailable, why)
                    .hint("Amazon S3 does; of other stores, take a version that does"),
            )
        }
        Err(error) => cross("bucket write", error, name, prefix),
    });
    findings
}

async fn first_piece(bucket: &Bucket, object: &Object) -> Result<(), store::Error> {
    bucket.fetch(&object.key, &object.version, 0).await?.next().await.map(drop)
}

/// Writes an object that no one else has, tries to write it again, and takes it away. Says whether
/// the second attempt was refused, as it should be.
async fn write(bucket: &Bucket) -> Result<bool, store::Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Beside the schedule's pages, whose names are numbers; so it is taken for no music.
    let key = format!("schedule/check-{}-{}", std::process::id(), now.as_nanos());
    bucket.put_if_absent(&key, b"nonstop check".to_vec()).await?;
    let again = bucket.put_if_absent(&key, b"nonstop check".to_vec()).await;
    let removed = bucket.remove(&key).await;
    let refused = again? == Put::Refused;
    removed.map(|()| refused)
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
