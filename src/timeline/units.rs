//! The look-up: which frames of which renditions are due between two instants.

use crate::media::{Cell, FRAME_SAMPLES, Kind, MediaTime, Rendition, Stream};
use crate::schedule::programme::{Programme, Span};
use std::sync::Arc;

/// Where a media unit lies.
#[derive(Clone, Debug)]
pub struct Place {
    /// When it is presented.
    pub time: MediaTime,
    /// What it holds.
    pub kind: Kind,
    /// Whose frame it is.
    pub rendition: Arc<Rendition>,
    /// The cell at which that rendition started.
    pub anchor: Cell,
    /// Which frame of the rendition's audio or video stream.
    pub frame: u64,
}

impl Place {
    /// The stream that holds the frame.
    pub fn stream(&self) -> &Stream {
        match self.kind {
            Kind::Audio => &self.rendition.audio,
            Kind::Video { .. } => &self.rendition.video,
        }
    }
}

/// Every unit with `from ≤ time < until`, in order of time; of two with the same time the picture
/// comes first, so that a join begins with a keyframe.
pub fn units(programme: &Programme, from: MediaTime, until: MediaTime) -> Vec<Place> {
    let mut places = Vec::new();
    let mut at = from;
    while at < until {
        let span = programme.span_at(programme.grid.cell_at(at));
        let end = programme.grid.start(span.to).min(until);
        let video = frames(programme, &span, at, end, programme.grid.video_frame_samples(), video_place);
        let audio = frames(programme, &span, at, end, FRAME_SAMPLES, audio_place);
        merge(video, audio, &mut places);
        at = end;
    }
    places
}

/// The time of the keyframe at or before `at`.
pub fn key_at_or_before(programme: &Programme, at: MediaTime) -> MediaTime {
    let grid = programme.grid;
    let mut at = at;
    // Each round goes back to the span before, and only one that was joined late has no keyframe
    // before `at`; the programme holds finitely many spans.
    loop {
        let span = programme.span_at(grid.cell_at(at));
        let anchor = grid.start(span.anchor).samples();
        let index = (at.samples() - anchor) / grid.video_frame_samples();
        let frames = span.rendition.video.frames();
        let key = index - index % frames + span.rendition.video.key_at_or_before(index % frames);
        let time = MediaTime::from_samples(anchor + key * grid.video_frame_samples());
        let from = grid.start(span.from);
        if time >= from || from == MediaTime::default() {
            return time;
        }
        at = MediaTime::from_samples(from.samples() - 1);
    }
}

/// When what is on air at `at` ends: the next join after `at`.
pub fn join_after(programme: &Programme, at: MediaTime) -> MediaTime {
    let span = programme.span_at(programme.grid.cell_at(at));
    if span.to < Cell(u64::MAX) {
        return programme.grid.start(span.to);
    }
    let played = programme.grid.cell_at(at).since(span.anchor);
    let loops = played / span.rendition.meta.cells + 1;
    programme.grid.start(span.anchor.plus(loops * span.rendition.meta.cells))
}

/// The frames, each `samples` long, that start within `from..until` of one span.
fn frames<'a>(
    programme: &Programme,
    span: &'a Span,
    from: MediaTime,
    until: MediaTime,
    samples: u64,
    place: fn(&'a Span, MediaTime, u64) -> Place,
) -> impl Iterator<Item = Place> + 'a {
    let anchor = programme.grid.start(span.anchor).samples();
    let index = |at: MediaTime| (at.samples() - anchor).div_ceil(samples);
    (index(from)..index(until)).map(move |i| place(span, MediaTime::from_samples(anchor + i * samples), i))
}

fn audio_place(span: &Span, time: MediaTime, index: u64) -> Place {
    let frame = index % span.rendition.audio.frames();
    Place { time, kind: Kind::Audio, rendition: span.rendition.clone(), anchor: span.anchor, frame }
}

fn video_place(span: &Span, time: MediaTime, index: u64) -> Place {
    let frame = index % span.rendition.video.frames();
    let kind = Kind::Video { key: span.rendition.video.is_key(frame) };
    Place { time, kind, rendition: span.rendition.clone(), anchor: span.anchor, frame }
}

fn merge(video: impl Iterator<Item = Place>, audio: impl Iterator<Item = Place>, into: &mut Vec<Place>) {
    let (mut video, mut audio) = (video.peekable(), audio.peekable());
    loop {
        let picture_first = match (video.peek(), audio.peek()) {
            (Some(v), Some(a)) => v.time <= a.time,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return,
        };
        into.extend(if picture_first { video.next() } else { audio.next() });
    }
}
