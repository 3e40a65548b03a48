//! Programme time from the machine's clocks: never back, never a jump.
//!
//! The wall clock says where the programme is, the monotonic clock says how fast it goes. Programme
//! time starts at the wall clock and from then on follows the monotonic clock; what the wall clock
//! is found to differ by later (it was stepped, or drifts) is made up for by running at most
//! [`SLEW`] faster or slower. So a step of the wall clock changes nothing on air at once, and two
//! nodes whose wall clocks agree have programme times that agree again soon.
//!
//! Rejected: reading the wall clock at every look (a step then tears the timeline), and never
//! reading it again (two nodes would drift apart by seconds a week).

use super::Alarm;
use crate::media::MediaTime;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// How much faster or slower than real time programme time may run: one part in 100, which
/// players and ingests take without a sign and which makes up for half a second in 50 s.
pub const SLEW: u32 = 100;

/// A difference beyond this is not made up for: at one part in 100 it would take most of an hour, in
/// which players run dry or ingests fill up. The next start takes the right time.
pub const MOST_SLEWED: Duration = Duration::from_secs(30);

/// Where the wall clock is read: [`SystemTime::now`], or a test's own.
type Wall = dyn Fn() -> SystemTime + Send + Sync;

/// Programme time. Clones share one state.
#[derive(Clone)]
pub struct Clock {
    alarm: fn() -> Alarm,
    wall: Arc<Wall>,
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Copy)]
struct State {
    at: Instant,
    time: Duration,
}

impl Clock {
    /// A clock on the machine's wall clock.
    pub fn system() -> Self {
        Self { alarm: Alarm::kernel, ..Self::on(SystemTime::now) }
    }

    /// A clock on another wall clock.
    pub fn on(wall: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        let state = State { at: Instant::now(), time: unix(wall()) };
        Self { alarm: Alarm::tokio, wall: Arc::new(wall), state: Arc::new(Mutex::new(state)) }
    }

    /// An alarm that goes by the same time: the kernel's for the machine's clock, else tokio's.
    pub fn alarm(&self) -> Alarm {
        (self.alarm)()
    }

    /// What time the programme has.
    pub fn now(&self) -> MediaTime {
        let (at, wall) = (Instant::now(), unix((self.wall)()));
        let mut state = self.state.lock().expect("nothing panics while it holds this lock");
        *state = advance(*state, at, wall);
        MediaTime::from_unix(state.time)
    }

    /// How long from now until the programme is at `time`; zero if it is past it.
    pub fn until(&self, time: MediaTime) -> Duration {
        time.since(self.now())
    }
}

/// Pure: the clock's state at `at`, when the wall clock says `wall`.
fn advance(state: State, at: Instant, wall: Duration) -> State {
    let elapsed = at.saturating_duration_since(state.at);
    let paced = state.time + elapsed;
    let most = if paced.abs_diff(wall) > MOST_SLEWED { Duration::ZERO } else { elapsed / SLEW };
    let time = if wall >= paced { paced + most.min(wall - paced) } else { paced - most.min(paced - wall) };
    State { at: state.at.max(at), time }
}

fn unix(wall: SystemTime) -> Duration {
    wall.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn time_never_goes_back_nor_jumps_whatever_the_wall_clock_does(
            steps in prop::collection::vec((0u64..5_000, 0u64..4_000_000_000), 1..60),
        ) {
            let mut state = State { at: Instant::now(), time: Duration::from_secs(1_000_000) };
            for (millis, wall) in steps {
                let elapsed = Duration::from_millis(millis);
                let next = advance(state, state.at + elapsed, Duration::from_secs(wall));
                prop_assert!(next.time >= state.time + elapsed - elapsed / SLEW);
                prop_assert!(next.time <= state.time + elapsed + elapsed / SLEW);
                state = next;
            }
        }
    }

    #[test]
    fn an_hours_step_is_left_to_the_next_start() {
        let start = Instant::now();
        let state = State { at: start, time: Duration::from_secs(10_000) };
        let next = advance(state, start + Duration::from_secs(60), Duration::from_secs(13_660));
        assert_eq!(next.time, Duration::from_secs(10_060));
    }

    #[test]
    fn half_a_second_is_made_up_for_within_a_minute() {
        let start = Instant::now();
        let mut state = State { at: start, time: Duration::from_secs(1_000) };
        for second in 1..=60 {
            let wall = Duration::from_secs(1_000 + second) + Duration::from_millis(500);
            state = advance(state, start + Duration::from_secs(second), wall);
        }
        assert_eq!(state.time, Duration::from_millis(1_060_500));
    }
}
