//! The stream key in Secrets Manager: the whole of a secret, or one field of one that holds JSON.
//!
//! Nothing of a secret is repeated in an error, the names of its fields included: a key that was
//! entered in the wrong place is still a key. What we hold of it is overwritten; what the HTTP and
//! the SDK's layers had in their buffers is out of reach.

use super::cause::Cause;
use super::{Aws, BRIEF};
use crate::config::Secret;
use crate::host::key;
use crate::store::Kind;
use aws_sdk_secretsmanager::Client;
use serde_json::Value;
use std::hint::black_box;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Secrets Manager. Clones share their client.
#[derive(Clone, Debug)]
pub struct Secrets {
    aws: Aws,
    client: Arc<OnceCell<Client>>,
}

/// Why there is no stream key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The secret cannot be read.
    #[error("cannot read the secret {secret:?}: {cause}")]
    Unread {
        /// Its name or ARN.
        secret: String,
        /// Why not.
        cause: Cause,
    },
    /// It holds something else than a stream key.
    #[error("the secret {secret:?} {}", unfit.clause())]
    Unfit {
        /// Its name or ARN.
        secret: String,
        /// What is wrong with it.
        unfit: Unfit,
    },
}

/// What is wrong with a secret's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Bytes, where text should be.
    Binary,
    /// JSON with fields, and none is configured.
    Fields,
    /// A field is configured, and this is plain text.
    Plain {
        /// The field.
        field: String,
    },
    /// There are fields, and the configured one is not among them.
    NoField {
        /// The field.
        field: String,
    },
    /// The field holds a number, a list, or the like.
    NoText {
        /// The field.
        field: String,
    },
    /// The text is no stream key.
    NoKey {
        /// The field, if there is one.
        field: Option<String>,
        /// The second half of a sentence: "is empty".
        why: &'static str,
    },
}

impl Error {
    /// Whether it passes without anyone's help.
    pub fn passes(&self) -> bool {
        match self {
            Self::Unread { cause, .. } => matches!(cause.kind, Kind::Busy | Kind::Unreachable),
            Self::Unfit { .. } => false,
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unread { cause: Cause { kind: Kind::Denied, .. }, .. } => Some(
                "the role's policy has to allow secretsmanager:GetSecretValue on it (and kms:Decrypt, if it \
                 has a key of its own); docs/aws.md shows the least that serves"
                    .to_owned(),
            ),
            Self::Unread { cause, .. } => cause.kind.hint().map(str::to_owned),
            Self::Unfit { unfit, .. } => Some(unfit.hint()),
        }
    }
}

impl Unfit {
    fn clause(&self) -> String {
        match self {
            Self::Binary => "holds bytes, not text".into(),
            Self::Fields => "holds JSON, and the configuration does not say which field of it".into(),
            Self::Plain { field } => format!("holds plain text, and so no field {field:?}"),
            Self::NoField { field } => format!("has no field {field:?}"),
            Self::NoText { field } => format!("has no text in its field {field:?}"),
            Self::NoKey { field: Some(field), why } => format!("has a field {field:?} that {why}"),
            Self::NoKey { field: None, why } => (*why).into(),
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::Fields => "add field = \"…\" to the key, with the name of the field".into(),
            Self::Plain { .. } => "leave field = … out, or store the key as JSON with that field".into(),
            Self::NoField { .. } => "is the field's name right? Capitals count".into(),
            Self::Binary | Self::NoText { .. } | Self::NoKey { .. } => {
                "store the stream key as text, and nothing else with it".into()
            }
        }
    }
}

impl Secrets {
    pub(super) fn new(aws: Aws) -> Self {
        Self { aws, client: Arc::default() }
    }

    /// The stream key in the current version of `secret` (a name or an ARN).
    ///
    /// # Errors
    /// See [`Error`]. Asked once, and answered within [`BRIEF`].
    pub async fn key(&self, secret: &str, field: Option<&str>) -> Result<Secret, Error> {
        self.read_as(key::first_line, secret, field).await
    }

    /// The address of a webhook in the current version of `secret`.
    ///
    /// # Errors
    /// As [`Secrets::key`].
    pub async fn address(&self, secret: &str, field: Option<&str>) -> Result<Secret, Error> {
        self.read_as(key::first_address, secret, field).await
    }

    async fn read_as(&self, what: key::Fit, secret: &str, field: Option<&str>) -> Result<Secret, Error> {
        let asked = tokio::time::timeout(BRIEF, self.value(secret)).await;
        let value = asked.unwrap_or_else(|_| Err(Cause::late(BRIEF)));
        let value = value.map_err(|cause| Error::Unread { secret: secret.to_owned(), cause })?;
        let key = match &value {
            Some(value) => pick(&value.0, field, what),
            None => Err(Unfit::Binary),
        };
        key.map_err(|unfit| Error::Unfit { secret: secret.to_owned(), unfit })
    }

    /// The text of a secret, if it is one.
    async fn value(&self, secret: &str) -> Result<Option<Wiped>, Cause> {
        let make = || async { Ok::<_, Cause>(Client::new(self.aws.config().await?)) };
        let client = self.client.get_or_try_init(make).await?;
        let answer = client.get_secret_value().secret_id(secret).send().await.map_err(Cause::of)?;
        Ok(answer.secret_string.map(Wiped))
    }
}

/// The stream key in the text of a secret.
fn pick(text: &str, field: Option<&str>, what: key::Fit) -> Result<Secret, Unfit> {
    let parsed = serde_json::from_str(text).map(Fields);
    match (field, &parsed) {
        (None, Ok(Fields(Value::Object(_)))) => Err(Unfit::Fields),
        (None, _) => fit(text, None, what),
        (Some(field), Ok(Fields(Value::Object(fields)))) => match fields.get(field) {
            Some(Value::String(text)) => fit(text, Some(field), what),
            Some(_) => Err(Unfit::NoText { field: field.to_owned() }),
            None => Err(Unfit::NoField { field: field.to_owned() }),
        },
        (Some(field), _) => Err(Unfit::Plain { field: field.to_owned() }),
    }
}

fn fit(text: &str, field: Option<&str>, what: key::Fit) -> Result<Secret, Unfit> {
    what(text.as_bytes()).map_err(|why| Unfit::NoKey { field: field.map(str::to_owned), why })
}

/// Text that is overwritten when it is dropped.
struct Wiped(String);

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// JSON of which every text is overwritten when it is dropped.
struct Fields(Value);

impl Drop for Fields {
    fn drop(&mut self) {
        fn wipe_all(value: &mut Value) {
            match value {
                Value::String(text) => wipe(text),
                Value::Array(values) => values.iter_mut().for_each(wipe_all),
                Value::Object(fields) => fields.values_mut().for_each(wipe_all),
                Value::Null | Value::Bool(_) | Value::Number(_) => {}
            }
        }
        wipe_all(&mut self.0);
    }
}

fn wipe(text: &mut String) {
    let mut bytes = std::mem::take(text).into_bytes();
    bytes.fill(0);
    // Keeps the fill from being optimised away as a dead store.
    black_box(&bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(text: &str, field: Option<&str>) -> Result<Secret, Unfit> {
        super::pick(text, field, key::first_line)
    }

    #[test]
    fn a_key_is_a_whole_secret_or_a_field() {
        let json = r#"{"youtube_stream_key": " abcd-efgh\n", "other": 7, "empty": "", "odd": "a b"}"#;
        assert_eq!(pick("abcd-efgh\n", None).unwrap().expose(), "abcd-efgh");
        assert_eq!(pick("12345", None).unwrap().expose(), "12345", "a number is JSON, and a key too");
        assert_eq!(pick(json, Some("youtube_stream_key")).unwrap().expose(), "abcd-efgh");
        let why = |text, field| pick(text, field).unwrap_err().clause();
        assert_eq!(why(json, None), "holds JSON, and the configuration does not say which field of it");
        assert_eq!(why("abcd", Some("key")), "holds plain text, and so no field \"key\"");
        assert_eq!(why("[\"abcd\"]", Some("key")), "holds plain text, and so no field \"key\"");
        assert_eq!(why(json, Some("Key")), "has no field \"Key\"");
        assert_eq!(why(json, Some("other")), "has no text in its field \"other\"");
        assert_eq!(why(json, Some("empty")), "has a field \"empty\" that is empty");
        assert_eq!(
            why(json, Some("odd")),
            "has a field \"odd\" that holds characters that no stream key has"
        );
        assert_eq!(why("", None), "is empty");
        assert_eq!(why("rtmp://a/b", None), "holds an address and not a stream key");
    }
}
