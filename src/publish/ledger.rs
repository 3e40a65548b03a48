//! What one session has delivered: from bytes that the peer acknowledged to media, and to a verdict
//! on the session. Pure.
//!
//! After each burst the session notes how many bytes its socket has taken in all, and up to where
//! the media in them goes. When the peer has acknowledged that many bytes, it has that media. Bytes
//! are counted at the socket, below TLS, so the count means the same with and without it.
//!
//! What the kernel has taken means nothing here, and what RTMP's own acknowledgements say comes too
//! rarely (nginx sends one every 2.5 MB, ten seconds of stream).

use super::pace;
use crate::media::MediaTime;
use std::collections::VecDeque;
use std::time::Duration;

/// A black hole is to be noticed within this time.
pub const NOTICED: Duration = Duration::from_secs(3);
/// How long acknowledgements may stand still. They are looked at once a burst, so the last one that
/// was seen may be an interval old, and what is outstanding may have been written an interval later.
pub const STALL: Duration = NOTICED.saturating_sub(pace::INTERVAL.saturating_mul(2));
/// How far behind the programme a session may fall. Well below the 10 s after which media is not
/// worth sending, so that the next ingest can still have it all.
pub const BEHIND: Duration = Duration::from_secs(5);
/// A session that starts further behind than that and catches up is good; but not one that falls
/// this much further back again.
pub const SLACK: Duration = Duration::from_secs(2);
/// Bursts that may be outstanding. Stalled or behind comes long before.
const MARKS: usize = 64;

/// Why a session that is open is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A black hole, or a peer that does not read.
    #[error("nothing was acknowledged for {} ms", .0.as_millis())]
    Stalled(Duration),
    /// A line, or a peer, slower than the stream.
    #[error("it takes the stream too slowly, and fell {} ms behind", .0.as_millis())]
    Behind(Duration),
}

/// The books of one session.
#[derive(Debug)]
pub struct Ledger {
    /// Bytes written in all, and media before this is in them; oldest first.
    marks: VecDeque<(u64, MediaTime)>,
    /// Marks that were acknowledged, but so lately that the peer's application may not have read
    /// up to them.
    recent: VecDeque<(u64, MediaTime)>,
    /// How many acknowledged bytes the peer's application may not have read.
    unread: u64,
    sure: MediaTime,
    written: u64,
    acked: u64,
    through: MediaTime,
    /// When bytes were last seen acknowledged, or first outstanding after a while of none.
    moved: MediaTime,
    /// The least that the session has been behind, and when that was last looked at.
    least: Duration,
    looked: MediaTime,
}

impl Ledger {
    /// For a session whose media starts at `base`, and whose socket has taken `bytes` before. Of
    /// what its peer acknowledges the last `unread` bytes are not [sure](Self::sure).
    pub fn new(base: MediaTime, bytes: u64, unread: u64, now: MediaTime) -> Self {
        Self {
            marks: VecDeque::new(),
            recent: VecDeque::new(),
            unread,
            sure: base,
            written: bytes,
            acked: 0,
            through: base,
            moved: now,
            least: now.since(base),
            looked: now,
        }
    }

    /// The socket has taken `bytes` in all.
    pub fn wrote(&mut self, bytes: u64, now: MediaTime) {
        if self.written <= self.acked && bytes > self.written {
            self.moved = now;
        }
        self.written = self.written.max(bytes);
    }

    /// All media before `through` is in the bytes that the socket has taken so far.
    pub fn mark(&mut self, through: MediaTime) {
        if self.marks.len() == MARKS {
            self.marks.pop_back();
        }
        self.marks.push_back((self.written, through));
    }

    /// The peer has acknowledged `bytes` in all. To be called once an interval: a longer pause was
    /// our own (a machine that was suspended), and what was lost by it is not held against the peer.
    pub fn acked(&mut self, bytes: u64, now: MediaTime) {
        let pause = now.since(self.looked);
        if pause > pace::INTERVAL * 2 {
            self.least += pause;
        }
        self.looked = now;
        if bytes > self.acked {
            (self.acked, self.moved) = (bytes, now);
        }
        let whole = self.marks.partition_point(|(written, _)| *written <= bytes);
        for mark in self.marks.drain(..whole) {
            self.through = self.through.max(mark.1);
            self.recent.push_back(mark);
        }
        // One mark per burst, so at 100 kbps and 128 KiB there are some forty.
        let read = self.recent.partition_point(|(written, _)| *written + self.unread <= bytes);
        let kept = self.recent.len().saturating_sub(MARKS);
        for (_, through) in self.recent.drain(..read.max(kept)).take(read) {
            self.sure = self.sure.max(through);
        }
        self.least = self.least.min(self.lag(now));
    }

    /// Media before `to` that was not sent will not be.
    pub fn skip(&mut self, to: MediaTime, now: MediaTime) {
        (self.through, self.sure) = (self.through.max(to), self.sure.max(to));
        self.least = self.lag(now);
    }

    /// The peer has all media before this.
    pub const fn through(&self) -> MediaTime {
        self.through
    }

    /// The peer's application has all media before this, unless it reads less than what its kernel
    /// buffers.
    pub const fn sure(&self) -> MediaTime {
        self.sure
    }

    /// Whether the peer has acknowledged all that was written.
    pub const fn settled(&self) -> bool {
        self.acked >= self.written
    }

    /// How far the peer is behind the programme.
    pub fn lag(&self, now: MediaTime) -> Duration {
        now.since(self.through)
    }

    /// Whether the session is still good at `now`.
    pub fn verdict(&self, now: MediaTime) -> Result<(), Fault> {
        let (still, lag) = (now.since(self.moved), self.lag(now));
        if !self.settled() && still >= STALL {
            return Err(Fault::Stalled(still));
        }
        if !self.settled() && lag > BEHIND && lag > self.least + SLACK {
            return Err(Fault::Behind(lag));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn t(millis: u64) -> MediaTime {
        MediaTime::from_samples(1 << 40).plus(Duration::from_millis(millis))
    }

    #[test]
    fn media_counts_once_all_its_bytes_are_acknowledged() {
        let mut ledger = Ledger::new(t(0), 3_000, 1_000, t(0));
        ledger.wrote(4_000, t(0));
        ledger.mark(t(750));
        ledger.wrote(5_000, t(250));
        ledger.mark(t(1_000));
        for (bytes, through) in
            [(3_000, t(0)), (3_999, t(0)), (4_000, t(750)), (4_999, t(750)), (5_000, t(1_000))]
        {
            ledger.acked(bytes, t(250));
            assert_eq!(ledger.through(), through, "{bytes} bytes");
        }
        assert!(ledger.settled());
        assert_eq!(ledger.sure(), t(750), "the last 1000 bytes may lie in the peer's kernel");
    }

    #[test]
    fn a_black_hole_is_noticed_within_three_seconds_of_its_beginning() {
        // The line dies right after a burst was acknowledged, which is seen one interval later.
        let mut ledger = Ledger::new(t(0), 0, 0, t(0));
        let dies = t(10);
        let mut now = t(0);
        let mut bytes = 0;
        while ledger.verdict(now).is_ok() {
            ledger.acked(if now <= dies { bytes } else { 1_000 }, now);
            bytes += 1_000;
            ledger.wrote(bytes, now);
            now = now.plus(pace::INTERVAL);
        }
        assert!(now.since(dies) <= NOTICED, "{:?}", now.since(dies));
        assert!(matches!(ledger.verdict(now), Err(Fault::Stalled(_))));
    }

    #[test]
    fn a_session_with_nothing_outstanding_is_not_stalled_however_long() {
        let mut ledger = Ledger::new(t(0), 0, 0, t(0));
        ledger.wrote(1_000, t(0));
        ledger.acked(1_000, t(100));
        assert_eq!(ledger.verdict(t(3_600_000)), Ok(()));
        ledger.acked(1_000, t(3_600_000));
        ledger.wrote(2_000, t(3_600_000));
        assert_eq!(ledger.verdict(t(3_600_000)), Ok(()), "it is outstanding since now");
    }

    #[test]
    fn a_slow_line_is_given_up_before_media_gets_too_old() {
        let mut ledger = Ledger::new(t(0), 0, 0, t(0));
        let mut now = t(0);
        for burst in 1.. {
            ledger.wrote(burst * 1_000, now);
            ledger.mark(t(750 + burst * 250));
            // Half as fast as it is written.
            ledger.acked(burst * 500, now);
            if ledger.verdict(now).is_err() {
                break;
            }
            now = now.plus(pace::INTERVAL);
        }
        assert!(matches!(ledger.verdict(now), Err(Fault::Behind(lag)) if lag < Duration::from_secs(8)));
        assert!(now.since(t(0)) > Duration::from_secs(5));
    }

    #[test]
    fn a_session_that_starts_late_and_catches_up_is_good() {
        let mut ledger = Ledger::new(t(0), 0, 0, t(14_000));
        for burst in 1..60 {
            let now = t(14_000 + burst * 250);
            ledger.wrote(burst * 1_000, now);
            ledger.mark(t(burst * 500));
            ledger.acked(burst * 1_000 - 500, now);
            assert_eq!(ledger.verdict(now), Ok(()));
        }
    }

    #[test]
    fn a_session_that_skipped_is_behind_by_what_is_left() {
        let mut ledger = Ledger::new(t(0), 0, 0, t(0));
        ledger.wrote(1_000, t(0));
        assert!(ledger.verdict(t(60_000)).is_err());
        ledger.acked(500, t(60_000));
        ledger.skip(t(50_000), t(60_000));
        assert_eq!((ledger.through(), ledger.sure()), (t(50_000), t(50_000)));
        assert_eq!(ledger.verdict(t(61_500)), Ok(()));
        assert_eq!(ledger.verdict(t(62_400)), Err(Fault::Behind(Duration::from_millis(12_400))));
    }

    proptest! {
        #[test]
        fn what_counts_as_delivered_never_goes_back_and_never_runs_ahead(
            steps in prop::collection::vec((0u64..5_000, 0u64..6_000, 0u64..400), 1..200), unread in 0u64..20_000,
        ) {
            let mut ledger = Ledger::new(t(0), 0, unread, t(0));
            let (mut written, mut acked, mut now) = (0, 0, 0);
            let mut marks = vec![(0, t(0))];
            for (i, (write, ack, pause)) in steps.into_iter().enumerate() {
                now += pause;
                written += write;
                acked = written.min(acked + ack);
                ledger.wrote(written, t(now));
                ledger.mark(t(i as u64));
                marks.push((written, t(i as u64)));
                let before = ledger.through();
                ledger.acked(acked, t(now));
                let most = marks.iter().filter(|(bytes, _)| *bytes <= acked).map(|(_, through)| *through).max();
                prop_assert!(ledger.through() >= before);
                prop_assert!(Some(ledger.through()) <= most);
                let read = marks.iter().filter(|(bytes, _)| *bytes + unread <= acked.max(unread));
                prop_assert!(Some(ledger.sure()) <= read.map(|(_, through)| *through).max());
                prop_assert!(ledger.marks.len() <= MARKS && ledger.recent.len() <= MARKS);
            }
        }
    }
}
