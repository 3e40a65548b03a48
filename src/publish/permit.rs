//! Which ingests this node may use. Somebody else decides that; publishing obeys.

use super::status::Role;
use crate::media::MediaTime;

/// What this node may do with an ingest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permit {
    /// Use it.
    Granted,
    /// Not begin to use it; and end in order what is there.
    #[default]
    Leave,
    /// Another node has it: not one more byte.
    Lost,
}

/// The permits of one destination, and what other nodes have done before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permits {
    /// By role.
    pub by_role: [Permit; 2],
    /// All media before this instant was delivered by another node, by role: where to go on from.
    pub through: [Option<MediaTime>; 2],
}

impl Permits {
    /// All of them: for a node that shares its ingests with no other.
    pub const ALL: Self = Self { by_role: [Permit::Granted; 2], through: [None; 2] };

    /// What may be done with an ingest.
    pub const fn of(&self, role: Role) -> Permit {
        self.by_role[role as usize]
    }
}
