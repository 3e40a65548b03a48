//! Ten minutes of programme in which every sound is unlike any other, and how it should be sent.

// Each test binary uses its own part of this.
#![allow(dead_code)]

use crate::ingest::digest;
use nonstop::config::FrameRate;
use nonstop::media::synthetic::{self, Recipe};
use nonstop::media::{Cell, Credits, Grid, Kind, MediaTime, ProfileId};
use nonstop::publish::StreamInfo;
use nonstop::schedule::{Airing, Entry, Programme};
use nonstop::timeline::{Headers, Reader};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;

/// The cell at which it begins: some weeks after the epoch, so that times are not small.
const BEGIN: Cell = Cell(5_000_000);
/// 24 seconds.
const CELLS: u64 = 45;
const ENTRIES: u64 = 25;

/// A unit as it should arrive.
pub struct Unit {
    pub time: MediaTime,
    pub kind: Kind,
    pub digest: u64,
}

pub struct Reference {
    pub reader: Reader,
    pub headers: Headers,
    pub units: Vec<Unit>,
    /// Which unit a sound is, by the first bytes of its body.
    pub sounds: HashMap<Vec<u8>, usize>,
    _keep: (watch::Sender<Arc<Programme>>, tempfile::TempDir),
}

impl Reference {
    /// Where the simulations begin: a little into the first entry.
    pub fn start(&self) -> MediaTime {
        self.units[0].time.plus(Duration::from_millis(5_100))
    }
}

/// What `onMetaData` says of it.
pub fn stream_info() -> StreamInfo {
    StreamInfo { width: 1280, height: 720, fps: 30, video_bits: 2_000_000, audio_bits: 128_000 }
}

pub fn reference() -> &'static Reference {
    static REFERENCE: OnceLock<Reference> = OnceLock::new();
    REFERENCE.get_or_init(|| {
        let grid = Grid::new(FrameRate::new(30).unwrap());
        let dir = tempfile::tempdir().unwrap();
        let make = |number| {
            let recipe = Recipe { number, cells: CELLS, pictures: 120, gop: 60, key_bytes: 6_000 };
            Arc::new(synthetic::rendition(dir.path(), grid, recipe).unwrap())
        };
        let renditions: Vec<_> = (0..ENTRIES).map(make).collect();
        let airings = renditions.iter().zip(0..).map(|(rendition, number)| {
            let start = BEGIN.plus(number * CELLS);
            let entry = Entry {
                number,
                start,
                cells: CELLS,
                rendition: rendition.meta.id.clone(),
                source: rendition.meta.source.clone(),
                track: rendition.meta.source_hash.clone(),
                credits: Credits::default(),
                queued: false,
            };
            Airing { from: start, to: start.plus(CELLS), entry: Arc::new(entry) }
        });
        let programme = Programme {
            grid,
            profile: ProfileId::of(&synthetic::digest(0)),
            standby: make(ENTRIES),
            airings: airings.collect(),
            open: renditions.iter().map(|r| (r.meta.id.clone(), r.clone())).collect(),
            alone: None,
        };
        let (keep, programme) = watch::channel(Arc::new(programme));
        let reader = Reader::new(programme);
        // On a thread of its own, since this may be asked for inside a runtime.
        let (whole, end) = (reader.clone(), grid.start(BEGIN.plus(ENTRIES * CELLS)));
        let units = std::thread::spawn(move || read(whole, grid.start(BEGIN), end)).join().unwrap();
        let sounds = units.iter().enumerate().filter(|(_, (_, kind, _))| *kind == Kind::Audio);
        Reference {
            headers: reader.headers(),
            reader,
            sounds: sounds.map(|(i, (.., body))| (body.clone(), i)).collect(),
            units: units
                .into_iter()
                .map(|(time, kind, body)| Unit { time, kind, digest: digest(&body) })
                .collect(),
            _keep: (keep, dir),
        }
    })
}

fn read(mut reader: Reader, from: MediaTime, to: MediaTime) -> Vec<(MediaTime, Kind, Vec<u8>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut cursor = reader.cursor(from);
        let mut units = Vec::new();
        while cursor.position() < to {
            let read = reader.read(&mut cursor, to).await.unwrap();
            units.extend(read.into_iter().map(|unit| (unit.time, unit.kind, unit.body.to_vec())));
        }
        units
    })
}
