//! Small objects with conditional writes. Every request is made once: the caller asks again.

use super::files::{Tries, broken};
use super::{Bucket, version};
use crate::aws::cause::Cause;
use crate::store::{Error, Kind, PAGE, Put, Store, Version};
use aws_sdk_s3::primitives::ByteStream;
use std::time::Duration;

/// An object that is larger is none that we wrote; it would fill the memory.
const LARGEST: usize = 8 << 20;
/// Conflicts with another writer after which we give up for now. Each needs a writer that was faster
/// and did not finish, so even two in a row are rare.
const CONFLICTS: u32 = 4;
/// Pause after a conflict: what a write takes.
const PAUSE: Duration = Duration::from_millis(60);

/// What a write is on condition of.
enum Condition<'a> {
    Absent,
    Still(&'a Version),
}

impl Store for Bucket {
    async fn list(&self, prefix: &str, after: &str) -> Result<Vec<String>, Error> {
        let under = format!("{prefix}/");
        let work = async {
            let (mut keys, mut next) = (Vec::new(), None);
            loop {
                let (objects, token) = self.request_page(&under, after, next, Tries::One).await?;
                keys.extend(objects.into_iter().map(|object| object.key));
                next = token;
                // S3 may break an answer off early, and says so.
                if next.is_none() || keys.len() >= PAGE {
                    keys.truncate(PAGE);
                    return Ok(keys);
                }
            }
        };
        self.briefly("list", &under, work).await
    }

    async fn get(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, Error> {
        self.briefly("read", key, self.read(key)).await
    }

    async fn put_if_absent(&self, key: &str, bytes: Vec<u8>) -> Result<Put, Error> {
        self.briefly("write", key, self.write(key, bytes, Condition::Absent)).await
    }

    async fn put_if_match(&self, key: &str, bytes: Vec<u8>, expected: &Version) -> Result<Put, Error> {
        self.briefly("write", key, self.write(key, bytes, Condition::Still(expected))).await
    }

    async fn remove(&self, key: &str) -> Result<(), Error> {
        let work = async {
            let request = self.client().await?.delete_object().bucket(&*self.name).key(self.key(key));
            match request.send().await.map_err(Cause::of) {
                Err(cause) if cause.kind != Kind::Missing => Err(cause),
                _ => Ok(()),
            }
        };
        self.briefly("remove", key, work).await
    }
}

impl Bucket {
    async fn read(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, Cause> {
        let request = self.client().await?.get_object().bucket(&*self.name).key(self.key(key));
        let mut answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) if error.as_service_error().is_some_and(|e| e.is_no_such_key()) => return Ok(None),
            Err(error) => return Err(Cause::of(error)),
        };
        let version = version(answer.e_tag)?;
        let size = answer.content_length.and_then(|length| usize::try_from(length).ok());
        let too_large = || Cause::new(Kind::Other, format!("it has more than {LARGEST} bytes"));
        let mut bytes = Vec::with_capacity(size.filter(|size| *size <= LARGEST).unwrap_or(0));
        while let Some(piece) = answer.body.next().await {
            let piece = piece.map_err(|e| broken(&e, bytes.len() as u64))?;
            bytes.extend_from_slice(&piece);
            if bytes.len() > LARGEST {
                return Err(too_large());
            }
        }
        if size.is_some_and(|size| size != bytes.len()) {
            let reason = format!("the answer was cut off after {} bytes", bytes.len());
            return Err(Cause::new(Kind::Unreachable, reason));
        }
        Ok(Some((bytes, version)))
    }

    async fn write(&self, key: &str, bytes: Vec<u8>, condition: Condition<'_>) -> Result<Put, Cause> {
        let bytes = bytes::Bytes::from(bytes);
        for _ in 0..CONFLICTS {
            let request = self.client().await?.put_object().bucket(&*self.name).key(self.key(key));
            let request = request.body(ByteStream::from(bytes.clone()));
            let request = match condition {
                Condition::Absent => request.if_none_match("*"),
                Condition::Still(version) => request.if_match(&version.0),
            };
            let error = match request.send().await {
                Ok(answer) => return version(answer.e_tag).map(Put::Written),
                Err(error) => error,
            };
            match error.raw_response().map(|answer| answer.status().as_u16()) {
                Some(412) => return Ok(Put::Refused),
                Some(409) => {}
                // Whoever expects a version, and finds nothing, is refused; but not for want of a bucket.
                Some(404) if matches!(condition, Condition::Still(_)) => {
                    return match Cause::of(error) {
                        cause if cause.reason == "there is no such bucket" => Err(cause),
                        _ => Ok(Put::Refused),
                    };
                }
                _ => return Err(Cause::of(error)),
            }
            // Another write was under way and may have come to nothing: what is there now decides.
            tokio::time::sleep(PAUSE).await;
            let current = self.read(key).await?.map(|(_, version)| version);
            let holds = match condition {
                Condition::Absent => current.is_none(),
                Condition::Still(version) => current.as_ref() == Some(version),
            };
            if !holds {
                return Ok(Put::Refused);
            }
        }
        Err(Cause::new(Kind::Busy, "others are writing it all the time"))
    }
}
