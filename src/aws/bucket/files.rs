//! Large files: listed, fetched from any byte on, and uploaded from the disk.
//!
//! What is fetched is verified as far as the service lets us: the right version, from the right
//! byte, of the announced length, with the right checksum when it is fetched from the start. A
//! stream that stalls, or only drips, is given up.

use super::{Bucket, version};
use crate::aws::cause::{Cause, innermost};
use crate::store::{Body, Error, Kind, Object, Objects, Page, Version};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::EncodingType;
use bytes::Bytes;
use std::path::Path;
use std::time::Duration;
use tokio::time::Instant;

/// A request of which an operation needs many is made this often …
const ATTEMPTS: u32 = 3;
/// … each time for so long …
const ATTEMPT: Duration = Duration::from_secs(10);
/// … and in all for so long, pauses included.
const REQUEST: Duration = Duration::from_secs(30);
/// More objects than this are not one channel's music: a wrong prefix, and it would fill the memory.
const MOST: usize = 200_000;
/// A stream from which nothing comes for this long is given up …
const STALL: Duration = Duration::from_secs(10);
/// … and so is one from which, in this time …
const WINDOW: Duration = Duration::from_secs(30);
/// … fewer bytes come than this: no music could be played from it either.
const LEAST: u64 = 64 << 10;

impl Objects for Bucket {
    type Body = Rest;

    async fn objects(&self, prefix: &str) -> Result<Vec<Object>, Error> {
        let listed = self.listing(prefix, Tries::Many).await;
        listed.map_err(|cause| self.error("list", prefix, cause))
    }

    async fn page(&self, after: &str) -> Result<Page, Error> {
        self.one_page(after).await.map_err(|cause| self.error("list", "", cause))
    }

    async fn fetch(&self, key: &str, version: &Version, from: u64) -> Result<Rest, Error> {
        let answer = self.within(REQUEST, "read", key, self.open(key, version, from)).await?;
        let now = Instant::now();
        Ok(Rest { bucket: self.clone(), key: key.to_owned(), answer, came: 0, window: (now, 0) })
    }

    async fn upload(&self, key: &str, file: &Path) -> Result<Version, Error> {
        self.put_file(key, file).await.map_err(|cause| self.error("write", key, cause))
    }
}

/// The rest of a file, as it comes in.
pub struct Rest {
    bucket: Bucket,
    key: String,
    /// `None` where there is nothing left: the file has no byte there.
    answer: Option<Answer>,
    /// Bytes so far.
    came: u64,
    /// Since when the stream's speed is measured, and what had come by then.
    window: (Instant, u64),
}

struct Answer {
    body: ByteStream,
    /// Bytes that have to come.
    length: u64,
}

impl Body for Rest {
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let next = tokio::time::timeout(STALL, self.piece()).await;
        let stalled = || {
            Cause::new(
                Kind::Unreachable,
                format!("nothing came for {} s after {} bytes", STALL.as_secs(), self.came),
            )
        };
        next.unwrap_or_else(|_| Err(stalled())).map_err(|cause| self.bucket.error("read", &self.key, cause))
    }
}

impl Rest {
    async fn piece(&mut self) -> Result<Option<Bytes>, Cause> {
        let Some(answer) = &mut self.answer else { return Ok(None) };
        let Some(piece) = answer.body.next().await else {
            if self.came == answer.length {
                return Ok(None);
            }
            let reason = format!("the answer was cut off after {} of {} bytes", self.came, answer.length);
            return Err(Cause::new(Kind::Unreachable, reason));
        };
        let piece = piece.map_err(|error| broken(&error, self.came))?;
        self.came += piece.len() as u64;
        if self.came > answer.length {
            let reason = format!("more than the announced {} bytes came", answer.length);
            return Err(Cause::new(Kind::Other, reason));
        }
        let (since, came) = self.window;
        if since.elapsed() >= WINDOW {
            if self.came - came < LEAST {
                let reason = format!("only {} bytes came in {} s", self.came - came, WINDOW.as_secs());
                return Err(Cause::new(Kind::Unreachable, reason));
            }
            self.window = (Instant::now(), self.came);
        }
        Ok(Some(piece))
    }
}

/// A body that broke off, or that is not what its checksum says.
pub(super) fn broken(error: &aws_sdk_s3::primitives::ByteStreamError, came: u64) -> Cause {
    let reason = innermost(error);
    if reason.contains("checksum") {
        return Cause::new(Kind::Other, format!("what came is not what was stored: {reason}"));
    }
    Cause::new(Kind::Unreachable, format!("the connection broke after {came} bytes: {reason}"))
}

/// How often a request is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tries {
    /// By us; whoever asked asks again.
    One,
    /// Up to [`ATTEMPTS`].
    Many,
}

/// How requests are made of which an operation needs many; one attempt lasts at most `attempt`.
pub(super) fn patiently(attempt: Duration) -> aws_sdk_s3::config::Builder {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(attempt)
        .operation_timeout(attempt * ATTEMPTS)
        .build();
    aws_sdk_s3::Config::builder()
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
        .timeout_config(timeouts)
}

impl Bucket {
    /// All objects whose key begins with `prefix`, in order.
    pub(super) async fn listing(&self, prefix: &str, tries: Tries) -> Result<Vec<Object>, Cause> {
        let (mut objects, mut next) = (Vec::new(), None);
        loop {
            let (page, token) = self.request_page(prefix, "", next, tries).await?;
            objects.extend(page);
            if objects.len() > MOST {
                let reason =
                    format!("there are more than {MOST} objects; a channel needs a prefix of its own");
                return Err(Cause::new(Kind::Other, reason));
            }
            next = token;
            if next.is_none() {
                return Ok(objects);
            }
        }
    }

    /// The objects that follow on `after`: at least one, unless nothing follows.
    async fn one_page(&self, after: &str) -> Result<Page, Cause> {
        let mut next = None;
        loop {
            let (objects, token) = self.request_page("", after, next, Tries::Many).await?;
            next = token;
            if next.is_none() || !objects.is_empty() {
                return Ok(Page { objects, last: next.is_none() });
            }
        }
    }

    /// One answer of a listing, and the token that gets the next one.
    pub(super) async fn request_page(
        &self,
        prefix: &str,
        after: &str,
        token: Option<String>,
        tries: Tries,
    ) -> Result<(Vec<Object>, Option<String>), Cause> {
        let request = self
            .client()
            .await?
            .list_objects_v2()
            .bucket(&*self.name)
            .prefix(self.key(prefix))
            .set_start_after(Some(self.key(after)).filter(|_| !after.is_empty()))
            .set_continuation_token(token.clone())
            // Names may hold what XML cannot.
            .encoding_type(EncodingType::Url)
            .customize();
        let request = match tries {
            Tries::One => request,
            Tries::Many => request.config_override(patiently(ATTEMPT)),
        };
        let answer = request.send().await.map_err(Cause::of)?;
        let encoded = answer.encoding_type() == Some(&EncodingType::Url);
        let next = answer.next_continuation_token.filter(|_| answer.is_truncated == Some(true));
        if next.is_some() && next == token {
            return Err(Cause::new(Kind::Other, "the listing does not go on"));
        }
        let mut objects = Vec::new();
        for object in answer.contents.unwrap_or_default() {
            let Some(key) = object.key else { continue };
            let key = if encoded { decoded(&key)? } else { key };
            let Some(key) = key.strip_prefix(&*self.prefix) else { continue };
            // An empty object with such a name is what a console shows as a folder.
            if key.is_empty() || key.ends_with('/') {
                continue;
            }
            let size = object.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
            objects.push(Object { key: key.to_owned(), size, version: version(object.e_tag)? });
        }
        Ok((objects, next))
    }

    async fn open(&self, key: &str, version: &Version, from: u64) -> Result<Option<Answer>, Cause> {
        let client = self.client().await?;
        let request = client.get_object().bucket(&*self.name).key(self.key(key)).if_match(&version.0);
        // The whole is asked for without a range: then it comes with a checksum, and an empty file
        // has no range at all.
        let request = if from == 0 { request } else { request.range(format!("bytes={from}-")) };
        let answer = match request.customize().config_override(patiently(ATTEMPT)).send().await {
            Ok(answer) => answer,
            Err(error) if from > 0 && error.raw_response().is_some_and(|a| a.status().as_u16() == 416) => {
                return self.ends_at(client, key, version, from).await.map(|()| None);
            }
            Err(error) => return Err(Cause::of(error)),
        };
        check(&answer, version, from)?;
        let length = answer.content_length.and_then(|length| u64::try_from(length).ok());
        let length =
            length.ok_or_else(|| Cause::new(Kind::Other, "the answer does not say how long it is"))?;
        Ok(Some(Answer { body: answer.body, length }))
    }

    /// Whether the file is still `version` and has exactly `size` bytes.
    async fn ends_at(&self, client: &Client, key: &str, version: &Version, size: u64) -> Result<(), Cause> {
        let request = client.head_object().bucket(&*self.name).key(self.key(key)).if_match(&version.0);
        let head = request.customize().config_override(patiently(ATTEMPT)).send().await.map_err(Cause::of)?;
        if head.content_length.and_then(|length| u64::try_from(length).ok()) == Some(size) {
            return Ok(());
        }
        Err(Cause::new(Kind::Changed, format!("it has no byte {size}")))
    }
}

/// Holds an answer against what was asked for.
fn check(answer: &GetObjectOutput, version: &Version, from: u64) -> Result<(), Cause> {
    if answer.e_tag.as_ref().is_some_and(|etag| *etag != version.0) {
        return Err(Cause::new(Kind::Changed, "it is another by now"));
    }
    let range = answer.content_range.as_deref();
    let starts = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
    if starts.unwrap_or(0) != from {
        let reason = format!("it was asked for from byte {from} on and came from {}", starts.unwrap_or(0));
        return Err(Cause::new(Kind::Other, reason));
    }
    Ok(())
}

/// Undoes the encoding of keys in a listing, in which a space is a `+`.
fn decoded(key: &str) -> Result<String, Cause> {
    let odd = || Cause::new(Kind::Other, format!("the listing names a file {key:?}, which is no name"));
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16)).ok_or_else(odd);
                (digit()? * 16 + digit()?) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| odd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_a_listing_are_decoded() {
        assert_eq!(decoded("a+b%20c%2B%C3%A4/%E2%99%AA.mp3").unwrap(), "a b c+ä/♪.mp3");
        for odd in ["%", "%4", "%zz", "%ff"] {
            assert!(decoded(odd).unwrap_err().reason.contains("no name"), "{odd}");
        }
    }
}
