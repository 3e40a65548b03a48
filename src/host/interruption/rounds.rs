//! Which path of the metadata service is asked when. Pure.
//!
//! A round begins every [`PERIOD`] and asks what is due, the longest overdue first, so that a path
//! that hangs cannot keep another from being asked: it is put off like one that has answered. No
//! question is begun after [`BEGUN_BY`], and each ends within a second, so a round never overruns its
//! period.
//!
//! What takes the channel off the air is asked in every round; what only makes it ready, seldom,
//! because a question costs as much CPU as two bursts of the stream.
//!
//! Where there is no metadata service, on a machine that is not in EC2, it is asked for at ever
//! longer intervals, up to [`SELDOM`]. Where there is one, every fault is met at full pace.

use super::Path;
use std::time::Duration;
use tokio::time::Instant;

/// From the beginning of a round to that of the next.
pub(super) const PERIOD: Duration = Duration::from_secs(2);
/// The part of a round in which questions are begun.
pub(super) const BEGUN_BY: Duration = Duration::from_secs(1);
/// How often a metadata service is looked for that has never been there.
pub(super) const SELDOM: Duration = Duration::from_secs(60);

/// See the module's head.
#[derive(Clone, Debug)]
pub(super) struct Rounds {
    /// When each path is to be asked, in the order of [`Path::ALL`].
    due: [Instant; 4],
    began: Instant,
    /// Whether there is a metadata service: somebody says so, or it has answered.
    sure: bool,
    /// The pause until the next round.
    pause: Duration,
    answered: bool,
    over: bool,
}

impl Path {
    /// How often it is asked. Of a rebalance or maintenance nobody needs to know within seconds.
    const fn every(self) -> Duration {
        match self {
            Self::Spot | Self::Group => PERIOD,
            Self::Rebalance => Duration::from_secs(10),
            Self::Maintenance => Duration::from_secs(60),
        }
    }
}

impl Rounds {
    /// The first round begins at `now`. `sure`: see [`crate::host::imds::Endpoint`].
    pub(super) fn new(sure: bool, now: Instant) -> Self {
        Self { due: [now; 4], began: now, sure, pause: Duration::ZERO, answered: false, over: false }
    }

    /// When the next round begins.
    pub(super) fn deadline(&self) -> Instant {
        self.began + self.pause
    }

    /// A round begins.
    pub(super) fn begin(&mut self, now: Instant) {
        // On the grid of the last one, unless that has long gone by.
        let planned = self.deadline();
        self.began = if now < planned + PERIOD { planned } else { now };
        (self.answered, self.over) = (false, false);
    }

    /// What to ask next in this round.
    pub(super) fn next(&mut self, now: Instant) -> Option<Path> {
        if self.over || now.saturating_duration_since(self.began) >= BEGUN_BY {
            return None;
        }
        let (at, due) = self.due.iter_mut().enumerate().min_by_key(|(_, due)| **due)?;
        // What falls due within this round's part of the period is asked now.
        if *due >= self.began + BEGUN_BY {
            return None;
        }
        let path = Path::ALL[at];
        *due = self.began + path.every();
        Some(path)
    }

    /// It answered, even if only that there is nothing.
    pub(super) fn answered(&mut self) {
        (self.answered, self.sure) = (true, true);
    }

    /// There is nobody to ask anything else.
    pub(super) fn nobody(&mut self) {
        self.over = true;
    }

    /// The round is over; says whether anything was answered in it.
    pub(super) fn end(&mut self) -> bool {
        let doubled = self.pause.max(PERIOD / 2) * 2;
        self.pause = if self.sure { PERIOD } else { doubled.min(SELDOM) };
        self.answered
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What is asked within `length`, each question taking what `takes` says, and when.
    fn asked(length: Duration, takes: impl Fn(Path) -> Duration) -> Vec<(Duration, Path)> {
        let start = Instant::now();
        let (mut rounds, mut now, mut asked) = (Rounds::new(true, start), start, Vec::new());
        while rounds.deadline() < start + length {
            assert!(now <= rounds.deadline(), "a round overran its period");
            now = rounds.deadline();
            rounds.begin(now);
            while let Some(path) = rounds.next(now) {
                asked.push((now - start, path));
                now += takes(path);
                rounds.answered();
            }
            rounds.end();
        }
        asked
    }

    fn longest_gap(asked: &[(Duration, Path)], path: Path) -> Duration {
        let times: Vec<_> = asked.iter().filter(|(_, p)| *p == path).map(|(at, _)| *at).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().expect("it was asked twice")
    }

    #[test]
    fn in_good_weather_each_path_is_asked_as_often_as_it_is_to_be() {
        let asked = asked(SECOND * 600, |_| Duration::from_millis(2));
        for path in Path::ALL {
            let gap = longest_gap(&asked, path);
            assert!(gap <= path.every() + Duration::from_millis(10), "{path:?}: {gap:?}");
            let times = asked.iter().filter(|(_, p)| *p == path).count() as u128;
            assert_eq!(times, (SECOND * 600).as_nanos() / path.every().as_nanos(), "{path:?}");
        }
    }

    #[test]
    fn paths_that_hang_keep_no_other_from_being_asked() {
        let slow = |path| if path == Path::Spot { SECOND } else { Duration::from_millis(2) };
        assert!(longest_gap(&asked(SECOND * 600, slow), Path::Group) <= PERIOD * 2);
        let all = |_| SECOND;
        for path in [Path::Spot, Path::Group] {
            let gap = longest_gap(&asked(SECOND * 600, all), path);
            assert!(gap <= PERIOD * 4, "{path:?}: {gap:?}");
        }
    }

    #[test]
    fn a_service_that_was_never_there_is_looked_for_ever_more_seldom_and_one_that_is_at_full_pace() {
        let start = Instant::now();
        let mut rounds = Rounds::new(false, start);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let now = rounds.deadline();
            rounds.begin(now);
            rounds.next(now).expect("something is due");
            rounds.nobody();
            assert_eq!(rounds.next(now), None);
            assert!(!rounds.end());
            pauses.push((rounds.deadline() - now).as_secs());
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
        let now = rounds.deadline();
        rounds.begin(now);
        rounds.answered();
        assert!(rounds.end());
        for _ in 0..100 {
            let now = rounds.deadline();
            rounds.begin(now);
            rounds.nobody();
            rounds.end();
            assert_eq!(rounds.deadline() - now, PERIOD);
        }
    }

    proptest! {
        #[test]
        fn no_round_overruns_its_period_whatever_each_question_takes(millis in prop::collection::vec(0u64..=1000, 1..50)) {
            let turn = std::cell::Cell::new(0);
            let takes = |_| {
                let at = turn.replace(turn.get() + 1);
                Duration::from_millis(millis[at % millis.len()])
            };
            // `asked` itself says so if one does.
            let asked = asked(SECOND * 300, takes);
            for path in [Path::Spot, Path::Group] {
                prop_assert!(longest_gap(&asked, path) <= PERIOD * 4);
            }
        }
    }

    #[test]
    fn after_a_long_sleep_a_round_begins_at_once_and_only_one() {
        let start = Instant::now();
        let mut rounds = Rounds::new(true, start);
        rounds.begin(start);
        rounds.answered();
        rounds.end();
        let woken = start + SECOND * 3600;
        rounds.begin(woken);
        rounds.end();
        assert_eq!(rounds.deadline(), woken + PERIOD);
    }
}
