//! Posts alerts. Each target is a loop of its own over its queue; nobody else waits for it.

use super::{Lost, Outcome, Post, Queue, body, judge};
use crate::config::{Secret, WebhookKind};
use crate::telemetry::messages;
use reqwest::header::{CONTENT_TYPE, HeaderName, RETRY_AFTER};
use reqwest::{Client, Url, redirect, retry};
use rustls_native_certs::load_native_certs;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::rustls::{self, RootCertStore, crypto::ring};
use tokio_util::sync::CancellationToken;

/// From the name's look-up to the end of the answer's head.
const LIMIT: Duration = Duration::from_secs(5);
/// To connect, names and TLS included.
const CONNECT: Duration = Duration::from_millis(2500);
/// How long the end waits for what is not sent yet.
pub const LAST: Duration = Duration::from_secs(1);
/// Alerts on their way from who makes them to a target's queue.
pub const ON_THE_WAY: usize = 16;

/// Who is told, and how.
pub struct Target<A> {
    /// For the log.
    pub name: String,
    /// Where.
    pub address: A,
    /// In which form.
    pub kind: WebhookKind,
}

/// Where an address is kept. It may change there.
pub trait Address: Send + Sync {
    /// What it is now. Ends within seconds.
    fn read(&self) -> impl Future<Output = Result<Secret, String>> + Send;
}

/// A client for all targets: TLS by rustls on *ring* with the system's certificates, no redirects,
/// no repetition of its own. Reads files.
///
/// # Errors
/// The environment names a proxy that is none.
pub fn client() -> reqwest::Result<Client> {
    let mut roots = RootCertStore::empty();
    // Without any, https fails, and says so at each alert.
    roots.add_parsable_certificates(load_native_certs().certs);
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has what TLS 1.2 and 1.3 need")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .connect_timeout(CONNECT)
        .timeout(LIMIT)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("nonstop/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Posts what comes in `posts` to one target, until there are no more to come or `cancel`; then for a
/// moment what is left. The ids of those that were taken go to `heard`.
pub async fn run<A: Address>(
    target: Target<A>,
    client: Client,
    mut posts: mpsc::Receiver<Post>,
    heard: mpsc::Sender<String>,
    cancel: CancellationToken,
) {
    let mut queue = Queue::default();
    let mut open = true;
    let mut way = Way { target: &target, client, url: None, told: false };
    // One that cannot be read is heard of now, and not when there is something to tell.
    cancel.run_until_cancelled(way.find()).await;
    while open || !queue.is_empty() {
        let turn = turn(&mut way, &mut queue, (&mut posts, &heard), open);
        match cancel.run_until_cancelled(turn).await {
            Some(more) => open = more,
            None => break,
        }
    }
    let rest = async {
        while open || !queue.is_empty() {
            open = turn(&mut way, &mut queue, (&mut posts, &heard), open).await;
        }
    };
    // What is not taken by then is lost with the process; the log has it.
    let _ = timeout(LAST, rest).await;
}

/// Waits for a new alert, or sends one to its end. Gives whether more may come. Cancel-safe: what is
/// being sent stays in the queue.
async fn turn<A: Address>(
    way: &mut Way<'_, A>,
    queue: &mut Queue,
    (posts, heard): (&mut mpsc::Receiver<Post>, &mpsc::Sender<String>),
    mut open: bool,
) -> bool {
    let (now, name) = (Instant::now(), &way.target.name);
    let due = queue.due(now).cloned();
    let urgent = queue.urgent();
    let sending = async {
        match &due {
            Some(post) => (post.id.clone(), way.send(post).await),
            None => std::future::pending().await,
        }
    };
    let next = queue.deadline(now).filter(|_| due.is_none());
    let rest = async {
        match next {
            Some(next) => sleep_until(next).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(sending, rest);
    loop {
        tokio::select! {
            biased;
            post = posts.recv(), if open => {
                match post {
                    Some(post) => tell(name, queue.put(post, Instant::now())),
                    None => open = false,
                }
                // What is being sent goes on, unless something came that cannot wait.
                if due.is_none() || (queue.urgent() && !urgent) {
                    return open;
                }
            }
            (id, outcome) = &mut sending => {
                if outcome == Outcome::Taken {
                    // Whoever has no room for it takes it for one that nobody has heard of.
                    let _ = heard.try_send(id.clone());
                }
                tell(name, queue.on(&id, outcome, Instant::now()));
                return open;
            }
            () = &mut rest => return open,
        }
    }
}

/// The way to a target.
struct Way<'a, A> {
    target: &'a Target<A>,
    client: Client,
    /// Where it was when it was last read.
    url: Option<Secret>,
    /// Whether it was said that it cannot be read.
    told: bool,
}

impl<A: Address> Way<'_, A> {
    /// Reads where the target is; says once that this fails.
    async fn find(&mut self) -> Result<(), String> {
        match self.target.address.read().await {
            Ok(url) => (self.url, self.told) = (Some(url), false),
            Err(error) => {
                if !std::mem::replace(&mut self.told, true) {
                    tracing::error!(
                        message_id = messages::WEBHOOK_KEY,
                        webhook = self.target.name,
                        error,
                        "a webhook's address cannot be read, and it gets no alerts"
                    );
                }
                return Err(error);
            }
        }
        Ok(())
    }

    /// Cancel-safe.
    async fn send(&mut self, post: &Post) -> Outcome {
        if self.url.is_none()
            && let Err(error) = self.find().await
        {
            return Outcome::Later(error, None);
        }
        let outcome = self.post(post).await;
        let Outcome::NotHere(reason) = outcome else { return outcome };
        let before = self.url.take();
        let url = |url: &Option<Secret>| url.as_ref().map(|url| url.expose().to_owned());
        if self.find().await.is_err() || url(&self.url) == url(&before) {
            return Outcome::Never(reason);
        }
        self.post(post).await
    }

    async fn post(&self, post: &Post) -> Outcome {
        let Some(Ok(url)) = self.url.as_ref().map(|url| Url::parse(url.expose())) else {
            return Outcome::NotHere("its address is none".to_owned());
        };
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            // Whoever receives it twice, as an answer was lost, can tell.
            .header(HeaderName::from_static("idempotency-key"), &post.id)
            .body(body(post, self.target.kind).to_string());
        match request.send().await {
            Ok(answer) => {
                let after = answer.headers().get(RETRY_AFTER);
                let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
                judge(answer.status().as_u16(), after)
            }
            Err(error) => Outcome::Later(cause(&error.without_url()), None),
        }
    }
}

/// Says that a webhook does not get an alert, and why.
pub fn unheard(webhook: &str, event: &str, reason: &str) {
    tracing::warn!(
        message_id = messages::WEBHOOK_UNHEARD,
        webhook,
        event,
        error = reason,
        "a webhook did not take an alert, and it is given up"
    );
}

fn tell(webhook: &str, lost: Option<Lost>) {
    if let Some(Lost { event, reason }) = lost {
        unheard(webhook, event, &reason);
    }
}

/// The innermost cause: what lies around it says no more than that a request failed.
fn cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it does not answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
