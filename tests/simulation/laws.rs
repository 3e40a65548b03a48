//! What was received, and the laws that it has to obey.

use crate::ingest::Message;
use crate::net::{Forecast, Shared, Weather};
use crate::programme::Reference;
use crate::weather::{CALM, LIFE};
use nonstop::media::{Kind, MediaTime};
use nonstop::publish::{DestinationStatus, IngestState, Role, pace};
use std::time::Duration;
use tokio::time::Instant;

/// Everything that happened in one life.
pub struct Story {
    reference: &'static Reference,
    forecasts: [Forecast; 2],
    sessions: Vec<Session>,
    /// When each of the reference's units first arrived anywhere, in milliseconds of the life.
    arrivals: Vec<Option<u64>>,
    status: DestinationStatus,
    drained: Duration,
    single: bool,
}

#[derive(Clone)]
struct Session {
    role: Role,
    number: usize,
    /// In order: which of the reference's units, and when it arrived.
    units: Vec<(usize, u64)>,
    /// What was wrong with it.
    faults: Vec<String>,
    published: Option<u64>,
    deleted: bool,
}

impl Story {
    pub fn new(
        reference: &'static Reference,
        start: Instant,
        forecasts: [Forecast; 2],
        net: &Shared,
        status: DestinationStatus,
        drained: Duration,
    ) -> Self {
        let millis = |at: Instant| at.duration_since(start).as_millis() as u64;
        let net = net.lock().unwrap();
        let sessions = net.connections.iter().enumerate().map(|(number, connection)| {
            let ingest = &connection.ingest;
            let mut faults = ingest.faults.clone();
            let units = units(reference, &ingest.messages, &mut faults);
            Session {
                role: connection.role,
                number,
                units: units.into_iter().map(|(unit, at)| (unit, millis(at))).collect(),
                faults,
                published: ingest.published.map(millis),
                deleted: ingest.deleted,
            }
        });
        let sessions: Vec<_> = sessions.collect();
        let single = status.ingests.len() == 1;
        let arrivals = arrivals(reference, &sessions);
        Self { reference, forecasts, sessions, arrivals, status, drained, single }
    }

    /// The same with one ingest alone.
    pub fn of(&self, role: Role) -> Self {
        let sessions: Vec<_> = self.sessions.iter().filter(|s| s.role == role).cloned().collect();
        let mut forecasts = self.forecasts.clone();
        forecasts[0] = self.forecasts[role as usize].clone();
        Self {
            reference: self.reference,
            forecasts,
            arrivals: arrivals(self.reference, &sessions),
            sessions,
            status: self.status.clone(),
            drained: self.drained,
            single: true,
        }
    }

    /// Headers first, then a keyframe, then every unit, with the time since the first.
    pub fn sessions_are_well_formed(&self) {
        for session in &self.sessions {
            assert!(session.faults.is_empty(), "session {}: {:?}", session.number, session.faults);
        }
    }

    /// From the start to the end, every unit has arrived somewhere.
    pub fn nothing_is_missing(&self) {
        let (first, last) = self.extent();
        if let Some(missing) = (first..last).find(|unit| self.arrivals[*unit].is_none()) {
            panic!("unit {missing}, due at {} ms, never arrived", self.due(missing));
        }
    }

    /// Where units are missing, the session that follows started as far back as it was to.
    pub fn only_old_media_is_skipped(&self) {
        let (first, last) = self.extent();
        for unit in first + 1..=last {
            if self.arrivals[unit].is_some() && self.arrivals[unit - 1].is_none() {
                let starts = self.sessions.iter().filter_map(|session| session.units.first());
                let at = starts.filter(|(start, _)| *start == unit).map(|(_, at)| *at).min();
                let at = at.expect("a session goes on without gaps, so one starts after a gap");
                let age = i64::try_from(at).unwrap() - self.due(unit);
                assert!(age >= 10_000, "at {at} ms media was skipped up to a place only {age} ms back");
            }
        }
    }

    /// With an ingest that has been well for half a minute, the stream is on the air, but for the
    /// seconds in which a fault of the other is noticed.
    pub fn comes_back(&self) {
        let mut arrivals: Vec<_> =
            self.sessions.iter().flat_map(|s| s.units.iter().map(|(_, at)| *at)).collect();
        arrivals.sort_unstable();
        let roles = if self.single { 1 } else { 2 };
        for at in (31_000..LIFE.as_millis() as u64).step_by(500) {
            if (0..roles).any(|role| well(&self.forecasts[role], at - 31_000, at)) {
                let silence =
                    at - arrivals[..arrivals.partition_point(|a| *a <= at)].last().copied().unwrap_or(0);
                assert!(silence <= 6_000, "at {at} ms nothing had arrived for {silence} ms");
            }
        }
    }

    /// After a fault at primary, with a backup that is well, the next media arrives in time.
    pub fn failover_is_fast(&self) {
        let mut arrivals: Vec<_> =
            self.sessions.iter().flat_map(|s| s.units.iter().map(|(_, at)| *at)).collect();
        arrivals.sort_unstable();
        for (from, weather) in &self.forecasts[0] {
            let limit = match weather {
                // A burst may have been due just before.
                Weather::Reset | Weather::Refusing => 500 + 250,
                Weather::Void => 3_500,
                // Its kernel takes in two seconds' worth before the first of it is missed.
                Weather::Frozen => 5_500,
                _ => continue,
            };
            let carried = arrivals.iter().any(|at| *at < *from);
            // A black hole that gives way to another fault in between is noticed later.
            let lasts = self.forecasts[0].iter().all(|(next, _)| next <= from || *next >= from + limit);
            if carried && (lasts || limit < 1_000) {
                let next = arrivals[arrivals.partition_point(|at| at <= from)];
                assert!(next - from <= limit, "{} ms of silence after {weather:?} at {from} ms", next - from);
            }
        }
        let (first, _) = self.extent();
        assert!(self.arrivals[first].unwrap() <= 4_000, "the first byte came late");
    }

    /// When all has been well for a while, primary alone carries the stream.
    pub fn primary_is_taken_back(&self) {
        // In a life full of renewals backup may just be helping out.
        let states: Vec<_> = self.status.ingests.iter().map(|ingest| ingest.state).collect();
        let renewing =
            self.sessions.iter().filter(|s| s.units.first().is_some_and(|u| u.1 > CALM + 30_000)).count();
        if renewing == 0 {
            assert_eq!(states, [IngestState::Live, IngestState::Idle]);
        }
    }

    /// No faster than twice real time, but for a second's worth at the start. Where the weather was
    /// bad, the line's own bursts are none of the publisher's doing.
    pub fn no_session_is_too_fast(&self) {
        for session in &self.sessions {
            let forecast = &self.forecasts[session.role as usize];
            let Some((_, begin)) = session.units.first() else { continue };
            let good =
                session.units.iter().take_while(|(_, at)| well(forecast, begin.saturating_sub(1_000), *at));
            let good: Vec<_> = good.collect();
            for (i, (first, from)) in good.iter().enumerate().step_by(16) {
                for (last, to) in good[i..].iter().step_by(16) {
                    let media = self.due(*last) - self.due(*first);
                    // The line takes up to 100 ms for what was written at once.
                    let passed = i64::try_from(to - from).unwrap() + 100;
                    let most = pace::FIRST.as_millis() as i64 + i64::from(pace::CATCH_UP) * passed;
                    assert!(media <= most, "session {}: {media} ms within {} ms", session.number, to - from);
                }
            }
        }
    }

    /// What is live at the end says goodbye, and soon.
    pub fn ends_in_order(&self) {
        let end = LIFE.as_millis() as u64;
        let live: Vec<_> =
            self.sessions.iter().filter(|s| s.units.last().is_some_and(|(_, at)| *at + 500 > end)).collect();
        assert!(!live.is_empty(), "nothing was live at the end");
        assert!(live.iter().all(|session| session.deleted), "no deleteStream at the end");
        assert!(self.drained <= Duration::from_secs(1), "the drain took {:?}", self.drained);
        // A session that was ended because another had taken over said so too, if it could.
        assert!(self.sessions.iter().all(|s| s.published.is_some() || s.units.is_empty()));
    }

    /// The first unit that arrived, and the last that should have.
    fn extent(&self) -> (usize, usize) {
        let first = self.arrivals.iter().position(Option::is_some).expect("something arrived");
        let end = i64::try_from(LIFE.as_millis()).unwrap() + i64::try_from(pace::LEAD.as_millis()).unwrap();
        // What fell due since the last burst was not sent.
        let last = (first..).take_while(|unit| self.due(*unit) < end - 260).last().expect("it lasts");
        (first, last)
    }

    /// When a unit is due, in milliseconds of the life.
    fn due(&self, unit: usize) -> i64 {
        let (time, start) = (self.reference.units[unit].time, self.reference.start());
        (time.samples() as i64 - start.samples() as i64) / 48
    }
}

/// Whether all was well all the time, but for momentary resets before.
fn well(forecast: &Forecast, from: u64, to: u64) -> bool {
    let before = forecast.iter().rev().find(|(at, _)| *at <= from).map(|(_, weather)| *weather);
    let fine = |weather| matches!(weather, Weather::Up | Weather::Reset);
    let during = forecast.iter().filter(|(at, _)| *at > from && *at <= to);
    before.is_none_or(fine) && during.into_iter().all(|(_, weather)| *weather == Weather::Up)
}

fn arrivals(reference: &Reference, sessions: &[Session]) -> Vec<Option<u64>> {
    let mut arrivals = vec![None; reference.units.len()];
    for (unit, at) in sessions.iter().flat_map(|session| &session.units) {
        let first: &mut Option<u64> = &mut arrivals[*unit];
        *first = Some(first.map_or(*at, |earlier| earlier.min(*at)));
    }
    arrivals
}

/// Which units a session's messages are. The first sound tells where in the programme it is; one
/// that has none is too short to tell, and counts for nothing.
fn units(reference: &Reference, messages: &[Message], faults: &mut Vec<String>) -> Vec<(usize, Instant)> {
    let [data, video, audio, media @ ..] = messages else { return Vec::new() };
    let headers =
        [&reference.headers.video, &reference.headers.audio].map(|body| crate::ingest::digest(body));
    if (data.kind, video.kind, audio.kind) != (18, 9, 8) || [video.digest, audio.digest] != headers {
        faults.push("it does not start with metadata and headers".into());
    }
    let Some((offset, sound)) = media.iter().enumerate().find(|(_, m)| m.kind == 8) else {
        return Vec::new();
    };
    let Some(base) = reference.sounds.get(&sound.head).and_then(|unit| unit.checked_sub(offset)) else {
        faults.push("it plays what is not in the programme".into());
        return Vec::new();
    };
    let origin: MediaTime = reference.units[base].time;
    if reference.units[base].kind != (Kind::Video { key: true }) {
        faults.push("it does not start with a keyframe".into());
    }
    let mut units = Vec::new();
    for (unit, message) in (base..).zip(media) {
        let expected = &reference.units[unit];
        let kind = if expected.kind == Kind::Audio { 8 } else { 9 };
        if (message.kind, message.digest) != (kind, expected.digest) {
            faults.push(format!("unit {unit} is not what it should be"));
            break;
        }
        let timestamp = expected.time.millis_since(origin);
        if u64::from(message.timestamp) != timestamp {
            faults.push(format!("unit {unit} has the timestamp {}, not {timestamp}", message.timestamp));
            break;
        }
        units.push((unit, message.at));
    }
    units
}
