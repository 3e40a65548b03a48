//! The numbers that slots go by, each with where it comes from.

use crate::config::Redundancy;
use std::time::Duration;

/// See the module's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// One ingest at a time, or both.
    pub redundancy: Redundancy,
    /// How often the holder of an active slot writes. At 0.005 US$ for 1000 writes this is 1.30 US$
    /// a month for each ingest that carries the stream; a spare slot is not renewed. It is also how
    /// old what a successor knows of its predecessor's progress may be.
    pub renew: Duration,
    /// How long after it was last seen to change an active slot may be taken by another: two
    /// renewals may fail, and what it delays is never going on air, but taking back primary.
    pub expiry: Duration,
    /// So much before that the holder itself does not rely on it any more. Above the longest pause
    /// of a session that is not taken for standing still, and what clocks drift in an expiry.
    pub slack: Duration,
    /// How often a slot of another is looked at, at 0.0004 US$ for 1000 reads: 0.42 US$ a month
    /// while there are two nodes.
    pub look: Duration,
    /// How often a spare slot of one's own is looked at. Nothing hangs on it, since it is claimed
    /// before it is used.
    pub glance: Duration,
    /// How often either happens while somebody is leaving.
    pub hurry: Duration,
    /// How long after a failure the store is asked again.
    pub retry: Duration,
    /// The same for writes that fail time after time, at most: it doubles up to this. Reads go on as
    /// before, since they tell when another node has taken the slot.
    pub retry_most: Duration,
    /// How long a slot goes unused before it is called spare: longer than a session that is lost
    /// takes to be replaced, and short, since a node that dies meanwhile leaves both its slots active.
    pub spare: Duration,
    /// How long a successor may take to deliver what the leaving node's last session did. Then the
    /// leaving node goes on air again, with what it has not sent still young enough to be sent.
    pub cover: Duration,
    /// A successor whose progress is older than this is not on air.
    pub fresh: Duration,
    /// How far behind a successor may be when this node ends its session. One that took backup just
    /// before this node's notice begins by [`renew`](Self::renew) and a keyframe behind, and comes
    /// nearer by a second a second, while this node goes on: so the later it ends, the longer the
    /// other takes to cover it. What is left is covered in half of it, well within `cover`.
    pub near: Duration,
    /// How long a node that is to leave at once stays for those who stand by unseen: long enough for
    /// one to look, take the slot that was given back, and be seen. Below what is left of the
    /// shortest deadline (10 s) without `reserve`.
    pub courtesy: Duration,
    /// How long it may take to read who has a slot that was refused to a session; then it is a no. A
    /// little less than the session waits.
    pub answer: Duration,
    /// What is left of a deadline when a node leaves though nobody else is there.
    pub reserve: Duration,
    /// How long a node that starts waits for a store that does not answer, before it goes on air
    /// on what it supposes to be free.
    pub start: Duration,
    /// The same, for what the last process on this machine had.
    pub again: Duration,
    /// How long a slot that was made free for another is left to it.
    pub yielded: Duration,
}

impl Rules {
    /// The rules of the product.
    pub const fn new(redundancy: Redundancy) -> Self {
        Self {
            redundancy,
            renew: Duration::from_secs(10),
            expiry: Duration::from_secs(30),
            slack: Duration::from_secs(5),
            look: Duration::from_millis(2_500),
            glance: Duration::from_secs(10),
            hurry: Duration::from_millis(500),
            retry: Duration::from_secs(3),
            retry_most: Duration::from_secs(30),
            spare: Duration::from_secs(3),
            cover: Duration::from_secs(7),
            fresh: Duration::from_secs(15),
            near: Duration::from_secs(7),
            courtesy: Duration::from_secs(4),
            answer: Duration::from_millis(400),
            reserve: Duration::from_secs(4),
            start: Duration::from_secs(5),
            again: Duration::from_secs(1),
            yielded: Duration::from_secs(20),
        }
    }
}
