//! Which node may use which ingest: slots in the store, and how one node follows another.
//!
//! # Theory of operation
//!
//! Each ingest of a destination is a slot: an object in the store that names its holder. It changes
//! by conditional writes only, so of several who want it one gets it, with a new generation.
//!
//! **A slot is active or spare.** The holder of an active slot publishes on that ingest, and renews
//! it. A spare one is held by a node that publishes on the other ingest, for its own failover; a
//! node that has no slot takes it at once. So the first node takes both, and a second one is on air
//! on the other ingest as soon as it is ready: nobody waits for an expiry to go on air.
//!
//! **A slot is claimed before it is used.** A session that is about to send media on an ingest, or
//! that has stood still, asks first. The holder of an active slot that was renewed lately knows the
//! answer; else the slot is written, while the session connects. If the store does not answer
//! within a moment, the session goes on: staying on the air
//! comes before exclusivity. A write that was refused is an answer: until it is read who has the
//! slot, or that one has expired, the session stays off. So two nodes are on one ingest only if the store is out of reach of
//! one.
//!
//! **A slot expires** when its holder has not been seen to write for as long as the record says, by
//! the observer's own clock: clocks are never compared. The holder relies on it for a little less,
//! counted from when it *sent* its write.
//!
//! **Only the record ends a node's right.** A store that does not answer does not; a record by
//! another process does, at once. An earlier process on the same machine is known to be gone, so
//! its slots are taken over without waiting.
//!
//! **Leaving.** A node that is told to leave gives back what it does not need, says in its record
//! that it leaves, and goes on until another node is on air on the other ingest. It ends its
//! session, waits until the other has delivered all that it had, and releases the slot. The other
//! takes it make-before-break, as after any failover. If nobody comes it leaves when it must.
//!
//! **With `redundancy = "both"`** a lone node is active on both. A second one cannot be seen in the
//! slots then, so it writes its name into backup's; the first gives that up, and each has one.
//!
//! What has been delivered is in the record, so that a successor begins there.
//!
//! Rejected: *an election* (a leader that is cut off is as bad as none, and all that nodes have to
//! agree on is two objects); *expiry by date* (needs clocks that agree); *asking before a node
//! goes off the air for want of the store* (an outage of the store would then be one of the
//! stream); *presence objects* (one more thing to expire, and the slots say nearly all of it).

pub mod phase;
pub mod record;
pub mod rules;
mod slot;
pub mod slots;
pub mod task;

pub use phase::{Phase, SlotView, View};
pub use record::{Identity, Use};
pub use rules::Rules;
