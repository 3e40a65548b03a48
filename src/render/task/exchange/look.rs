//! Looks at what lies in the bucket: a page at a time, and however much it is.

use super::{Exchange, LOOK, LOOKING, OBJECTS};
use crate::media::RenditionId;
use crate::render::exchange::{self, FOLDER, described};
use crate::store::{self, Kind, Object, Objects, Store};
use crate::telemetry::messages;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Renditions that are remembered beside those that are wanted now: of other profiles and backgrounds,
/// or wanted next. Some 10 MB; right before a render the bucket is asked about each in any case.
const OTHERS: usize = 60_000;

impl<B: Store + Objects> Exchange<B> {
    /// Lists what lies in the bucket. Says when to look again; nothing if it failed.
    pub(super) async fn look(&self) -> Option<Duration> {
        let error = match self.list().await {
            Ok((ids, objects)) => {
                self.inner.update(|there| there.on_listing(ids));
                return Some(LOOK * (objects / OBJECTS + 1) as u32);
            }
            Err(error) => error,
        };
        if self.inner.there.borrow().unseen.is_none() {
            tracing::warn!(
                message_id = messages::BUCKET_UNSEEN,
                %error,
                "the renditions in the bucket cannot be looked at"
            );
        }
        self.inner.update(|there| there.unseen = Some(error));
        None
    }

    /// What is described there, and how many objects there are.
    async fn list(&self) -> Result<(HashSet<RenditionId>, usize), store::Error> {
        let shown = Arc::clone(&self.inner.shown.borrow());
        let wanted = shown.wanted.iter().chain(&shown.here).collect();
        let mut sieve = Sieve { wanted, most: OTHERS, others: 0, kept: HashSet::new() };
        let (mut after, mut objects) = (FOLDER.to_owned(), 0);
        loop {
            let page = timeout(LOOKING, self.inner.bucket.page(&after)).await;
            let page = page.unwrap_or_else(|_| {
                let reason = format!("no answer within {} s", LOOKING.as_secs());
                Err(store::Error::new(Kind::Unreachable, "list", FOLDER, reason))
            })?;
            // Behind the folder lies music.
            let is_there = |object: &&Object| object.key.starts_with(exchange::FOLDER);
            let of_folder = page.objects.iter().take_while(is_there);
            objects += of_folder.map(|object| sieve.take(&object.key)).count();
            let last = page.objects.last().filter(|object| !page.last && is_there(object));
            match last {
                None => return Ok((sieve.kept, objects)),
                Some(last) if last.key <= after => {
                    let reason = "the listing does not go on";
                    return Err(store::Error::new(Kind::Other, "list", FOLDER, reason));
                }
                Some(last) => after.clone_from(&last.key),
            }
        }
    }
}

/// Keeps what is wanted, and so many others: what lies there may be more than fits the memory.
struct Sieve<'a> {
    wanted: HashSet<&'a RenditionId>,
    most: usize,
    others: usize,
    kept: HashSet<RenditionId>,
}

impl Sieve<'_> {
    fn take(&mut self, key: &str) {
        let Some(id) = described(key) else { return };
        let is_wanted = self.wanted.contains(&id);
        if is_wanted || self.others < self.most {
            self.others += usize::from(!is_wanted);
            self.kept.insert(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::synthetic::digest;
    use crate::render::exchange::description;

    #[test]
    fn what_is_wanted_is_kept_among_however_many_others() {
        let ids: Vec<_> = (0..100).map(|n| RenditionId::of(&digest(n))).collect();
        let wanted = ids[40..60].iter().chain(&ids[98..]);
        let mut sieve = Sieve { wanted: wanted.clone().collect(), most: 10, others: 0, kept: HashSet::new() };
        ids.iter().for_each(|id| sieve.take(&description(id)));
        sieve.take("renditions/odd/rendition.json");
        let kept: HashSet<_> = ids[..10].iter().chain(wanted).cloned().collect();
        assert_eq!(sieve.kept, kept);
    }
}
