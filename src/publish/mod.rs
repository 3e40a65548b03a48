//! Cursors over the timeline, each carried to one ingest.

pub mod rtmp;
