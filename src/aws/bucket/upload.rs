//! Files from the disk into the bucket: small ones in one request, large ones in parts, each with a
//! checksum that the service verifies. No part is held in memory.

use super::files::patiently;
use super::{Bucket, version};
use crate::aws::cause::Cause;
use crate::store::{Kind, Version};
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use std::path::Path;
use std::time::Duration;

/// A file up to this size is one request …
const WHOLE: u64 = 16 << 20;
/// … and a larger one is uploaded in parts of this size: what is sent again when one fails.
const PART: u64 = 8 << 20;
/// The service takes 10,000 parts; what is too large for that has larger ones.
const PARTS: u64 = 9_000;
/// What is read from the disk at a time.
const BUFFER: usize = 64 << 10;
/// An attempt may last this long …
const START: Duration = Duration::from_secs(10);
/// … and a second more for each of so many bytes: a line slower than 512 kbit/s carries no stream.
const SLOWEST: u64 = 64 << 10;
/// The service puts the parts of a large file together within this time.
const JOIN: Duration = Duration::from_secs(60);
/// An upload that failed is taken back within this time, or left to the bucket's lifecycle rule.
const ABORT: Duration = Duration::from_secs(5);

impl Bucket {
    pub(super) async fn put_file(&self, key: &str, file: &Path) -> Result<Version, Cause> {
        let unread = |e: std::io::Error| Cause::new(Kind::Other, format!("{}: {e}", file.display()));
        let size = tokio::fs::metadata(file).await.map_err(unread)?.len();
        let client = self.client().await?;
        if size > WHOLE {
            return self.put_parts(client, key, file, size).await;
        }
        let body = part(file, 0, size).await?;
        let request = client.put_object().bucket(&*self.name).key(self.key(key)).body(body);
        let request = request.checksum_algorithm(ChecksumAlgorithm::Crc32);
        let answer = request.customize().config_override(patiently(time_for(size))).send().await;
        version(answer.map_err(Cause::of)?.e_tag)
    }

    async fn put_parts(&self, client: &Client, key: &str, file: &Path, size: u64) -> Result<Version, Cause> {
        let before = self.head(client, key).await?.map(|(version, _)| version);
        let start = client.create_multipart_upload().bucket(&*self.name).key(self.key(key));
        let start = start.checksum_algorithm(ChecksumAlgorithm::Crc32);
        let start = start.customize().config_override(patiently(START)).send().await.map_err(Cause::of)?;
        let none = || Cause::new(Kind::Other, "the answer names no upload");
        let upload = start.upload_id.ok_or_else(none)?;
        let done = match self.send_parts(client, key, &upload, file, size).await {
            Ok(parts) => {
                let count = parts.len();
                match self.join_parts(client, key, &upload, parts).await {
                    Ok(version) => Ok(version),
                    // The answer may be lost, and the file there all the same.
                    Err(cause) => match self.head(client, key).await {
                        Ok(Some((version, there)))
                            if there == size
                                && Some(&version) != before.as_ref()
                                && version.0.trim_matches('"').ends_with(&format!("-{count}")) =>
                        {
                            Ok(version)
                        }
                        _ => Err(cause),
                    },
                }
            }
            Err(cause) => Err(cause),
        };
        if done.is_err() {
            let abort = client.abort_multipart_upload().bucket(&*self.name).key(self.key(key));
            // What is left of it costs money until the bucket's lifecycle rule removes it.
            let _ = tokio::time::timeout(ABORT, abort.upload_id(upload).send()).await;
        }
        done
    }

    async fn send_parts(
        &self,
        client: &Client,
        key: &str,
        upload: &str,
        file: &Path,
        size: u64,
    ) -> Result<Vec<CompletedPart>, Cause> {
        let length = PART.max(size.div_ceil(PARTS));
        let mut parts = Vec::new();
        for (number, from) in (1..).zip((0..size).step_by(length as usize)) {
            let length = length.min(size - from);
            let request = client.upload_part().bucket(&*self.name).key(self.key(key)).upload_id(upload);
            let request = request.part_number(number).checksum_algorithm(ChecksumAlgorithm::Crc32);
            let request = request.body(part(file, from, length).await?);
            let request = request.customize().config_override(patiently(time_for(length)));
            let answer = request.send().await.map_err(Cause::of)?;
            let part = CompletedPart::builder().part_number(number).set_e_tag(answer.e_tag);
            parts.push(part.set_checksum_crc32(answer.checksum_crc32).build());
        }
        Ok(parts)
    }

    async fn join_parts(
        &self,
        client: &Client,
        key: &str,
        upload: &str,
        parts: Vec<CompletedPart>,
    ) -> Result<Version, Cause> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let join = client.complete_multipart_upload().bucket(&*self.name).key(self.key(key));
        let join = join.upload_id(upload).multipart_upload(parts);
        let answer = join.customize().config_override(patiently(JOIN)).send().await.map_err(Cause::of)?;
        version(answer.e_tag)
    }

    /// What is there now: its version and size.
    async fn head(&self, client: &Client, key: &str) -> Result<Option<(Version, u64)>, Cause> {
        let request = client.head_object().bucket(&*self.name).key(self.key(key));
        match request.customize().config_override(patiently(START)).send().await {
            Ok(head) => {
                let size = head.content_length.and_then(|length| u64::try_from(length).ok());
                Ok(Some((version(head.e_tag)?, size.unwrap_or(0))))
            }
            Err(error) if error.raw_response().is_some_and(|answer| answer.status().as_u16() == 404) => {
                Ok(None)
            }
            Err(error) => Err(Cause::of(error)),
        }
    }
}

async fn part(file: &Path, from: u64, length: u64) -> Result<ByteStream, Cause> {
    let part = ByteStream::read_from().path(file).offset(from).length(Length::Exact(length));
    let part = part.buffer_size(BUFFER).build().await;
    part.map_err(|e| {
        Cause::new(Kind::Other, format!("{}: {}", file.display(), crate::aws::cause::innermost(&e)))
    })
}

fn time_for(bytes: u64) -> Duration {
    START + Duration::from_secs(bytes / SLOWEST)
}
