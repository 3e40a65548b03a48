//! Why a session came to nothing. An error never holds the stream key, though ingests echo it.

use crate::config::Secret;

/// Longest text, in characters, that is taken over from an ingest.
const MAX_TEXT: usize = 200;
/// Shortest piece of the key that is cut out of an ingest's text: a few letters in common are
/// chance, five are a group of a YouTube key with its hyphen.
const MIN_PIECE: usize = 5;

/// Why a session failed. After it the session is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The peer sent something that is not RTMP.
    #[error("the ingest does not speak RTMP: {what}")]
    Protocol {
        /// What was wrong with it.
        what: &'static str,
    },
    /// The ingest does not want this connection or this stream.
    #[error("the ingest refused the stream: {code}{}", in_brackets(description))]
    Refused {
        /// RTMP's code, `NetStream.Publish.BadName` for example.
        code: String,
        /// The ingest's own words, without the key; may be empty.
        description: String,
    },
    /// The ingest ended a session that it had accepted.
    #[error("the ingest ended the session: {code}{}", in_brackets(description))]
    ClosedByPeer {
        /// RTMP's code.
        code: String,
        /// The ingest's own words, without the key; may be empty.
        description: String,
    },
}

impl Error {
    /// Whether the same attempt may well succeed later without anyone's help.
    ///
    /// `NetStream.Publish.BadName` counts as such: it means "no such key" to some ingests, but to
    /// others, nginx-rtmp among them, that the last session with this key has not quite ended.
    pub fn retryable(&self) -> bool {
        const LASTING: [&str; 5] = [
            "NetConnection.Connect.InvalidApp",
            "NetConnection.Connect.Rejected",
            "NetStream.Publish.Denied",
            "NetStream.Publish.Rejected",
            "NetStream.Publish.Unauthorized",
        ];
        match self {
            Self::Protocol { .. } | Self::ClosedByPeer { .. } => true,
            Self::Refused { code, .. } => !LASTING.contains(&code.as_str()),
        }
    }
}

fn in_brackets(description: &str) -> String {
    if description.is_empty() { String::new() } else { format!(" ({description})") }
}

/// Text from an ingest, fit for a log: without the key or a piece of it, on one line, not too long.
pub(super) fn presentable(text: &[u8], key: &Secret) -> String {
    let fold = |text: &str| text.chars().map(|c| c.to_ascii_lowercase()).collect::<Vec<_>>();
    let key = fold(key.expose());
    let text = String::from_utf8_lossy(text);
    let (shown, folded) = (text.chars().collect::<Vec<_>>(), fold(&text));
    let piece = MIN_PIECE.min(key.len()).max(1);

    let mut out = String::new();
    let (mut at, mut len) = (0, 0);
    while at < shown.len() && len < MAX_TEXT {
        let secret = longest_piece(&key, &folded[at..]);
        if secret >= piece {
            out.push_str("‹key›");
            at += secret;
            len += 5;
        } else {
            out.push(if shown[at].is_control() { ' ' } else { shown[at] });
            at += 1;
            len += 1;
        }
    }
    if at < shown.len() {
        out.push('…');
    }
    out.trim().to_owned()
}

/// How many characters at the start of `text` are somewhere in `key`, one after the other.
fn longest_piece(key: &[char], text: &[char]) -> usize {
    (0..key.len())
        .map(|from| key[from..].iter().zip(text).take_while(|(k, t)| k == t).count())
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_key_is_cut_out_whole_in_pieces_and_in_capitals() {
        let key = Secret::new("abcd-efgh-ijkl");
        for text in
            ["no stream abcd-efgh-ijkl here", "no stream ABCD-EFGH-IJKL here", "no stream efgh-ij here"]
        {
            assert_eq!(presentable(text.as_bytes(), &key), "no stream ‹key› here");
        }
        assert_eq!(presentable(b"live2/abcd-efgh-ijklabcd-efgh-ijkl", &key), "live2/‹key›‹key›");
        assert_eq!(presentable(b"a\nb\xff", &Secret::new("")), "a b\u{fffd}");
        assert_eq!(presentable(b"wrong xy", &Secret::new("xy")), "wrong ‹key›");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(presentable(&[b'z'; 5000], &Secret::new("k")).chars().count(), MAX_TEXT + 1);
    }

    #[test]
    fn a_refusal_reads_as_a_sentence_and_says_whether_to_try_again() {
        let refused = |code: &str, description: &str| Error::Refused {
            code: code.into(),
            description: description.into(),
        };
        let bad_name = refused("NetStream.Publish.BadName", "Already publishing");
        assert_eq!(
            bad_name.to_string(),
            "the ingest refused the stream: NetStream.Publish.BadName (Already publishing)"
        );
        assert!(bad_name.retryable());
        assert!(!refused("NetConnection.Connect.InvalidApp", "").retryable());
    }

    proptest! {
        #[test]
        fn no_five_characters_of_the_key_ever_pass(
            key in "[a-z0-9-]{5,24}",
            parts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), "[A-Z /]{0,6}"), 0..8),
        ) {
            let mut text = String::new();
            for (from, to, between) in parts {
                let (a, b) = (from.index(key.len()), to.index(key.len()));
                text.push_str(&key[a.min(b)..a.max(b)]);
                text.push_str(&between);
            }
            let out = presentable(text.as_bytes(), &Secret::new(&key));
            for from in 0..=key.len() - MIN_PIECE {
                prop_assert!(!out.contains(&key[from..from + MIN_PIECE]), "{} in {}", &key[from..], out);
            }
        }
    }
}
