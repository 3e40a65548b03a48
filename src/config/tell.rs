//! What the daemon tells by itself, and whom: `[metrics]`, `[cloudwatch]` and `[[webhook]]`.

use super::tree::{Reader, Table, word};
use super::units::Unfit;
use super::validate::{Name, place};
use super::{KeySource, Secret};
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;
use toml::de::DeTable;

/// Where metrics are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metrics {
    /// On loopback. None: nowhere.
    pub listen: Option<SocketAddr>,
}

/// What goes to CloudWatch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloudWatch {
    /// Metrics, into this namespace.
    pub namespace: Option<String>,
    /// The log, into this group.
    pub logs: Option<String>,
}

/// Somebody who wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Unique in the file: letters, digits, `-` and `_`, at most 64.
    pub name: String,
    /// Where.
    pub address: Address,
    /// How it wants to be told.
    pub kind: WebhookKind,
}

/// Where a webhook's address is. The address lets anybody post, so it is a secret of sorts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Here.
    Url(Secret),
    /// Kept where secrets are.
    Kept(KeySource),
}

/// See [`Webhook`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebhookKind {
    /// nonstop's own, which docs/alerts.md describes.
    #[default]
    Json,
    /// An incoming webhook of Slack, or of who understands those (Mattermost, Rocket.Chat).
    Slack,
    /// A channel's webhook of Discord.
    Discord,
}

impl FromStr for WebhookKind {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        word(text, &[("json", Self::Json), ("slack", Self::Slack), ("discord", Self::Discord)])
    }
}

pub(super) fn metrics<'t>(reader: &mut Reader<'t>, tree: &DeTable<'t>) -> Metrics {
    let table = reader.section(tree, "metrics");
    Metrics { listen: reader.value(&table, "listen").map(|Loopback(address)| address) }
}

pub(super) fn cloudwatch<'t>(reader: &mut Reader<'t>, tree: &DeTable<'t>) -> CloudWatch {
    let table = reader.section(tree, "cloudwatch");
    CloudWatch {
        namespace: reader.value(&table, "namespace").map(|Namespace(name)| name),
        logs: reader.value(&table, "logs").map(|Group(name)| name),
    }
}

pub(super) fn webhooks<'t>(
    reader: &mut Reader<'t>,
    tree: &DeTable<'t>,
    folder: &Path,
) -> Option<Vec<Webhook>> {
    let tables = reader.sections(tree, "webhook");
    let mut webhooks: Vec<Webhook> = Vec::new();
    for table in &tables {
        let name = reader.value(table, "name").map(|Name(name)| name);
        let (kind, address) = (reader.value(table, "kind"), address(reader, table, folder));
        let taken = |name: &str| webhooks.iter().any(|other| other.name == name);
        if let Some(name) = name.as_deref().filter(|name| taken(name)) {
            let sentence = format!("there are two webhooks named `{name}`");
            reader.wrong(table, "name", sentence, "give each its own name");
        }
        let numbered = || {
            let mut names = (2..).map(|number| format!("webhook-{number}"));
            if taken("webhook") { names.find(|name| !taken(name)) } else { Some("webhook".to_owned()) }
        };
        let name = if table.has("name") { name } else { numbered() };
        if let (Some(name), Some(kind), Some(address)) = (name, kind, address) {
            webhooks.push(Webhook { name, address, kind });
        }
    }
    (webhooks.len() == tables.len()).then_some(webhooks)
}

fn address<'t>(reader: &mut Reader<'t>, table: &Table<'_, 't>, folder: &Path) -> Option<Address> {
    match reader.inner(table, "url", "webhook.url") {
        Some(inner) => place(reader, table, &inner, "url", folder).map(Address::Kept),
        None => reader.value(table, "url").map(|Url(url)| Address::Url(url)),
    }
}

/// Whether `text` is an address that alerts can be posted to.
pub fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
    !host.is_empty() && text.len() <= 2048 && text.bytes().all(|b| b.is_ascii_graphic())
}

struct Url(Secret);
struct Loopback(SocketAddr);
struct Namespace(String);
struct Group(String);

impl FromStr for Url {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        if is_url(text) {
            return Ok(Self(Secret::new(text)));
        }
        let hint = "write the whole address, as in \"https://hooks.example.com/x\", or { file = \"/etc/nonstop/webhook\" }";
        Err(Unfit::new("is not the address of a webhook", hint))
    }
}

impl FromStr for Loopback {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        const SHAPE: &str = "write \"127.0.0.1:9464\", and another port for each other channel";
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().is_loopback() && address.port() > 0 => Ok(Self(address)),
            Ok(_) => Err(Unfit::new("is not an address of this machine alone with a port", SHAPE)),
            Err(_) => Err(Unfit::new("is not an address with a port", SHAPE)),
        }
    }
}

impl FromStr for Namespace {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/#:".contains(&b));
        if fits && (1..=255).contains(&text.len()) && !text.starts_with("AWS/") && !text.starts_with(':') {
            return Ok(Self(text.to_owned()));
        }
        Err(Unfit::new("is no namespace of CloudWatch", "take a name like \"nonstop\""))
    }
}

impl FromStr for Group {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/#".contains(&b));
        if fits && (1..=512).contains(&text.len()) {
            return Ok(Self(text.to_owned()));
        }
        Err(Unfit::new("is no log group of CloudWatch Logs", "take a name like \"/nonstop/lofi\""))
    }
}
