//! When what could not be fetched is tried again. Pure.
//!
//! A failure says whose it is. If it is one file's (it is archived), only that one is left alone. If
//! it is everyone's (the bucket does not answer, the disk is full), nothing is begun until a pause is
//! over, and the file comes after others that may fare better. One success ends the pause for all.
//!
//! A file that may not be read is the policy's, which may name one file or take them all. So one is
//! left alone as any other. Several stand in a line: one of them is asked for every few seconds, and
//! the first that can be read ends the pauses of all, for then the policy was mended.

use crate::media::ContentHash;
use std::collections::HashMap;
use std::time::Duration;

/// Pauses of everyone: from this …
const SHORTEST: Duration = Duration::from_secs(1);
/// … doubling to this, so that fetching goes on within a minute of the bucket's return.
const LONGEST: Duration = Duration::from_secs(60);
/// A file's own pauses: from this …
const FILE_SHORTEST: Duration = Duration::from_secs(60);
/// … doubling to this: what is archived is not asked for all day.
const FILE_LONGEST: Duration = Duration::from_secs(16 * 60);
/// In a line of files that may not be read, from one to the next.
const LINE: Duration = Duration::from_secs(15);

/// Whose failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This file's.
    File,
    /// It may not be read, and perhaps no other may.
    Denied,
    /// Everyone's.
    All,
}

/// See the module's head. Times are on a steady clock.
#[derive(Default)]
pub struct Pauses {
    all: Option<Pause>,
    files: HashMap<ContentHash, (Scope, Pause)>,
}

struct Pause {
    until: Duration,
    length: Duration,
    /// For a person.
    reason: String,
}

impl Pause {
    fn after(last: Option<&Self>, bounds: (Duration, Duration), reason: String, now: Duration) -> Self {
        let length = last.map_or(bounds.0, |last| (last.length * 2).clamp(bounds.0, bounds.1));
        Self { until: now + length, length, reason }
    }
}

impl Pauses {
    /// Fetching `hash` has failed.
    pub fn on_failure(&mut self, hash: &ContentHash, scope: Scope, reason: String, now: Duration) {
        if scope == Scope::All {
            // Of several that fail at once, one counts.
            let is_on = self.all.as_ref().is_some_and(|pause| pause.until > now);
            if !is_on {
                self.all = Some(Pause::after(self.all.as_ref(), (SHORTEST, LONGEST), reason.clone(), now));
            }
        }
        let bounds = match scope {
            Scope::File | Scope::Denied => (FILE_SHORTEST, FILE_LONGEST),
            Scope::All => (2 * SHORTEST, LONGEST),
        };
        let mut pause = Pause::after(self.files.get(hash).map(|(_, pause)| pause), bounds, reason, now);
        if scope == Scope::Denied
            && let Some(last) = self.end_of_line(hash, now)
        {
            pause.length = FILE_SHORTEST;
            pause.until = (last + LINE).clamp(now + FILE_SHORTEST, now + FILE_LONGEST);
        }
        self.files.insert(hash.clone(), (scope, pause));
    }

    /// Puts the files that may not be read, other than `hash`, in a line. When the last one's turn is.
    fn end_of_line(&mut self, hash: &ContentHash, now: Duration) -> Option<Duration> {
        let denied = |scope: &Scope| *scope == Scope::Denied;
        let others = self.files.iter_mut().filter(|(other, (scope, _))| *other != hash && denied(scope));
        let mut others: Vec<&mut Pause> = others.map(|(_, (_, pause))| pause).collect();
        // One that was alone until now may have a long pause of its own.
        let longest = FILE_SHORTEST.max(LINE * others.len() as u32);
        others.iter_mut().for_each(|pause| pause.until = pause.until.min(now + longest));
        others.iter().map(|pause| pause.until).max()
    }

    /// Fetching `hash` has succeeded. Whether others can be tried at once for that.
    pub fn on_success(&mut self, hash: &ContentHash) -> bool {
        self.all = None;
        let was_denied = self.files.remove(hash).is_some_and(|(scope, _)| scope == Scope::Denied);
        if was_denied {
            self.files.retain(|_, (scope, _)| *scope != Scope::Denied);
        }
        was_denied
    }

    /// The bucket answers again: what failed because it did not is tried at once, and so is what may
    /// not have been read for the same reason.
    pub fn on_return(&mut self) {
        self.all = None;
        self.files.retain(|_, (scope, _)| *scope == Scope::File);
    }

    /// Forgets files that are not there any more.
    pub fn retain(&mut self, is_there: impl Fn(&ContentHash) -> bool) {
        self.files.retain(|hash, _| is_there(hash));
    }

    /// Whether this file is left alone now.
    pub fn is_paused(&self, hash: &ContentHash, now: Duration) -> bool {
        self.files.get(hash).is_some_and(|(_, pause)| pause.until > now)
    }

    /// Whether nothing is begun now.
    pub fn all_paused(&self, now: Duration) -> bool {
        self.all.as_ref().is_some_and(|pause| pause.until > now)
    }

    /// When the next pause ends.
    pub fn deadline(&self, now: Duration) -> Option<Duration> {
        let files = self.files.values().map(|(_, pause)| pause.until);
        let ends = files.chain(self.all.as_ref().map(|pause| pause.until)).filter(|until| *until > now);
        // Before the pause of all is over, the ends of others change nothing.
        ends.min().max(self.all.as_ref().map(|pause| pause.until).filter(|until| *until > now))
    }

    /// Why nothing can be fetched, since something last was.
    pub fn trouble(&self) -> Option<&str> {
        self.all.as_ref().map(|pause| pause.reason.as_str())
    }

    /// Files that could not be fetched for reasons of their own, and these.
    pub fn files(&self) -> impl Iterator<Item = (&ContentHash, &str)> {
        let own = self.files.iter().filter(|(_, (scope, _))| *scope != Scope::All);
        own.map(|(hash, (_, pause))| (hash, pause.reason.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn name(n: u8) -> ContentHash {
        ContentHash::of(&[n; 32])
    }

    #[test]
    fn one_files_failure_is_its_own() {
        let mut pauses = Pauses::default();
        pauses.on_failure(&name(1), Scope::File, "it is archived".into(), SECOND);
        assert!(pauses.is_paused(&name(1), 60 * SECOND) && !pauses.is_paused(&name(1), 61 * SECOND));
        assert!(!pauses.is_paused(&name(2), SECOND) && !pauses.all_paused(SECOND));
        assert_eq!(pauses.files().collect::<Vec<_>>(), [(&name(1), "it is archived")]);
        assert_eq!((pauses.trouble(), pauses.deadline(SECOND)), (None, Some(61 * SECOND)));
    }

    #[test]
    fn a_bucket_that_is_away_pauses_all_until_it_answers() {
        let mut pauses = Pauses::default();
        for (n, now) in [(1, 0), (2, 0), (1, 2), (1, 10)] {
            pauses.on_failure(&name(n), Scope::All, "it does not answer".into(), now * SECOND);
        }
        // 1, 2 and 4 seconds: what failed in one pause counts once.
        assert!(pauses.all_paused(13 * SECOND) && !pauses.all_paused(14 * SECOND));
        assert_eq!((pauses.trouble(), pauses.files().count()), (Some("it does not answer"), 0));
        pauses.on_return();
        assert!(!pauses.all_paused(11 * SECOND) && !pauses.is_paused(&name(1), 11 * SECOND));
        assert_eq!((pauses.trouble(), pauses.deadline(11 * SECOND)), (None, None));
    }

    /// Asks for what is not paused, four at a time, until `end`; a second passes with each answer.
    fn ask(
        pauses: &mut Pauses,
        files: u8,
        begin: u32,
        end: u32,
        may: impl Fn(u32) -> bool,
    ) -> (u32, Vec<u8>) {
        let (mut asked, mut came) = (0, Vec::new());
        for now in begin..end {
            let open = |n: &u8| !came.contains(n) && !pauses.is_paused(&name(*n), now * SECOND);
            for n in (0..files).filter(open).take(4).collect::<Vec<_>>() {
                asked += 1;
                match may(now) {
                    true => {
                        pauses.on_success(&name(n));
                        came.push(n);
                    }
                    false => pauses.on_failure(&name(n), Scope::Denied, "denied".into(), now * SECOND),
                }
            }
        }
        (asked, came)
    }

    #[test]
    fn when_reading_is_allowed_again_everything_comes_within_a_minute() {
        for files in [2u8, 5, 33] {
            for outage in [10, 100, 3_600, 7_213] {
                let mut pauses = Pauses::default();
                let (asked, _) = ask(&mut pauses, files, 0, outage, |_| false);
                assert!(asked <= u32::from(files) * 2 + outage / 15, "{files} files: {asked} in {outage} s");
                assert_eq!(pauses.files().count(), usize::from(files));
                let (_, came) = ask(&mut pauses, files, outage, outage + 62 + u32::from(files) / 4, |_| true);
                assert_eq!(came.len(), usize::from(files), "{files} files after {outage} s");
                assert_eq!(pauses.files().count(), 0);
            }
        }
    }

    #[test]
    fn one_that_alone_may_not_be_read_is_asked_for_ever_more_rarely_until_there_is_another() {
        let mut pauses = Pauses::default();
        let (asked, _) = ask(&mut pauses, 1, 0, 7_200, |_| false);
        assert!(asked <= 13, "{asked}");
        pauses.on_failure(&name(1), Scope::Denied, "denied".into(), 7_200 * SECOND);
        assert!(!pauses.is_paused(&name(0), 7_260 * SECOND), "it heads the line");
        assert!(!pauses.on_success(&name(7)), "others can be read, and say nothing of these");
        assert!(pauses.is_paused(&name(1), 7_250 * SECOND));
        pauses.on_return();
        assert!(!pauses.is_paused(&name(1), 7_250 * SECOND));
    }

    proptest! {
        /// However often something fails, it is tried again in bounded time, and there is a
        /// deadline for as long as anything waits.
        #[test]
        fn every_pause_ends(failures in prop::collection::vec((0u8..3, 0u8..3, 0u32..90), 0..40)) {
            let (mut pauses, mut now) = (Pauses::default(), Duration::ZERO);
            for (n, scope, wait) in failures {
                now += wait * SECOND;
                let scope = [Scope::File, Scope::Denied, Scope::All][usize::from(scope)];
                pauses.on_failure(&name(n), scope, "so".into(), now);
                prop_assert!(pauses.is_paused(&name(n), now));
                prop_assert!(pauses.deadline(now).is_some_and(|at| at > now && at <= now + FILE_LONGEST));
                if pauses.all_paused(now) {
                    prop_assert!(!pauses.all_paused(now + LONGEST));
                }
            }
            let mut steps = 0;
            while let Some(at) = pauses.deadline(now) {
                (now, steps) = (at, steps + 1);
                prop_assert!(steps < 10);
            }
            prop_assert!(!pauses.all_paused(now) && (0..3).all(|n| !pauses.is_paused(&name(n), now)));
        }
    }
}
