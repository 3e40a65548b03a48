//! What the stage begins with, before it has seen a library.

use super::disk::{self, Places, Work};
use super::workshop::{Workshop, blocking};
use super::{Error, Settings, places_of, tool};
use crate::media::Rendition;
use crate::render::Shelf;
use crate::render::profile::Profile;
use std::fs;
use std::sync::Arc;

/// The shelf to start with: the standby rendition, from the cache (in milliseconds, and without an
/// FFmpeg) or rendered now (in a second or two). An error here means that this machine cannot play.
pub async fn first_shelf(settings: &Settings) -> Result<Arc<Shelf>, Error> {
    let (profile, places) = (Profile::new(&settings.video, &settings.audio), Places::below(&settings.cache));
    let renditions = places.renditions.clone();
    blocking(move || fs::create_dir_all(renditions))
        .await
        .map_err(|source| Error::Cache { path: places.renditions.clone(), source })?;
    let id = profile.standby();
    let whole = |rendition: &Rendition| {
        rendition.meta.profile == *profile.id()
            && rendition.audio.frames() == rendition.meta.cells * profile.grid().audio_frames()
    };
    let there = {
        let (renditions, id) = (places.renditions.clone(), id.clone());
        blocking(move || disk::open(&renditions, &id)).await
    };
    let standby = match there.ok().filter(whole) {
        Some(standby) => standby,
        None => {
            let program = settings.ffmpeg.clone();
            let tool = tool(&program, settings.patience).await.map_err(Error::Standby)?;
            let renditions = places.renditions.clone();
            let work = blocking(move || Work::new(&renditions))
                .await
                .map_err(|source| Error::Cache { path: places.renditions.clone(), source })?;
            let (profile, places, patience) = (profile.clone(), places.clone(), settings.patience);
            let shop = Workshop { program, tool, patience, profile, places, work, reference: None };
            shop.standby().await.map_err(|failure| Error::Standby(failure.into_reason()))?;
            let renditions = places_of(settings).renditions;
            blocking(move || disk::open(&renditions, &id)).await?
        }
    };
    Ok(Arc::new(Shelf {
        profile: profile.id().clone(),
        standby: Arc::new(standby),
        tracks: Vec::new(),
        rendering: None,
        quarantined: Vec::new(),
        paused: None,
        without: None,
        listed: false,
        complete: false,
    }))
}
