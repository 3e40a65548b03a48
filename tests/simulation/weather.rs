//! The weather of a seed.

use crate::net::{Forecast, Weather};
use std::time::Duration;

/// How long the stream is on the air.
pub const LIFE: Duration = Duration::from_secs(300);
/// From when on all is well again, so that it can be seen where things settle, in milliseconds.
pub const CALM: u64 = 230_000;

/// What kind of weather there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Climate {
    /// All kinds of faults at primary, none at backup.
    BackupWell,
    /// Nothing but resets at primary, all kinds of faults at backup.
    BackupBad,
    /// All kinds of faults at both.
    BothBad,
    /// All kinds of faults, and no backup.
    Single,
    /// All kinds of faults at both, which are used all the time.
    Redundant,
}

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

pub fn forecasts(climate: Climate, seed: u64) -> [Forecast; 2] {
    let mut dice = Dice(seed.wrapping_mul(31).wrapping_add(climate as u64));
    let resets = |dice: &mut Dice| {
        let mut at = 0;
        let mut forecast = Vec::new();
        while at < CALM {
            at += 500 + dice.roll(30_000);
            forecast.push((at, Weather::Reset));
        }
        forecast
    };
    let (primary, backup) = match climate {
        Climate::BackupWell => (faults(&mut dice), Vec::new()),
        Climate::BackupBad => (resets(&mut dice), faults(&mut dice)),
        _ => (faults(&mut dice), faults(&mut dice)),
    };
    [primary, backup]
}

fn faults(dice: &mut Dice) -> Forecast {
    let mut forecast = Vec::new();
    let mut at = 0;
    while at < CALM {
        let (weather, most) = match dice.roll(16) {
            0..5 => (Weather::Up, 90_000),
            5..8 => (Weather::Reset, 30_000),
            8..10 => (Weather::Refusing, 40_000),
            10..12 => (Weather::Void, 40_000),
            12 => (Weather::Frozen, 30_000),
            // Half to twice what the stream needs.
            13 | 14 => (Weather::Slow(60 + dice.roll(180) as usize), 40_000),
            _ => (Weather::Rude, 20_000),
        };
        forecast.push((at, weather));
        at += 200 + dice.roll(most);
    }
    forecast.retain(|(from, _)| *from < CALM);
    forecast.push((CALM, Weather::Up));
    forecast
}
