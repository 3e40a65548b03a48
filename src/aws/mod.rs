//! Amazon's services, as far as nonstop uses them: one configuration and one HTTP client for all.
//!
//! Nothing is looked up before it is asked for, and nothing that is asked for waits without end, so
//! neither the instance's metadata nor a name server can hold up what does not need them. Region,
//! credentials and endpoints are found the way that every AWS tool finds them: in the environment
//! (`AWS_REGION`, `AWS_ENDPOINT_URL`, …), in `~/.aws`, or in the instance's metadata and role.
//!
//! # Who waits, and who tries again
//!
//! The connector knows one deadline, to connect; all others belong to the operation and are set
//! where it is called. There is one connector, so all clients share one pool of connections and one
//! set of certificates.
//!
//! A request is tried again in exactly one place. Small objects ([`crate::store::Store`]), secrets,
//! metrics and hooks are asked for by tasks that ask again anyway, so their requests are made once
//! and fail within [`BRIEF`]: a conditional write that the SDK repeated would be refused because of
//! its own first attempt. Listings and files ([`crate::store::Objects`]) consist of many requests,
//! so there the SDK repeats the one that failed, and the callers do not.

mod bucket;
mod cause;
pub mod cloudwatch;
pub mod lifecycle;
pub mod logs;
pub mod secrets;

pub use bucket::{Bucket, Rest};
pub use cause::Cause;
pub use secrets::Secrets;

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::identity::IdentityCache;
use aws_config::imds::{self, region::ImdsRegionProvider};
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// A whole small operation, the look-up of region and credentials included. Less than the 3 s that
/// the schedule's patience lasts, so that the reason is heard.
pub const BRIEF: Duration = Duration::from_millis(2500);
/// To connect, names and TLS included: a connection that takes longer is hardly going to be made.
const CONNECT: Duration = Duration::from_millis(1500);
/// One question to the instance's metadata, which answers within milliseconds where there are any …
const METADATA: Duration = Duration::from_millis(600);
/// … and all that is asked of it for one set of credentials.
const METADATA_WHOLE: Duration = Duration::from_millis(2000);
/// An idle connection is kept this long: S3 closes it after some 5 to 20 s itself.
const IDLE: Duration = Duration::from_secs(10);

/// Where the services are and who we are to them. Clones share what was found.
#[derive(Clone, Debug, Default)]
pub struct Aws {
    config: Arc<OnceCell<SdkConfig>>,
    /// The region that this machine is in.
    here: Arc<OnceCell<Region>>,
}

/// It is not known which region to talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no AWS region is set, and this machine's metadata names none")]
pub struct NoRegion;

impl Aws {
    /// To be found out when it is first needed.
    pub fn new() -> Self {
        Self::default()
    }

    /// What is known already. An HTTP client and a region have to be among it.
    pub fn known(config: SdkConfig) -> Self {
        let here = Arc::new(OnceCell::new_with(config.region().cloned()));
        Self { config: Arc::new(OnceCell::new_with(Some(config))), here }
    }

    /// The configuration that every client is made from: requests are made once, without a deadline
    /// but that for connecting. Looks until it has found a region, within some 2 s each time.
    ///
    /// # Errors
    /// There is no region to be found at the moment.
    pub async fn config(&self) -> Result<&SdkConfig, NoRegion> {
        self.config.get_or_try_init(load).await
    }

    /// The region that this machine is in, which need not be that of the bucket and all else. Where no
    /// metadata say so, it is taken to be that one.
    async fn here(&self, config: &SdkConfig) -> Option<Region> {
        let look = async {
            let http = config.http_client().ok_or(NoRegion)?;
            let provider = ProviderConfig::without_region().with_http_client(http);
            let region = ImdsRegionProvider::builder().imds_client(metadata(&provider)).build();
            region.region().await.ok_or(NoRegion)
        };
        let here = self.here.get_or_try_init(|| look).await;
        here.ok().or(config.region()).cloned()
    }

    /// The objects below `prefix`, which has no slash at its ends, in the bucket called `name`.
    pub fn bucket(&self, name: &str, prefix: &str) -> Bucket {
        Bucket::new(self.clone(), name, prefix)
    }

    /// Secrets Manager.
    pub fn secrets(&self) -> Secrets {
        Secrets::new(self.clone())
    }
}

/// The region that the environment names, which goes before all others; none, if it names none.
pub fn region_in(env: &dyn Fn(&str) -> Option<std::ffi::OsString>) -> Option<String> {
    ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(|name| env(name)?.into_string().ok())
}

async fn load() -> Result<SdkConfig, NoRegion> {
    let http = http_client();
    let provider = ProviderConfig::without_region().with_http_client(http.clone());
    let metadata = metadata(&provider);
    let region = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new())
        .or_else(ImdsRegionProvider::builder().imds_client(metadata.clone()).build())
        .region()
        .await
        .ok_or(NoRegion)?;
    let credentials = DefaultCredentialsChain::builder()
        .imds_client(metadata)
        .configure(provider.with_region(Some(region.clone())))
        .build()
        .await;
    Ok(aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .region(region)
        .credentials_provider(credentials)
        .identity_cache(IdentityCache::lazy().load_timeout(METADATA_WHOLE).build())
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).build())
        .load()
        .await)
}

/// The instance's metadata, asked twice at most.
fn metadata(provider: &ProviderConfig) -> imds::Client {
    imds::Client::builder()
        .configure(provider)
        .max_attempts(2)
        .operation_attempt_timeout(METADATA)
        .operation_timeout(METADATA_WHOLE)
        .build()
}

/// The HTTP client: TLS by rustls on *ring* with the system's certificates, through the proxy that
/// the environment names, if it names one.
pub fn http_client() -> SharedHttpClient {
    // Whatever time-outs a client asks for, it gets this connector: a second one would bring a pool
    // and a hundred and fifty certificates of its own.
    let connector = Connector::builder()
        .connector_settings(HttpConnectorSettings::builder().connect_timeout(CONNECT).build())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(2)
        .proxy_config(ProxyConfig::from_env())
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build();
    let connector = SharedHttpConnector::new(connector);
    http_client_fn(move |_, _| connector.clone())
}
