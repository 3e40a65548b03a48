//! Scenarios: who takes what, step by step.

mod damage;
mod marks;
mod refused;

use super::*;
use crate::handover::phase::Phase;
use std::time::Duration;

struct Scene {
    slots: Slots,
    base: Instant,
    millis: u64,
}

fn me() -> Identity {
    Identity { node: "i-me".into(), life: "mine".into(), before: vec!["before".into()] }
}

fn other(usage: Use) -> Record {
    let other = Identity { node: "i-other".into(), life: "theirs".into(), before: Vec::new() };
    Record { generation: 4, ..Record::taken(&other, None, usage, Duration::from_secs(30)) }
}

fn version(number: u64) -> Version {
    Version(number.to_string())
}

impl Scene {
    fn new(redundancy: Redundancy, backup: bool) -> Self {
        let base = Instant::now();
        let now = Now { at: base, media: MediaTime::from_samples(1 << 40) };
        let mut slots = Slots::new(me(), Rules::new(redundancy), backup, now);
        let asks: Vec<_> = [Role::Primary, Role::Backup]
            .into_iter()
            .take(1 + usize::from(backup))
            .map(Action::Get)
            .collect();
        assert_eq!(slots.on(Event::Tick, now), asks, "it begins with a look");
        Self { slots, base, millis: 0 }
    }

    /// Tells it at `millis`, having let it act on time before.
    fn at(&mut self, millis: u64, event: Event) -> Vec<Action> {
        self.millis = millis;
        let by = Duration::from_millis(millis);
        self.slots.on(event, Now { at: self.base + by, media: MediaTime::from_samples(1 << 40).plus(by) })
    }

    fn next(&self) -> u64 {
        (self.slots.deadline().expect("it waits for something") - self.base).as_millis() as u64
    }

    fn uses(&mut self, millis: u64, role: Role, live: bool) -> Vec<Action> {
        let delivered = Some(MediaTime::from_samples(1 << 40).plus(Duration::from_millis(millis)));
        self.at(millis, Event::Uses(role, Using { busy: live, live, delivered }))
    }

    /// A lone node that publishes on primary, at 10 s.
    fn alone() -> Self {
        let mut scene = Self::new(Redundancy::Failover, true);
        scene.at(10, Event::Read(Role::Primary, None));
        scene.at(10, Event::Read(Role::Backup, None));
        scene.at(20, Event::Wrote(Role::Primary, version(0)));
        scene.at(20, Event::Wrote(Role::Backup, version(0)));
        scene.uses(500, Role::Primary, true);
        scene.at(600, Event::Wrote(Role::Primary, version(1)));
        scene
    }
}

fn puts(actions: &[Action]) -> Vec<(Role, Use, u64)> {
    let put = |action: &Action| match action {
        Action::Put(role, record, _) => Some((*role, record.usage, record.generation)),
        _ => None,
    };
    actions.iter().filter_map(put).collect()
}

fn permits(actions: &[Action]) -> Option<[Permit; 2]> {
    actions.iter().rev().find_map(|action| match action {
        Action::Permit(permits) => Some(permits.by_role),
        _ => None,
    })
}

use Permit::{Granted, Leave, Lost};
use Role::{Backup, Primary};

#[test]
fn the_first_node_takes_both_and_does_not_open_backup_while_primary_is_coming() {
    let mut scene = Scene::new(Redundancy::Failover, true);
    assert!(puts(&scene.at(10, Event::Read(Backup, None))).is_empty(), "primary is not known yet");
    let actions = scene.at(20, Event::Read(Primary, None));
    assert_eq!(puts(&actions), [(Primary, Use::Active, 1), (Backup, Use::Spare, 1)]);
    assert_eq!(permits(&scene.at(30, Event::Wrote(Backup, version(0)))), None);
    assert_eq!(permits(&scene.at(40, Event::Wrote(Primary, version(0)))), Some([Granted, Granted]));
}

#[test]
fn a_newcomer_takes_the_spare_one_at_once_and_goes_on_from_where_the_other_was() {
    let mut scene = Scene::new(Redundancy::Failover, true);
    let through = MediaTime::from_samples(1 << 40).minus(Duration::from_secs(3));
    let primary = Record { through: Some(through), ..other(Use::Active) };
    scene.at(10, Event::Read(Primary, Some((primary, version(7)))));
    let actions = scene.at(10, Event::Read(Backup, Some((other(Use::Spare), version(3)))));
    assert_eq!(puts(&actions), [(Backup, Use::Active, 5)]);
    let actions = scene.at(40, Event::Wrote(Backup, version(4)));
    let expected = Permits { by_role: [Leave, Granted], through: [None, Some(through)] };
    assert_eq!(actions, [Action::Permit(expected)]);
}

#[test]
fn an_active_slot_is_taken_when_its_holder_was_not_seen_to_write_for_half_a_minute() {
    let mut scene = Scene::new(Redundancy::Failover, true);
    let primary = |serial| Record { serial, ..other(Use::Active) };
    scene.at(0, Event::Read(Backup, Some((other(Use::Active), version(0)))));
    scene.at(0, Event::Read(Primary, Some((primary(1), version(1)))));
    assert_eq!(scene.slots.view().phase, crate::handover::Phase::StandingBy);
    let mut serial = 1;
    for look in 1..=20 {
        let millis = look * 2_500;
        assert_eq!(scene.next(), millis);
        let actions = scene.at(millis, Event::Tick);
        assert!(puts(&actions).is_empty(), "at {millis}");
        if look == 8 {
            serial = 2;
        }
        let mut taken =
            puts(&scene.at(millis, Event::Read(Primary, Some((primary(serial), version(serial))))));
        if actions.contains(&Action::Get(Backup)) {
            taken
                .extend(puts(&scene.at(millis, Event::Read(Backup, Some((other(Use::Active), version(0)))))));
        }
        if millis == 30_000 {
            // Backup's holder has not been seen since 0; primary's was at 20 s.
            assert_eq!(taken, [(Backup, Use::Active, 5)]);
            return;
        }
        assert!(taken.is_empty(), "at {millis}");
    }
    panic!("it never took what had expired");
}

#[test]
fn what_an_earlier_process_on_this_machine_had_is_taken_back_at_once() {
    let mut scene = Scene::new(Redundancy::Failover, true);
    let mine = |usage| {
        let before = Identity { life: "before".into(), ..me() };
        Some((Record::taken(&before, None, usage, Duration::from_secs(30)), version(0)))
    };
    scene.at(10, Event::Read(Backup, mine(Use::Spare)));
    let actions = scene.at(10, Event::Read(Primary, mine(Use::Active)));
    assert_eq!(puts(&actions), [(Primary, Use::Active, 2), (Backup, Use::Spare, 2)]);
}

#[test]
fn a_spare_slot_is_claimed_before_it_is_used_and_an_active_one_is_known_to_be_ours() {
    let mut scene = Scene::alone();
    assert_eq!(scene.at(5_000, Event::Ask(Primary)), [Action::Answer(Primary, true)]);
    let actions = scene.at(6_000, Event::Ask(Backup));
    assert_eq!(puts(&actions), [(Backup, Use::Active, 1)]);
    assert!(!actions.iter().any(|action| matches!(action, Action::Answer(..))));
    assert_eq!(scene.at(6_100, Event::Wrote(Backup, version(1))), [Action::Answer(Backup, true)]);
}

#[test]
fn a_spare_slot_that_a_newcomer_took_is_not_used() {
    let mut scene = Scene::alone();
    scene.at(6_000, Event::Ask(Backup));
    // However long the read takes that says who has it.
    let actions = scene.at(6_100, Event::Refused(Backup));
    assert_eq!(actions, [Action::Answer(Backup, false), Action::Get(Backup)]);
    let actions = scene.at(8_000, Event::Read(Backup, Some((other(Use::Active), version(1)))));
    assert_eq!(permits(&actions), Some([Granted, Lost]));
}

#[test]
fn a_store_that_does_not_answer_lets_the_session_go_on() {
    let mut scene = Scene::alone();
    scene.at(6_000, Event::Ask(Backup));
    assert_eq!(scene.at(8_000, Event::Failed(Backup)), [Action::Answer(Backup, true)]);
}

#[test]
fn no_failure_of_the_store_ends_a_right_and_a_record_of_another_does() {
    let mut scene = Scene::alone();
    let mut millis = 600;
    for _ in 0..100 {
        millis = scene.next().max(millis);
        let actions = scene.at(millis, Event::Tick);
        for action in actions {
            let (Action::Get(role) | Action::Put(role, ..)) = action else { panic!("{action:?}") };
            assert_eq!(permits(&scene.at(millis + 1, Event::Failed(role))), None);
        }
    }
    assert!(millis > 60_000, "it asks less often than that: {millis}");
    // What it had for sure is so no more.
    assert!(!scene.at(millis + 1, Event::Ask(Primary)).contains(&Action::Answer(Primary, true)));
    let found = Event::Read(Primary, Some((Record { generation: 2, ..other(Use::Active) }, version(9))));
    let actions = scene.at(millis + 2, found);
    assert_eq!(permits(&actions), Some([Lost, Granted]));
    assert!(actions.contains(&Action::Answer(Primary, false)));
}

#[test]
fn whoever_leaves_waits_until_the_other_has_delivered_what_it_had() {
    let mut scene = Scene::alone();
    scene.at(6_000, Event::Ask(Backup));
    scene.at(6_000, Event::Refused(Backup));
    let ahead = |millis| Some(MediaTime::from_samples(1 << 40).plus(Duration::from_millis(millis)));
    let backup = |serial, millis| {
        let record = Record { serial, through: ahead(millis), ..other(Use::Active) };
        Event::Read(Backup, Some((record, version(serial))))
    };
    scene.at(6_100, backup(1, 6_000));
    let drain = Event::Drain {
        leave: scene.base + Duration::from_secs(90),
        deadline: scene.base + Duration::from_secs(100),
    };
    assert_eq!(puts(&scene.at(7_000, drain)), [(Primary, Use::Active, 1)], "it says that it leaves");
    let actions = scene.at(7_050, backup(1, 6_000));
    assert_eq!(permits(&actions), None, "that look was on its way before others could know");
    assert_eq!(scene.at(7_100, Event::Wrote(Primary, version(2))), [Action::Get(Backup)], "and looks again");
    let actions = scene.at(7_200, backup(1, 6_000));
    assert_eq!(permits(&actions).map(|permits| permits[0]), Some(Leave));
    scene.uses(7_500, Primary, false);
    assert!(scene.at(7_700, Event::Tick).contains(&Action::Get(Backup)));
    let actions = scene.at(7_750, backup(2, 7_400));
    assert!(puts(&actions).iter().all(|(_, usage, _)| *usage != Use::Free), "100 ms are missing");
    scene.at(8_300, Event::Tick);
    let actions = scene.at(8_350, backup(3, 8_000));
    assert!(scene.slots.view().relieved);
    let waits = actions.is_empty();
    let actions = if waits { scene.at(8_400, Event::Wrote(Primary, version(3))) } else { actions };
    assert_eq!(puts(&actions), [(Primary, Use::Free, 1)]);
    scene.at(8_500, Event::Wrote(Primary, version(4)));
    assert_eq!(scene.slots.view().phase, crate::handover::Phase::Released);
}

#[test]
fn a_successor_that_fails_brings_the_leaving_node_back() {
    let mut scene = Scene::alone();
    scene.at(6_000, Event::Ask(Backup));
    scene.at(6_000, Event::Refused(Backup));
    let through = Some(MediaTime::from_samples(1 << 40).plus(Duration::from_millis(6_000)));
    let backup = || Event::Read(Backup, Some((Record { through, ..other(Use::Active) }, version(1))));
    scene.at(6_100, backup());
    scene.at(
        7_000,
        Event::Drain {
            leave: scene.base + Duration::from_secs(90),
            deadline: scene.base + Duration::from_secs(100),
        },
    );
    scene.at(7_050, backup());
    scene.at(7_100, Event::Wrote(Primary, version(2)));
    assert_eq!(permits(&scene.at(7_200, backup())).map(|permits| permits[0]), Some(Leave));
    scene.uses(7_900, Primary, false);
    assert_eq!(permits(&scene.at(14_199, Event::Tick)), None);
    assert_eq!(permits(&scene.at(14_200, Event::Tick)).map(|permits| permits[0]), Some(Granted));
}

#[test]
fn with_both_a_lone_node_makes_room_for_the_one_that_stands_by() {
    let mut scene = Scene::new(Redundancy::Both, true);
    scene.at(10, Event::Read(Primary, None));
    let actions = scene.at(10, Event::Read(Backup, None));
    assert_eq!(puts(&actions), [(Backup, Use::Active, 1)]);
    scene.at(20, Event::Wrote(Primary, version(0)));
    scene.at(20, Event::Wrote(Backup, version(0)));
    scene.uses(500, Primary, true);
    scene.uses(500, Backup, true);
    scene.at(600, Event::Refused(Backup));
    let Some((mut record, _)) = scene.slots.slots[1].record().cloned().map(|r| (r, ())) else { panic!() };
    record.wanted = Some("i-other".into());
    let actions = scene.at(700, Event::Read(Backup, Some((record, version(5)))));
    assert_eq!(permits(&actions), Some([Granted, Leave]));
    scene.at(750, Event::Wrote(Backup, version(6)));
    let actions = scene.uses(900, Backup, false);
    assert_eq!(puts(&actions), [(Backup, Use::Free, 1)]);
    let actions = scene.at(950, Event::Wrote(Backup, version(7)));
    assert!(puts(&actions).iter().all(|(role, ..)| *role != Backup), "it is left to the other");
}

#[test]
fn a_store_that_is_away_at_the_start_holds_nobody_up() {
    let mut scene = Scene::new(Redundancy::Failover, true);
    scene.at(2_000, Event::Failed(Primary));
    scene.at(2_000, Event::Failed(Backup));
    assert_eq!(scene.next(), 5_000);
    assert_eq!(permits(&scene.at(5_000, Event::Tick)), Some([Leave, Granted]));

    let base = Instant::now();
    let now =
        |millis| Now { at: base + Duration::from_millis(millis), media: MediaTime::from_samples(1 << 40) };
    let rules = Rules::new(Redundancy::Failover);
    let mut slots = Slots::new(me(), rules, true, now(0)).remembering(&[Primary, Backup]);
    slots.on(Event::Tick, now(0));
    assert_eq!(permits(&slots.on(Event::Tick, now(1_000))), Some([Granted, Granted]));
}

#[test]
fn a_node_that_cannot_publish_yet_looks_on_and_knows_by_then_what_is_free() {
    let base = Instant::now();
    let now =
        |millis| Now { at: base + Duration::from_millis(millis), media: MediaTime::from_samples(1 << 40) };
    let unready = || {
        let rules = Rules::new(Redundancy::Failover);
        let mut slots = Slots::new(me(), rules, true, now(0)).unready();
        assert_eq!(slots.on(Event::Tick, now(0)), [Action::Get(Primary), Action::Get(Backup)]);
        slots
    };
    let mut slots = unready();
    for role in [Primary, Backup] {
        assert_eq!(slots.on(Event::Read(role, None), now(50)), [], "others may take it meanwhile");
    }
    assert_eq!(slots.deadline(), Some(now(2_500).at), "it looks again as if it stood by");
    let actions = slots.on(Event::Ready, now(2_000));
    assert_eq!(actions, [Action::Get(Primary), Action::Get(Backup)], "how far others are by now");
    let mut actions = slots.on(Event::Read(Primary, None), now(2_050));
    actions.extend(slots.on(Event::Read(Backup, None), now(2_060)));
    assert_eq!(puts(&actions), [(Primary, Use::Active, 1), (Backup, Use::Spare, 1)]);

    // Who has not been able to take anything does not stand by, with a spare slot least of all.
    for (usage, then) in [(Use::Spare, Phase::Asking), (Use::Active, Phase::StandingBy)] {
        let mut slots = unready();
        for (role, usage) in [(Primary, Use::Active), (Backup, usage)] {
            slots.on(Event::Read(role, Some((other(usage), version(1)))), now(50));
        }
        assert_eq!(slots.view().phase, Phase::Asking);
        slots.on(Event::Ready, now(2_000));
        for (role, usage) in [(Primary, Use::Active), (Backup, usage)] {
            slots.on(Event::Read(role, Some((other(usage), version(1)))), now(2_050));
        }
        assert_eq!(slots.view().phase, then, "{usage:?}");
    }

    // A store that has not answered since then holds nobody up any more.
    let mut slots = unready();
    for role in [Primary, Backup] {
        assert_eq!(permits(&slots.on(Event::Failed(role), now(2_000))), None);
    }
    let actions = slots.on(Event::Tick, now(5_500));
    assert_eq!(actions, [Action::Get(Primary), Action::Get(Backup)], "it asks again, and supposes nothing");
    assert_eq!(slots.deadline(), None, "it waits for the answers");
    assert_eq!(permits(&slots.on(Event::Ready, now(5_600))), Some([Leave, Granted]));
}
