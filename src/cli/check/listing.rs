//! What lies in the bucket, as the daemon sees it: the library's own judgement, a page at a time.

use crate::library::bucket::{Catalogue, Next, OWN};
use crate::library::files::Kind;
use crate::store::{self, Object, Objects};
use std::time::Duration;

/// Where renditions lie.
const RENDITIONS: &str = OWN[0];
/// Pages of renditions that are counted. There may be hundreds, which nobody would wait for.
const PAGES: usize = 20;

/// See the file's head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub tracks: usize,
    /// The first of them.
    pub track: Option<Object>,
    /// The background that would be shown.
    pub background: Option<Object>,
    /// What is left out, as a sentence without its end.
    pub left_out: Option<String>,
    pub rendered: usize,
    /// Whether there are renditions that were not counted.
    pub more_rendered: bool,
}

/// Lists the music, stepping over nonstop's own folders, and then the renditions. `place` is the
/// bucket in an error.
pub(super) async fn list(
    bucket: &impl Objects,
    background: Option<&str>,
    place: &str,
) -> Result<Listing, store::Error> {
    let mut catalogue = Catalogue::new(background.map(str::to_owned));
    catalogue.begin();
    let mut after = String::new();
    loop {
        match catalogue.on_page(bucket.page(&after).await?, Duration::ZERO) {
            Next::After(key) => after = key,
            Next::Unfit(why) => return Err(store::Error::new(store::Kind::Other, "list", place, why)),
            Next::Same | Next::Changed | Next::Doubted => break,
        }
    }
    let problems = catalogue.library().problems;
    let left_out = problems.iter().find(|problem| Some(&*problem.source) != background);
    let left_out = left_out.map(|problem| format!("{}: {}", problem.source, problem.reason));
    let (mut tracks, mut track, mut shown) = (0, None, None);
    for (listed, _) in catalogue.known() {
        let object =
            || Object { key: listed.key.to_owned(), size: listed.size, version: listed.version.clone() };
        match listed.kind {
            Kind::Track => {
                tracks += 1;
                track.get_or_insert_with(object);
            }
            Kind::Background { rank } if shown.as_ref().is_none_or(|(best, _)| rank < *best) => {
                shown = Some((rank, object()));
            }
            Kind::Background { .. } => {}
        }
    }
    let (rendered, more_rendered) = renditions(bucket).await?;
    let background = shown.map(|(_, object)| object);
    Ok(Listing { tracks, track, background, left_out, rendered, more_rendered })
}

/// How many renditions there are, and whether there are more than that.
async fn renditions(bucket: &impl Objects) -> Result<(usize, bool), store::Error> {
    let (mut after, mut rendered) = (RENDITIONS.to_owned(), 0);
    for _ in 0..PAGES {
        let page = bucket.page(&after).await?;
        let is_there = |object: &&Object| object.key.starts_with(RENDITIONS);
        let described = |object: &&Object| object.key.ends_with("/rendition.json");
        rendered += page.objects.iter().take_while(is_there).filter(described).count();
        match page.objects.last().filter(|object| !page.last && is_there(object)) {
            Some(last) => after.clone_from(&last.key),
            // Behind the folder lies music.
            None => return Ok((rendered, false)),
        }
    }
    Ok((rendered, true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;
    use crate::store::memory::Memory;

    #[tokio::test]
    async fn what_nonstop_itself_keeps_is_stepped_over_and_renditions_are_counted_to_a_limit() {
        let bucket = Memory::default();
        let put = async |key: String| bucket.put_if_absent(&key, Vec::new()).await.map(drop).unwrap();
        for n in 0..11_000 {
            put(format!("renditions/{n:032x}/audio.flv")).await;
            put(format!("renditions/{n:032x}/rendition.json")).await;
            put(format!("schedule/{n:020}.mp3")).await;
        }
        for key in ["._a.mp3", ".trash/b.mp3", "@eaDir/c.mp3", "background.jpg", "background.png", "d.txt"] {
            put(key.to_owned()).await;
        }
        put("songs/e.mp3".to_owned()).await;
        put("zz.flac".to_owned()).await;
        let listing = list(&bucket, None, "here").await.unwrap();
        assert_eq!((listing.tracks, listing.track.unwrap().key.as_str()), (2, "songs/e.mp3"));
        assert_eq!((listing.rendered, listing.more_rendered), (10_000, true));
        assert_eq!(listing.left_out, None);
        let picture = listing.background.unwrap().key;
        assert!(picture.starts_with("background."), "{picture}");
        let listing = list(&bucket, Some("none.png"), "here").await.unwrap();
        assert_eq!((listing.background, listing.left_out), (None, None));
    }
}
