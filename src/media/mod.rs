//! The words that the stages share: time in cells, FLV tags, renditions. Pure.

pub mod cell;
pub mod flv;
pub mod rendition;
#[doc(hidden)]
pub mod synthetic;
pub mod timestamp;
pub mod unit;

pub use cell::{Cell, FRAME_SAMPLES, Grid, MediaTime, SAMPLE_RATE};
pub use rendition::{ContentHash, Credits, Meta, ProfileId, Rendition, RenditionId, Stream};
pub use timestamp::Timestamp;
pub use unit::{Kind, Unit};
