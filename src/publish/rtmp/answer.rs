//! What an ingest's answer to a command means.

use super::amf0;

/// What matters of a command's arguments.
#[derive(Default)]
pub(super) struct Answer<'a> {
    pub(super) number: Option<f64>,
    pub(super) level: Option<&'a [u8]>,
    pub(super) code: Option<&'a [u8]>,
    pub(super) description: Option<&'a [u8]>,
}

impl<'a> Answer<'a> {
    pub(super) fn read(mut values: amf0::Reader<'a>) -> Self {
        let mut answer = Self::default();
        while let Some(value) = values.value() {
            match value {
                amf0::Value::Number(number) => answer.number = answer.number.or(Some(number)),
                amf0::Value::Fields(fields) => {
                    for (name, value) in fields {
                        let amf0::Value::String(text) = value else { continue };
                        match name {
                            b"level" => answer.level = Some(text),
                            b"code" => answer.code = Some(text),
                            b"description" => answer.description = Some(text),
                            _ => {}
                        }
                    }
                }
                // Some ingests give the description as it is.
                amf0::Value::String(text) => answer.description = answer.description.or(Some(text)),
                amf0::Value::Other => {}
            }
        }
        answer
    }

    /// Whether it means no: by its level, or by its code whichever level that is said with.
    pub(super) fn is_refusal(&self) -> bool {
        const ENDINGS: [&[u8]; 6] =
            [b".BadName", b".Denied", b".Rejected", b".Failed", b".Unauthorized", b".InvalidApp"];
        let code = self.code.unwrap_or_default();
        let ours = code.starts_with(b"NetStream.Publish.") || code.starts_with(b"NetConnection.Connect.");
        self.level == Some(b"error") || (ours && ENDINGS.iter().any(|ending| code.ends_with(ending)))
    }
}
