//! What a node says of its slots: the public type of this stage.

use super::record::Use;
use crate::publish::Role;
use crate::store;

/// Where a node is with one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It does not know yet what is free, or is about to take it.
    #[default]
    Asking,
    /// Other nodes have every ingest; it is ready to take one.
    StandingBy,
    /// It has at least one.
    Holding,
    /// It is on its way out, and has at least one.
    Leaving,
    /// It is on its way out, and has none any more.
    Released,
}

impl Phase {
    /// As it stands in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asking => "asking",
            Self::StandingBy => "standing by",
            Self::Holding => "holding",
            Self::Leaving => "leaving",
            Self::Released => "released",
        }
    }
}

/// The slots of one destination, as this node sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Where this node is.
    pub phase: Phase,
    /// Primary, then backup if there is one.
    pub slots: Vec<SlotView>,
    /// Another node is on air with this destination, as far as is known.
    pub relieved: bool,
    /// The store did not do what it was last asked for: it does not answer, or does not write.
    pub unreachable: bool,
    /// Why, as far as that is known.
    pub trouble: Option<store::Error>,
}

/// One slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotView {
    /// Which ingest.
    pub ingest: Role,
    /// Whether it is this process's.
    pub mine: bool,
    /// Another process has taken it from this one.
    pub lost: bool,
    /// The node that has it, as the store says; `None` if it is free or not known.
    pub holder: Option<String>,
    /// What for.
    pub usage: Option<Use>,
    /// How often it was taken.
    pub generation: u64,
}
