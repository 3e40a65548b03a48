//! Descriptions that were read once, kept from one start to the next: they never change.

use super::Exchange;
use crate::host::file;
use crate::media::RenditionId;
use crate::render::exchange::Sealed;
use crate::render::task::workshop::blocking;
use crate::store::{Objects, Store};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// The most that are kept: a large library under two profiles.
const MOST: usize = 20_000;

impl<B: Store + Objects> Exchange<B> {
    fn kept(&self) -> PathBuf {
        self.inner.places.renditions.with_extension("json")
    }

    /// Until the bucket has been looked at, what lay there yesterday is taken to lie there today.
    pub(super) async fn recall(&self) {
        let path = self.kept();
        let kept = blocking(move || read(&path)).await;
        let headers = self.inner.headers.lock().expect("never poisoned").clone();
        self.inner.update(|there| {
            for (id, sealed) in &kept {
                if sealed.meta.profile == *self.inner.profile.id()
                    && headers.as_ref() == Some(&sealed.headers)
                {
                    there.on_description(id, Ok(sealed));
                }
            }
        });
    }

    /// Adds what was read to what is kept. That it cannot be kept costs reading it again.
    pub(super) async fn keep(&self, news: Vec<Sealed>) {
        if news.is_empty() {
            return;
        }
        let path = self.kept();
        let kept = blocking(move || {
            let mut kept = read(&path);
            kept.extend(news.into_iter().map(|sealed| (sealed.meta.id.clone(), sealed)));
            while kept.len() > MOST {
                kept.pop_first();
            }
            let all: Vec<_> = kept.into_values().collect();
            file::replace(&path, &serde_json::to_vec(&all)?)
        });
        if let Err(error) = kept.await {
            tracing::debug!(%error, "what is known of the bucket's renditions cannot be kept");
        }
    }
}

fn read(path: &PathBuf) -> BTreeMap<RenditionId, Sealed> {
    let all: Vec<Sealed> =
        fs::read(path).ok().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default();
    all.into_iter().map(|sealed| (sealed.meta.id.clone(), sealed)).collect()
}
