//! What the admin allows: the rules for each repair, checked and complete.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{RepairName, State};

/// All repairs by name. Read from policy.json by the program; this crate knows no files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The rules of each repair.
    pub repairs: BTreeMap<RepairName, Rules>,
}

/// When a repair may run, and the ladder of what it then does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The states that call for it.
    pub on: Vec<State>,
    /// The SOFT attempt from which on it runs; the last SOFT attempt when `max_check_attempts` leaves fewer.
    pub soft_attempt: u32,
    /// The time after a repair of the same object in which it is not repaired again.
    pub cooldown: Duration,
    /// The rungs, tried in order until one is verified.
    pub ladder: Vec<Rung>,
}

/// One thing to try, and how it is known to have worked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// What is done.
    pub act: Act,
    /// The longest it may take, connection and answer included.
    pub timeout: Duration,
    /// How long the repaired thing may take to come up before it is checked.
    pub settle: Duration,
    /// The check that proves it: a program and its arguments, exit code 0 for healed.
    pub verify: Vec<String>,
}

/// What a rung does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The repair of this name at the host's own gate.
    Ssh(RepairName),
    /// A program on the Nagios server and its arguments.
    Local(Vec<String>),
}

impl Rules {
    /// The rules of the design: CRITICAL or DOWN, at SOFT 3 or later, ten minutes between two repairs.
    pub fn with_ladder(ladder: Vec<Rung>) -> Rules {
        Rules { on: vec![State::Critical, State::Down], soft_attempt: 3, cooldown: Duration::from_secs(600), ladder }
    }
}
