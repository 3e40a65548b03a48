//! What is known of a bucket, as text that outlives the program. With it, a machine that starts
//! while the bucket cannot be reached knows what there is to play.

use super::Catalogue;
use crate::library::scan::About;
use crate::store::{Object, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The version of this text; another one is not read.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Manifest<S: Ord> {
    format: u32,
    /// The bucket and prefix that it is about.
    bucket: S,
    objects: BTreeMap<S, Entry<S>>,
}

#[derive(Serialize, Deserialize)]
struct Entry<S> {
    version: S,
    size: u64,
    #[serde(flatten, default)]
    about: Option<About>,
}

/// What `catalogue` knows of `bucket`.
pub fn to_text(catalogue: &Catalogue, bucket: &str) -> String {
    let objects = catalogue.known().map(|(listed, about)| {
        (listed.key, Entry { version: listed.version.0.as_str(), size: listed.size, about })
    });
    let manifest = Manifest { format: FORMAT, bucket, objects: objects.collect() };
    serde_json::to_string(&manifest).expect("text, numbers and maps of them are JSON")
}

/// Puts what the text knows into `catalogue`, if it is about `bucket`. Says whether it was.
pub fn recall(text: &str, bucket: &str, catalogue: &mut Catalogue) -> bool {
    let Ok(manifest) = serde_json::from_str::<Manifest<String>>(text) else { return false };
    if manifest.format != FORMAT || manifest.bucket != bucket {
        return false;
    }
    catalogue.remember(manifest.objects.into_iter().map(|(key, Entry { version, size, about })| {
        (Object { key, size, version: Version(version) }, about)
    }));
    true
}
