//! A bucket: the store that nodes share, and the files that media and renditions are.
//!
//! All keys are relative to the channel's prefix. Conditional writes are Amazon's own: of any number
//! of writers one succeeds, and whoever is refused can read what the winner wrote.

mod files;
mod small;
mod upload;

pub use files::Rest;

use super::cause::Cause;
use super::{Aws, BRIEF};
use crate::store::{Error, Version};
use aws_config::SdkConfig;
use aws_sdk_s3::Client;
use aws_types::service_config::ServiceConfigKey;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// The objects of one channel in a bucket. Clones share their client.
#[derive(Clone, Debug)]
pub struct Bucket {
    aws: Aws,
    client: Arc<OnceCell<Client>>,
    name: Arc<str>,
    /// Empty, or with a slash at its end.
    prefix: Arc<str>,
}

impl Bucket {
    pub(super) fn new(aws: Aws, name: &str, prefix: &str) -> Self {
        let prefix = prefix.trim_matches('/');
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Self { aws, client: Arc::default(), name: name.into(), prefix: prefix.into() }
    }

    async fn client(&self) -> Result<&Client, Cause> {
        let make = || async {
            let config = self.aws.config().await?;
            // Elsewhere than at Amazon there are no host names for single buckets.
            let elsewhere = config.endpoint_url().is_some() || has_endpoint_of_its_own(config);
            let config = aws_sdk_s3::config::Builder::from(config).force_path_style(elsewhere).build();
            Ok(Client::from_conf(config))
        };
        self.client.get_or_try_init(make).await
    }

    /// The whole key of an object.
    fn key(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// What to call an object in an error.
    fn url(&self, key: &str) -> String {
        format!("s3://{}/{}{key}", self.name, self.prefix)
    }

    fn error(&self, action: &'static str, key: &str, cause: Cause) -> Error {
        Error::new(cause.kind, action, self.url(key), cause.reason)
    }

    /// Does `work` within `limit`, and names what it was about if it fails.
    async fn within<T>(
        &self,
        limit: Duration,
        action: &'static str,
        key: &str,
        work: impl Future<Output = Result<T, Cause>>,
    ) -> Result<T, Error> {
        let done = tokio::time::timeout(limit, work).await;
        done.unwrap_or_else(|_| Err(Cause::late(limit))).map_err(|cause| self.error(action, key, cause))
    }

    /// The same, for what is asked again by whoever asked.
    async fn briefly<T>(
        &self,
        action: &'static str,
        key: &str,
        work: impl Future<Output = Result<T, Cause>>,
    ) -> Result<T, Error> {
        self.within(BRIEF, action, key, work).await
    }
}

/// Whether `AWS_ENDPOINT_URL_S3`, or a profile, names an endpoint for S3 alone.
fn has_endpoint_of_its_own(config: &SdkConfig) -> bool {
    let key = ServiceConfigKey::builder()
        .service_id("S3")
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .expect("all that a key consists of is there");
    config.service_config().and_then(|service| service.load_config(key)).is_some()
}

fn version(etag: Option<String>) -> Result<Version, Cause> {
    etag.filter(|etag| !etag.is_empty())
        .map(Version)
        .ok_or_else(|| Cause::new(crate::store::Kind::Other, "the answer names no version (ETag)"))
}
