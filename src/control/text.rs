//! The status as a person reads it. Pure: what is shown depends on the arguments alone.

use super::Timestamp;
use super::ink::{self, Line, Style, bar, fit, wrap};
use super::status::{
    Destination, Ingest, IngestState, Library, Part, Phase, Redundancy, Role, Status, Trouble, Upcoming,
};
use std::time::Duration;

/// More of the coming entries than these are for `nonstop plan`.
const NEXT: usize = 4;
/// More of the quarantined files than these are for `status --json`.
const QUARANTINED: usize = 5;
/// Where the names of what is listed begin.
const INDENT: usize = 2;

/// The whole view, `width` columns wide, every line ended. `now` says how long ago and how far
/// ahead things are.
pub fn render_text(status: &Status, now: Timestamp, width: usize, color: bool) -> String {
    let mut lines = vec![head(status, width), Line::new()];
    lines.extend(on_air(status, now, width));
    lines.extend(next(&status.next, now, width));
    for destination in &status.destinations {
        lines.push(Line::new());
        lines.extend(publishing(destination, now, width));
    }
    lines.push(Line::new());
    lines.extend(library(&status.library, width));
    for trouble in &status.troubles {
        lines.push(Line::new());
        lines.extend(troubled(trouble, width));
    }
    if let Some(notice) = &status.notice {
        let when = notice.deadline.map(|at| format!(", in {}", span(at.since(now)))).unwrap_or_default();
        lines.push(Line::new());
        lines.push(Line::new().put(Style::Bad, format!("  ! {}{when}", notice.reason)));
    }
    ink::print(&lines, width, color)
}

fn head(status: &Status, width: usize) -> Line {
    let style = match &status.phase {
        Phase::OnAir => Style::Good,
        Phase::Degraded => Style::Bad,
        _ => Style::Warn,
    };
    let left = Line::new().put(Style::Bold, &status.channel).plain("  ").put(style, status.phase.words());
    let up = span(Duration::from_secs(status.uptime_s));
    let right =
        Line::new().put(Style::Dim, format!("{} · up {up} · nonstop {}", status.node, status.version));
    if left.width() + 2 + right.width() <= width { left.right(right, width) } else { left }
}

fn on_air(status: &Status, now: Timestamp, width: usize) -> Vec<Line> {
    let Some(track) = &status.now else {
        let (style, text) = match status.standby {
            true => (Style::Warn, "Standby card and silence: no track is ready to play"),
            false => (Style::Dim, "Nothing is on air yet"),
        };
        return vec![Line::new().put(style, format!("  ■ {text}"))];
    };
    let mut lines = vec![
        Line::new().put(Style::Good, "  ▶ ").put(Style::Bold, credits(track.artist.as_deref(), &track.title)),
    ];
    let from = [track.album.as_deref(), Some(&track.source)].into_iter().flatten().collect::<Vec<_>>();
    lines.push(Line::new().put(Style::Dim, format!("    {}", from.join(" · "))));
    let (whole, gone) = (track.ends.since(track.started), now.since(track.started));
    let gone = gone.min(whole);
    let times = format!("  {} / {}   {} left", clock(gone), clock(whole), clock(whole - gone));
    let room = width.saturating_sub(4 + times.len());
    let done = if whole.is_zero() { 1.0 } else { gone.as_secs_f64() / whole.as_secs_f64() };
    let (full, rest) = bar(done, room);
    lines.push(Line::new().plain("    ").put(Style::Good, full).put(Style::Dim, rest).plain(times));
    lines
}

fn next(entries: &[Upcoming], now: Timestamp, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for (i, entry) in entries.iter().take(NEXT).enumerate() {
        if i == 0 {
            lines.push(Line::new());
        }
        let label = if i == 0 { "next" } else { "" };
        let name = fit(&credits(entry.artist.as_deref(), &entry.title), width.saturating_sub(22));
        let wait = Line::new().put(Style::Dim, format!("in {}", clock(entry.starts.since(now))));
        let line = Line::new().put(Style::Dim, format!("{:INDENT$}{label}", "")).to_column(8).plain(name);
        lines.push(line.right(wait, width));
    }
    lines
}

fn publishing(destination: &Destination, now: Timestamp, width: usize) -> Vec<Line> {
    let how = match destination.redundancy {
        Redundancy::Failover => "primary, backup at need",
        Redundancy::Both => "primary and backup",
    };
    let mut head = Line::new().plain("  ").put(Style::Bold, &destination.name);
    head = head.put(Style::Dim, format!("  {how}"));
    if destination.failovers > 0 {
        head = head.put(Style::Warn, format!("  {}", count(destination.failovers, "failover")));
    }
    let mut lines = vec![head];
    for ingest in &destination.ingests {
        lines.push(ingest_line(ingest, now));
        if let (Some(error), false) = (&ingest.last_error, ingest.state == IngestState::Live) {
            lines.extend(below(error, 6, Style::Bad, width));
        }
    }
    lines
}

fn ingest_line(ingest: &Ingest, now: Timestamp) -> Line {
    let (style, mark, state) = match &ingest.state {
        IngestState::Live => (Style::Good, "●", "live"),
        IngestState::Connecting => (Style::Warn, "◌", "connecting"),
        IngestState::Draining => (Style::Warn, "◐", "draining"),
        IngestState::Waiting => (Style::Bad, "✗", "waiting"),
        IngestState::Idle => (Style::Dim, "○", "idle"),
        IngestState::Other(other) => (Style::Warn, "?", other.as_str()),
    };
    let role = match ingest.ingest {
        Role::Primary => "primary",
        Role::Backup => "backup",
    };
    let mut line = Line::new().plain("    ").put(style, mark).plain(format!(" {role}"));
    line = line.to_column(16).put(style, state).to_column(28).plain(span(now.since(ingest.since)));
    if let Some(lag) = ingest.acked_lag_ms {
        // YouTube's players buffer some ten seconds; 3 s is where the stall check gives up.
        let style = if lag < 3000 { Style::Plain } else { Style::Warn };
        line = line.to_column(42).put(style, format!("lag {:.1} s", lag as f64 / 1000.0));
    }
    if ingest.sent_bytes > 0 {
        line = line.to_column(54).plain(format!("{} sent", bytes(ingest.sent_bytes)));
    }
    if ingest.failures > 0 {
        line = line.to_column(68).put(Style::Warn, count(ingest.failures, "failure"));
    }
    line
}

fn library(library: &Library, width: usize) -> Vec<Line> {
    let mut head = Line::new().plain("  ").put(Style::Bold, "library");
    head = head.plain(format!("  {}, {} ready", count(library.tracks, "track"), library.ready));
    if !library.complete {
        head = head.put(Style::Dim, ", still looking for more");
    }
    let mut lines = vec![head];
    if let Some(reason) = &library.paused {
        lines.push(Line::new().put(Style::Warn, format!("    ‖ rendering is paused: {reason}")));
    }
    if let Some(syncing) = &library.syncing {
        let (full, rest) = bar(syncing.bytes as f64 / syncing.total_bytes.max(1) as f64, 20);
        let files = format!("{} of {}, ", syncing.files, count(syncing.total, "file"));
        let size = format!("{} of {}  ", bytes(syncing.bytes), bytes(syncing.total_bytes));
        let line = Line::new().put(Style::Dim, "    fetching  ").plain(files).plain(size);
        lines.push(line.put(Style::Good, full).put(Style::Dim, rest));
    }
    if let Some(rendering) = &library.rendering {
        let (full, rest) = bar(rendering.done, 20);
        let percent = format!(" {:3.0} %", rendering.done.clamp(0.0, 1.0) * 100.0);
        let name = fit(&rendering.source, width.saturating_sub(44));
        let line = Line::new().put(Style::Dim, "    rendering ").plain(name).plain("  ");
        lines.push(line.put(Style::Good, full).put(Style::Dim, rest).plain(percent));
    }
    for file in library.quarantined.iter().take(QUARANTINED) {
        lines.push(Line::new().put(Style::Bad, "    ✗ ").plain(&file.source));
        lines.extend(below(&file.reason, 6, Style::Dim, width));
    }
    let more = library.quarantined.len().saturating_sub(QUARANTINED);
    if more > 0 {
        lines.push(
            Line::new()
                .put(Style::Dim, format!("      and {more} more that cannot be played (status --json)")),
        );
    }
    lines
}

fn troubled(trouble: &Trouble, width: usize) -> Vec<Line> {
    let head = Line::new().put(Style::Warn, "  ! ").put(Style::Bold, trouble.part.as_str());
    let needed = match trouble.part {
        Part::Key => "  what is on air has the one that was kept",
        _ => "  what is on air does not need it",
    };
    let mut lines = vec![head.put(Style::Dim, needed)];
    lines.extend(below(&trouble.reason, 4, Style::Warn, width));
    if let Some(hint) = &trouble.hint {
        lines.extend(below(&format!("hint: {hint}"), 4, Style::Dim, width));
    }
    lines
}

/// A sentence below what it is about, `indent` columns in, as many lines as it takes.
fn below(text: &str, indent: usize, style: Style, width: usize) -> impl Iterator<Item = Line> {
    let lines = wrap(text, width.saturating_sub(indent));
    lines.into_iter().map(move |text| Line::new().plain(" ".repeat(indent)).put(style, text))
}

/// `Artist – Title`.
pub fn credits(artist: Option<&str>, title: &str) -> String {
    artist.map_or_else(|| title.to_owned(), |artist| format!("{artist} – {title}"))
}

/// `1 track`, `2 tracks`.
pub fn count(n: u64, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

/// A length of music: `3:45`, `1:02:03`.
pub fn clock(length: Duration) -> String {
    let seconds = length.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A time that something has lasted, in its two largest units: `12 s`, `3 h 12 min`, `3 d 4 h`.
pub fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60) {
        (0, 0, 0, seconds) => format!("{seconds} s"),
        (0, 0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (0, hours, minutes, _) => format!("{hours} h {minutes} min"),
        (days, hours, ..) => format!("{days} d {hours} h"),
    }
}

/// `512 B`, `1.2 MB`, `34 GB`: powers of ten, as egress is billed.
pub fn bytes(bytes: u64) -> String {
    let mut amount = bytes as f64;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if amount < 999.5 || unit == "TB" {
            let digits = usize::from(amount < 9.95 && unit != "B");
            return format!("{amount:.digits$} {unit}");
        }
        amount /= 1000.0;
    }
    unreachable!("the last unit always returns")
}

#[cfg(test)]
mod tests;
