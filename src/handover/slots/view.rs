//! What is the case, for those who ask.

use super::{Permit, Slots};
use crate::handover::phase::{Phase, SlotView, View};
use crate::handover::record::Use;
use crate::handover::slot::Slot;

impl Slots {
    /// Whether others have every ingest, and none is to be had now.
    fn stands_by(&self) -> bool {
        let theirs = |slot: &Slot| {
            let free = slot.free_from(&self.me, true, &self.rules, self.now.at);
            slot.other(&self.me).is_some()
                && !slot.held_or_taking(&self.me)
                && free.is_some_and(|at| at > self.now.at)
        };
        self.ready && self.slots.iter().all(theirs)
    }

    /// What is the case now.
    pub fn view(&self) -> View {
        let held = self.slots.iter().any(|slot| slot.held());
        let phase = match () {
            () if self.released() => Phase::Released,
            () if self.leaving.is_some() => Phase::Leaving,
            () if held => Phase::Holding,
            () if self.stands_by() => Phase::StandingBy,
            () => Phase::Asking,
        };
        let slots = self.slots.iter().map(|slot| {
            let record = slot.record().filter(|record| record.usage != Use::Free);
            SlotView {
                ingest: slot.role,
                mine: slot.held(),
                lost: slot.permit == Permit::Lost,
                holder: record.map(|record| record.holder.clone()),
                usage: record.map(|record| record.usage),
                generation: slot.record().map_or(0, |record| record.generation),
            }
        });
        View {
            phase,
            slots: slots.collect(),
            relieved: self.slots.iter().any(|slot| self.relieved_on(slot.role)),
            unreachable: self.slots.iter().any(|slot| slot.troubled()),
            trouble: None,
        }
    }
}
