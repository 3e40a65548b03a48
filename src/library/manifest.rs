//! What is known of the files, as text that outlives the program. It is a cache: without it every
//! file is read again, and nothing else is lost.

use super::scan::{Content, Index, RootId, Stamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The version of this text; another one is not read.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Manifest<S: Ord> {
    format: u32,
    /// The folder it is about, as text.
    root: S,
    id: Option<RootId>,
    files: BTreeMap<S, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    stamp: Stamp,
    #[serde(flatten)]
    content: Content,
}

/// What `index` knows of the folder `root`.
pub fn to_text(index: &Index, root: &Path) -> String {
    let (id, known) = index.known();
    let entry =
        |(source, stamp, content): (_, _, &Content)| (source, Entry { stamp, content: content.clone() });
    let root = root.to_string_lossy();
    let manifest = Manifest { format: FORMAT, root: root.as_ref(), id, files: known.map(entry).collect() };
    serde_json::to_string(&manifest).expect("text, numbers and maps of them are JSON")
}

/// Puts what the text knows into `index`, if it is about the folder `root`. Says whether it was.
pub fn recall(text: &str, root: &Path, index: &mut Index) -> bool {
    let Ok(manifest) = serde_json::from_str::<Manifest<String>>(text) else { return false };
    if manifest.format != FORMAT || manifest.root != root.to_string_lossy() {
        return false;
    }
    let files = manifest.files.into_iter().map(|(source, entry)| (source, entry.stamp, entry.content));
    index.remember(manifest.id, files);
    true
}
