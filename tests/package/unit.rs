//! A unit, as `systemctl` and `journalctl` of its machine tell it.

use crate::machine::Machine;
use crate::rig::wait;
use std::cell::RefCell;
use std::time::Duration;

pub struct Unit<'a> {
    pub machine: &'a Machine,
    pub name: &'static str,
    /// Up to where its journal has been read.
    cursor: RefCell<String>,
}

impl<'a> Unit<'a> {
    pub fn new(machine: &'a Machine, name: &'static str) -> Self {
        let unit = Self { machine, name, cursor: RefCell::default() };
        unit.mark();
        unit
    }

    /// `systemctl VERB` of it has to succeed.
    #[track_caller]
    pub fn systemctl(&self, verb: &str) {
        self.machine.sh(&format!("systemctl {verb} {}", self.name));
    }

    /// A property, as `systemctl show` has it.
    #[track_caller]
    pub fn show(&self, property: &str) -> String {
        self.machine.sh(&format!("systemctl show --value -p {property} {}", self.name)).trim().to_owned()
    }

    #[track_caller]
    pub fn number(&self, property: &str) -> u64 {
        let value = self.show(property);
        value.parse().unwrap_or_else(|_| panic!("{property} of {} is {value:?}", self.name))
    }

    /// `active (running)` and the like.
    #[track_caller]
    pub fn state(&self) -> String {
        let state =
            self.machine.sh(&format!("systemctl show --value -p ActiveState -p SubState {}", self.name));
        state.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What `systemctl status` shows to a person.
    pub fn status(&self) -> String {
        crate::machine::said(
            &self.machine.shell(&format!("systemctl status --no-pager --full --lines=0 {}", self.name)),
        )
    }

    /// Waits until the line that the daemon gives `systemctl status` is as wanted.
    #[track_caller]
    pub fn wait_for_line(&self, what: &str, within: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let found = wait::until_or(within, || {
            last = self.show("StatusText");
            wanted(&last).then(|| last.clone())
        });
        let Some(found) = found else {
            panic!("{what}: in vain for {within:?}; Status: {last:?}\n{}\n{}", self.status(), self.journal());
        };
        found
    }

    /// Forgets what its journal has held so far.
    pub fn mark(&self) {
        let said =
            self.machine.sh("journalctl --sync; journalctl -n 1 -o cat --output-fields=_ --show-cursor");
        let cursor = said.lines().find_map(|line| line.strip_prefix("-- cursor: "));
        *self.cursor.borrow_mut() = cursor.expect("a machine that has booted has a journal").to_owned();
    }

    /// What the unit, and systemd about it, have written into the journal since the last mark.
    #[track_caller]
    pub fn journal(&self) -> String {
        let (unit, cursor) = (self.name, self.cursor.borrow());
        self.machine.sh(&format!("journalctl --no-pager -o cat -u {unit} --after-cursor='{cursor}'"))
    }

    /// Waits until its journal, since the last mark, is as wanted.
    #[track_caller]
    pub fn wait_for_journal(&self, what: &str, within: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let found = wait::until_or(within, || {
            last = self.journal();
            wanted(&last).then(|| last.clone())
        });
        let Some(found) = found else { panic!("{what}: in vain for {within:?}\n{}\n{last}", self.status()) };
        found
    }
}
