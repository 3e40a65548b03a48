//! The prover: holds recordings against the programme.
//!
//! A recording says what was sent but not when in programme time: servers rebase timestamps to 0.
//! So its place is found by its content: the one audio frame number from which on every frame of
//! the recording is the programme's. Then every picture must be the programme's at its timestamp,
//! and timestamps must be those of one session: exact to the millisecond, never back.

use super::flv::{self, Kind, Tag};
use super::programme::{Programme, RATE};
use super::{Scratch, ffmpeg};
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A recording that was found to be a piece of the programme.
#[derive(Clone, Debug)]
pub struct Span {
    pub path: PathBuf,
    /// Audio frames since the epoch.
    pub audio: Range<u64>,
    /// Pictures since the epoch.
    pub video: Range<u64>,
    /// Where in the programme its timestamp 0 is, in samples since the epoch, to a millisecond.
    pub zero: i64,
}

pub struct Proof {
    fps: u64,
    /// In the order of their beginnings.
    pub spans: Vec<Span>,
}

/// How far in programme time the end of a recording may be from the time at which it was written:
/// the daemon sends ahead by its lead, and behind by what it catches up on.
const ASIDE: f64 = 20.0;

/// Proves that each of `recordings` is an unbroken piece of the programme, sent when it was due, and
/// decodes without a warning. Recordings without a picture are passed over: the session ended
/// before it began.
#[track_caller]
pub fn prove(recordings: &[PathBuf], programme: &mut Programme) -> Proof {
    prove_each(recordings, programme, |path, tags, programme, ended| {
        place(path, tags, programme, ended).map(|span| vec![span])
    })
}

/// The same where a session may have stood still for so long that it has left something out: see
/// [`place_leaping`].
#[track_caller]
pub fn prove_leaping(recordings: &[PathBuf], programme: &mut Programme) -> Proof {
    prove_each(recordings, programme, place_leaping)
}

#[track_caller]
fn prove_each(
    recordings: &[PathBuf],
    programme: &mut Programme,
    place: impl Fn(&Path, &[Tag], &mut Programme, f64) -> Result<Vec<Span>, String>,
) -> Proof {
    let scratch = Scratch::new("proof");
    let mut spans = Vec::new();
    for path in recordings {
        let (tags, cut) = flv::read(path);
        if !tags.iter().any(|tag| tag.kind == Kind::Video && tag.is_frame()) {
            continue;
        }
        let ended = path.metadata().and_then(|m| m.modified()).expect("the file is there");
        let ended = ended.duration_since(std::time::UNIX_EPOCH).expect("it is after 1970").as_secs_f64();
        let placed = place(path, &tags, programme, ended);
        spans.extend(placed.unwrap_or_else(|wrong| panic!("{}: {wrong}", path.display())));
        // A server that was killed leaves half a tag at the end; what came before must decode.
        if cut > 0 {
            let whole = scratch.path().join("whole.flv");
            flv::write(&whole, &tags);
            ffmpeg::decodes_without_a_warning(&whole);
        } else {
            ffmpeg::decodes_without_a_warning(path);
        }
    }
    Proof::of(spans, programme.fps)
}

/// Finds the place of one recording in the programme, or says where it is not the programme. `ended`
/// is when it was written, in seconds of Unix time: of several places, a short programme repeats
/// itself, the nearest to it is the one.
pub fn place(path: &Path, tags: &[Tag], programme: &mut Programme, ended: f64) -> Result<Span, String> {
    places(path, tags, programme, ended).map(|mut places| places.swap_remove(0))
}

/// The same for one that consists of unbroken pieces of the programme, with leaps in between: time
/// leaps with them, and each piece begins with a keyframe.
pub fn place_leaping(
    path: &Path,
    tags: &[Tag],
    programme: &mut Programme,
    ended: f64,
) -> Result<Vec<Span>, String> {
    let last = tags.last().map_or(0, |tag| tag.time);
    let found = pieces(tags).into_iter().map(|piece| {
        let after = f64::from(last - piece.last().map_or(last, |tag| tag.time)) / 1000.0;
        places(path, &piece, programme, ended - after)
    });
    let found = found.collect::<Result<Vec<_>, _>>()?;
    let (first, rest) = found.split_first().expect("there is a picture");
    let together = first.iter().find_map(|span| {
        let same = |other: &&Span| (other.zero - span.zero).abs() <= 2 * 48;
        let others = rest.iter().map(|spans| spans.iter().find(same).cloned());
        std::iter::once(Some(span.clone())).chain(others).collect()
    });
    together.ok_or_else(|| "it goes on at another place than its time says".to_owned())
}

/// What lies between leaps of more than a second, each with the codec headers that count for it.
fn pieces(tags: &[Tag]) -> Vec<Vec<Tag>> {
    let headers: Vec<Tag> = tags.iter().filter(|tag| tag.is_header()).cloned().collect();
    let mut pieces: Vec<Vec<Tag>> = vec![Vec::new()];
    for tag in tags {
        let piece = pieces.last_mut().expect("there is one");
        let before = piece.iter().rfind(|tag| tag.is_frame());
        if before.is_some_and(|before| tag.is_frame() && tag.time > before.time + 1000) {
            pieces.push(headers.iter().cloned().map(|header| Tag { time: tag.time, ..header }).collect());
        }
        pieces.last_mut().expect("there is one").push(tag.clone());
    }
    pieces
}

/// All that [`place`] would take, the likeliest first.
fn places(path: &Path, tags: &[Tag], programme: &mut Programme, ended: f64) -> Result<Vec<Span>, String> {
    for pair in tags.windows(2) {
        if pair[1].time < pair[0].time {
            return Err(format!("time goes back from {} to {} ms", pair[0].time, pair[1].time));
        }
    }
    let first_frame = tags.iter().position(Tag::is_frame).expect("it was looked for");
    for kind in [Kind::Audio, Kind::Video] {
        let headers: Vec<_> =
            tags.iter().enumerate().filter(|(_, t)| t.kind == kind && t.is_header()).collect();
        match headers.as_slice() {
            [] => return Err(format!("{kind:?} has no codec header")),
            [(at, _), ..] if tags[..*at].iter().any(|t| t.kind == kind && t.is_frame()) => {
                return Err(format!("{kind:?} frames come before the codec header"));
            }
            [(_, first), rest @ ..] if rest.iter().any(|(_, t)| t.body != first.body) => {
                return Err(format!("{kind:?} has two codec headers that differ"));
            }
            _ => {}
        }
    }
    if let Some(stray) =
        tags[first_frame..].iter().find(|t| t.kind == Kind::Video && t.body.get(1) == Some(&2))
    {
        return Err(format!("an end of sequence in mid-stream at {} ms", stray.time));
    }
    let audio: Vec<&Tag> = tags.iter().filter(|t| t.kind == Kind::Audio && t.is_frame()).collect();
    let video: Vec<&Tag> = tags.iter().filter(|t| t.kind == Kind::Video && t.is_frame()).collect();
    if !video[0].is_key() {
        return Err("it does not begin with a keyframe".to_owned());
    }
    // Silence is like any other silence, so a short piece of it may seem to be in several places; its
    // pictures say in which.
    let (mut found, mut wrong) = (Vec::new(), None);
    for start in align(&audio, programme, ended)? {
        match placed(path, (&audio, &video), programme, start) {
            Ok(span) => found.push(span),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    if found.is_empty() { Err(wrong.expect("there is a place, or an error")) } else { Ok(found) }
}

/// The place of a recording whose sound begins at that frame, or says why it is not there.
fn placed(
    path: &Path,
    (audio, video): (&[&Tag], &[&Tag]),
    programme: &mut Programme,
    start: u64,
) -> Result<Span, String> {
    let end = start + audio.len() as u64;

    // Programme time minus timestamp, in samples; the same for all but for rounding down to ms.
    let skew = |tag: &Tag, sample: u64| sample as i64 - i64::from(tag.time) * 48;
    let skews: Vec<i64> = audio.iter().zip(start..).map(|(tag, n)| skew(tag, n * 1024)).collect();
    let base = *skews.iter().min().expect("there is sound");
    check_skews("sound", &skews, base)?;

    let picture = RATE / programme.fps;
    let first = ((base + i64::from(video[0].time) * 48) as u64 + picture / 2) / picture;
    let mut skews = Vec::with_capacity(video.len());
    for (tag, n) in video.iter().zip(first..) {
        let at = n * picture;
        skews.push(skew(tag, at));
        let expected = programme.video(n).ok_or("the programme has no picture there")?;
        if tag.body != expected {
            return Err(format!(
                "the picture at {} ms, {} of the programme in {}, is another one",
                tag.time,
                n,
                programme.source_at(at)
            ));
        }
    }
    check_skews("pictures", &skews, base)?;
    Ok(Span {
        path: path.to_owned(),
        audio: start..end,
        video: first..first + video.len() as u64,
        zero: base,
    })
}

/// Rounding down to a millisecond moves a timestamp by less than 48 samples, and a server that
/// rebases by a rounded first timestamp moves all alike.
fn check_skews(what: &str, skews: &[i64], base: i64) -> Result<(), String> {
    match skews.iter().position(|skew| !(-48..=48).contains(&(skew - base))) {
        Some(at) => Err(format!(
            "frame {at} of {what} is {:.1} ms off its place in the programme",
            (skews[at] - base) as f64 / 48.0
        )),
        None => Ok(()),
    }
}

/// The frame numbers since the epoch from which on the programme's audio is this, likeliest first.
fn align(audio: &[&Tag], programme: &mut Programme, ended: f64) -> Result<Vec<u64>, String> {
    let frame = |seconds: f64| (seconds * RATE as f64 / 1024.0) as u64;
    let due = frame(ended) - audio.len() as u64;
    let (from, to) = (due - frame(ASIDE), due + frame(ASIDE));
    let wanted: Vec<u64> = audio.iter().map(|tag| hash(&tag.body)).collect();
    let mut known = HashMap::new();
    let mut at = |n: u64| *known.entry(n).or_insert_with(|| programme.audio(n).map(|body| hash(&body)));
    let (mut best, mut found) = ((0, from), Vec::new());
    for start in from..to {
        let same = wanted.iter().zip(start..).take_while(|(want, n)| at(*n) == Some(**want)).count();
        if same == wanted.len() {
            found.push(start);
        }
        best = best.max((same, start));
    }
    found.sort_by_key(|start| start.abs_diff(due));
    match found.is_empty() {
        false => Ok(found),
        true => {
            let (same, start) = best;
            let broken = start + same as u64;
            let resumes =
                wanted.get(same).and_then(|want| (broken..broken + 3000).find(|n| at(*n) == Some(*want)));
            let how = match resumes {
                Some(n) => format!("{} frames are missing there", n - broken),
                None => "what follows is not the programme".to_owned(),
            };
            Err(format!(
                "its sound is the programme's for {same} of {} frames ({:.2} s, up to a place in {}), then {how}",
                wanted.len(),
                same as f64 * 1024.0 / RATE as f64,
                programme.source_at(broken * 1024)
            ))
        }
    }
}

fn hash(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

impl Proof {
    pub fn of(mut spans: Vec<Span>, fps: u64) -> Self {
        spans.sort_by_key(|span| span.audio.start);
        Self { fps, spans }
    }

    /// The pieces of programme time, in samples, in which every unit is in some recording.
    pub fn covered(&self) -> Vec<Range<u64>> {
        let picture = RATE / self.fps;
        let audio = merge(self.spans.iter().map(|s| s.audio.clone()).collect(), 1024);
        let video = merge(self.spans.iter().map(|s| s.video.clone()).collect(), picture);
        let mut both = Vec::new();
        for a in &audio {
            for v in &video {
                let (start, end) = (a.start.max(v.start), a.end.min(v.end));
                if start < end {
                    both.push(start..end);
                }
            }
        }
        both
    }

    /// Fails unless all that was recorded, from the first unit to the last, has no hole, and gives
    /// how many seconds that is.
    #[track_caller]
    pub fn unbroken(&self) -> f64 {
        let covered = self.covered();
        assert!(covered.len() == 1, "the recordings leave holes:\n{}", self.describe());
        (covered[0].end - covered[0].start) as f64 / RATE as f64
    }

    /// Seconds that no recording holds, between the first unit and the last.
    pub fn missing(&self) -> f64 {
        let covered = self.covered();
        covered.windows(2).map(|pair| (pair[1].start - pair[0].end) as f64 / RATE as f64).sum()
    }

    /// Seconds that more than one recording holds.
    pub fn overlap(&self) -> f64 {
        let sum: u64 = self.spans.iter().map(|s| s.audio.end - s.audio.start).sum();
        let union: u64 = merge(self.spans.iter().map(|s| s.audio.clone()).collect(), 1)
            .iter()
            .map(|r| r.end - r.start)
            .sum();
        (sum - union) as f64 * 1024.0 / RATE as f64
    }

    pub fn describe(&self) -> String {
        let Some(zero) = self.spans.iter().map(|s| s.audio.start).min() else {
            return "nothing was recorded".to_owned();
        };
        let seconds =
            |n: u64, each: u64| (n * each) as f64 / RATE as f64 - (zero * 1024) as f64 / RATE as f64;
        let picture = RATE / self.fps;
        let lines = self.spans.iter().map(|s| {
            format!(
                "  sound {:9.3}–{:9.3} s, pictures {:9.3}–{:9.3} s in {}",
                seconds(s.audio.start, 1024),
                seconds(s.audio.end, 1024),
                seconds(s.video.start, picture),
                seconds(s.video.end, picture),
                s.path.display()
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Ranges of frame numbers as ranges of samples, with those that touch made one.
fn merge(mut ranges: Vec<Range<u64>>, each: u64) -> Vec<Range<u64>> {
    ranges.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        let range = range.start * each..range.end * each;
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}
