//! nonstop keeps a music channel on the air: a stream that never stops, on machines that do.
//!
//! One idea carries everything: *what is on air at any instant is a fact, not a state.* FFmpeg
//! renders each track once, ahead of air, into an immutable rendition. An append-only schedule says
//! which rendition plays from which instant on. So `timeline(instant) → media units` is a pure
//! look-up, and a reconnect, a failover, a restart and a second node are all the same thing: start
//! reading at an instant.
//!
//! # The way of the data
//!
//! ```text
//!    folder or bucket                                               YouTube, Twitch, …
//!          │                                                               ▲
//!          ▼                                                               │ RTMP, RTMPS
//!      library ──► render ──► schedule ──► timeline ──────────────────► publish
//!      tracks      FFmpeg     what plays   the frames                   one cursor an
//!      on disk,    makes a    when, in a   due between                  ingest, paced by
//!      whole and   rendition  log that is  two instants                 the clock; failover
//!      read        of each    only added
//!                  track      to
//! ```
//!
//! | stage | takes | gives |
//! |---|---|---|
//! | [`library`] | a folder or a bucket | [`library::Library`]: tracks and a picture |
//! | [`render`] | a library | [`render::Shelf`]: which tracks are ready as renditions |
//! | [`schedule`] | a shelf | [`schedule::Programme`]: what is on air when, with the renditions open |
//! | [`timeline`] | a programme | [`media::Unit`]s, read with a [`timeline::Cursor`] |
//! | [`publish`] | a timeline | bytes on ingests, and what became of them |
//!
//! Each stage is a folder whose files decide (pure: time is an argument) and one `task.rs` that
//! does (it alone waits, reads clocks, touches disk and network). A stage knows the one before it
//! and never one behind it. [`service`] builds them in this order and is the only place that knows
//! them all. Each tells the next through a watch channel that holds the latest snapshot: nothing is
//! queued between stages, so nothing can pile up.
//!
//! [`handover`] lets several nodes do this for one channel: it says which of them may use which
//! ingest.
//!
//! Beside the flow: [`config`] is read once and then trusted, [`media`] has the words that all
//! stages share (start with [`media::cell`]), [`host`] is the machine underneath and what is
//! announced about its end, [`store`] is what nodes agree through, [`aws`] is the bucket that it is
//! in and the secret with the stream key, [`control`] is what operators talk to, [`telemetry`] what
//! the daemon tells by itself, [`cli`] the command, and [`cost`] what a month of it costs.

pub mod config;
pub mod media;

pub mod library;
pub mod render;
pub mod schedule;
pub mod timeline;

pub mod publish;

pub mod handover;

pub mod aws;
pub mod control;
pub mod host;
pub mod store;
pub mod telemetry;

pub mod cli;
pub mod cost;
pub mod service;
