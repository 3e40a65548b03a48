//! A slot as it lies in the store, for every node to read.

use crate::media::MediaTime;
use crate::publish::Role;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The only format so far. What is of another is somebody's all the same: see [`Record::read`].
const FORMAT: u32 = 1;

/// What the holder does with the ingest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// It publishes there, or is about to.
    Active,
    /// It would if its other ingest failed. Whoever has none may take it at once.
    Spare,
    /// Nothing any more: it was released.
    Free,
}

/// Who a process is to the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The machine, for people.
    pub node: String,
    /// This run of the process: no other has the same.
    pub life: String,
    /// The earlier runs on this machine, which are over. Nothing of them is in the store: only who
    /// has this machine's disk knows them.
    pub before: Vec<String>,
}

/// See the module's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The format of this.
    pub format: u32,
    /// The node that holds the slot, or held it last.
    pub holder: String,
    /// See [`Identity::life`].
    pub life: String,
    /// Grows each time the slot is taken.
    pub generation: u64,
    /// Grows each time the holder writes, so that others see that it lives.
    pub serial: u64,
    /// What for.
    #[serde(rename = "use")]
    pub usage: Use,
    /// For how long the slot is held if nothing more is heard of the holder, in milliseconds. A
    /// duration and no date, because clocks differ: everyone counts for themselves.
    pub expires_ms: u64,
    /// All media before this instant (samples since the epoch) was acknowledged by the ingest since
    /// the holder took it.
    pub through: Option<MediaTime>,
    /// The holder is on its way out.
    #[serde(default)]
    pub leaving: bool,
    /// The node that stands by for this slot.
    #[serde(default)]
    pub wanted: Option<String>,
    /// Grows each time that node says so again, so that others see that it lives.
    #[serde(default)]
    pub wanted_serial: u64,
    /// What lies in the store is no record of any format: damage, and nobody's word.
    #[serde(skip)]
    pub garbled: bool,
}

/// What a record of every format has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl Record {
    /// `me`'s first record of a slot, over whatever `before` was there.
    pub fn taken(me: &Identity, before: Option<&Self>, usage: Use, expires: Duration) -> Self {
        Self {
            format: FORMAT,
            holder: me.node.clone(),
            life: me.life.clone(),
            generation: before.map_or(0, |before| before.generation).saturating_add(1),
            serial: 0,
            usage,
            expires_ms: expires.as_millis() as u64,
            through: None,
            leaving: false,
            wanted: None,
            wanted_serial: 0,
            garbled: false,
        }
    }

    /// What lies in the store. If that is nothing that this version understands, somebody holds the
    /// slot whom it does not know: nobody is pushed aside by a downgrade or by a damaged object.
    pub fn read(bytes: &[u8], expires: Duration) -> Self {
        let known = serde_json::from_slice(bytes).ok().filter(|record: &Self| record.format == FORMAT);
        known.unwrap_or_else(|| {
            let nobody = Identity { node: "unknown".into(), life: String::new(), before: Vec::new() };
            let newer = serde_json::from_slice(bytes).is_ok_and(|Format { format }| format != FORMAT);
            Self { garbled: !newer, ..Self::taken(&nobody, None, Use::Active, expires) }
        })
    }

    /// As it is put into the store.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a record has nothing that JSON has not")
    }

    /// Whether this process wrote it, but for what others may add.
    pub fn is_of(&self, me: &Identity) -> bool {
        self.life == me.life
    }

    /// Whether an earlier process on this machine wrote it, which is gone.
    pub fn is_of_predecessor_of(&self, me: &Identity) -> bool {
        // A disk may have been copied from another machine.
        self.holder == me.node && me.before.contains(&self.life)
    }

    /// How long after it was last seen to change it has expired.
    pub const fn expires(&self) -> Duration {
        Duration::from_millis(self.expires_ms)
    }

    /// What changes when the node that stands by says so again; `None` if there is none.
    pub fn mark(&self) -> Option<(&str, u64)> {
        self.wanted.as_deref().map(|wanted| (wanted, self.wanted_serial))
    }

    /// What changes when the holder writes, and does not when others do.
    pub fn pulse(&self) -> (&str, u64, u64) {
        (&self.life, self.generation, self.serial)
    }
}

/// Where the record of a slot lies in the store.
pub fn key(destination: &str, role: Role) -> String {
    format!("slots/{destination}-{role}.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_and_the_names_are_the_documented_ones() {
        let me = Identity { node: "i-0abc".into(), life: "l".into(), before: Vec::new() };
        let mut record = Record::taken(&me, None, Use::Spare, Duration::from_secs(30));
        record.through = Some(MediaTime::from_samples(7));
        let bytes = record.write();
        assert_eq!(Record::read(&bytes, Duration::ZERO), record);
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(
            (&json["holder"], &json["use"], &json["generation"]),
            (&"i-0abc".into(), &"spare".into(), &1.into())
        );
        assert_eq!((&json["expires_ms"], &json["through"]), (&30_000.into(), &7.into()));
        assert_eq!(key("YouTube", Role::Backup), "slots/YouTube-backup.json");
    }

    #[test]
    fn what_is_not_understood_is_somebody_elses_until_it_expires() {
        for (bytes, garbled) in
            [(&b""[..], true), (b"{", true), (br#"{"format":1}"#, true), (br#"{"format":2}"#, false)]
        {
            let record = Record::read(bytes, Duration::from_secs(30));
            assert_eq!(record.garbled, garbled);
            assert_eq!((record.usage, record.expires()), (Use::Active, Duration::from_secs(30)));
        }
    }
}
