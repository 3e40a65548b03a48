//! The numbers that failover goes by, each with where it comes from.

use crate::config::Redundancy;
use crate::publish::backoff::{Backoff, Invalid};
use std::time::Duration;

/// See the module. All are durations of programme time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// One ingest at a time, or all.
    pub redundancy: Redundancy,
    /// Between attempts on one ingest while nothing carries the stream.
    pub retry: Backoff,
    /// Between attempts on the preferred ingest while the other carries the stream.
    pub probe: Backoff,
    /// How long an attempt has the field to itself before the other ingest is tried as well.
    pub patience: Duration,
    /// How long an attempt may take, from name to accepted publish.
    pub opening: Duration,
    /// How long acknowledged media must have moved before an ingest is relied on.
    pub settle: Duration,
    /// How long it must have moved for its earlier failures to be forgotten.
    pub stable: Duration,
    /// How many acknowledged bytes the peer's application may not have read.
    pub unread: u64,
    /// How much of what was delivered beyond that is sent again to the next ingest.
    pub margin: Duration,
    /// Media older than this is not sent any more.
    pub skip: Duration,
    /// How long a session may take to end in order.
    pub finish: Duration,
    /// How long before an entry boundary a renewal begins.
    pub ahead: Duration,
    /// How old a session may become.
    pub renewal: Renewal,
}

impl Rules {
    /// The rules of the product.
    pub const fn new(redundancy: Redundancy) -> Self {
        Self {
            redundancy,
            // A reset is often over at once: the first retry is immediate to the eye. The cap leaves
            // room below the promised 30 s for `patience` and the opening itself.
            retry: expect(Backoff::new(Duration::from_millis(250), Duration::from_secs(25), 25)),
            // Nothing is lost while the other ingest carries the stream, so probes are in no hurry,
            // and a primary that flaps is taken back once in five minutes at most.
            probe: expect(Backoff::new(Duration::from_secs(2), Duration::from_secs(300), 25)),
            // As long as a live session may make no progress.
            patience: Duration::from_secs(3),
            // Seven round trips take a second or two on the worst of lines; a longer wait would eat
            // into the 30 s.
            opening: Duration::from_secs(10),
            // Longer than a kernel's receive buffer can feign an application that takes the stream
            // (some 200 kB, a second of media, before it is full), and longer than a stall is allowed.
            settle: Duration::from_secs(5),
            stable: Duration::from_secs(300),
            // Acknowledged bytes lie in the peer's kernel, and a reset may beat its application to
            // them: this many, if the application stands still (Linux's `tcp_rmem` grows beyond its
            // default only for one that reads), and some more time for one that is merely busy.
            unread: 128 << 10,
            margin: Duration::from_secs(1),
            skip: Duration::from_secs(10),
            finish: Duration::from_secs(3),
            // Time to open the other ingest, settle it, and have some left for one more attempt.
            ahead: Duration::from_secs(10),
            renewal: Renewal::DEFAULT,
        }
    }
}

/// How old a session may become: its RTMP timestamps count milliseconds from its start, and FFmpeg's
/// FLV code, which ingests use, keeps 31 bits of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    after: Duration,
    latest: Duration,
}

/// Where 31 bits of milliseconds end: 24.86 days.
const TIMESTAMPS_END: Duration = Duration::from_millis(1 << 31);
const DAY: Duration = Duration::from_secs(86_400);

impl Renewal {
    /// After 20 days at an entry boundary, and after 24 days whether or not there was one and
    /// whether or not the other ingest was there to help.
    pub const DEFAULT: Self = match Self::new(DAY.saturating_mul(20), DAY.saturating_mul(24)) {
        Some(renewal) => renewal,
        None => panic!("20 days are less than 24, and 24 less than 24.86"),
    };

    /// From `after` on, and by `latest` in any case. `None` unless `after` ≤ `latest` < 2^31 ms.
    pub const fn new(after: Duration, latest: Duration) -> Option<Self> {
        let ordered = after.as_millis() <= latest.as_millis();
        if ordered && latest.as_millis() < TIMESTAMPS_END.as_millis() {
            Some(Self { after, latest })
        } else {
            None
        }
    }

    /// From when on a session is to be renewed.
    pub const fn after(self) -> Duration {
        self.after
    }

    /// By when it must have ended.
    pub const fn latest(self) -> Duration {
        self.latest
    }
}

const fn expect(backoff: Result<Backoff, Invalid>) -> Backoff {
    match backoff {
        Ok(backoff) => backoff,
        Err(_) => panic!("the delays above are in order"),
    }
}
