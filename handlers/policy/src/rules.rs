//! What the admin allows: the rules for each repair and for all together, checked and complete.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::{ObjectState, RepairName};

/// All repairs by name, and what holds for all of them together. Read from policy.json by the
/// program; this crate knows no files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The rules of each repair.
    pub repairs: BTreeMap<RepairName, Rules>,
    /// What holds for all of them together.
    pub fleet: Fleet,
}

/// When a repair may run, how often, and the ladder of what it then does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The states that call for it.
    pub on: Vec<ObjectState>,
    /// The SOFT attempt from which on it runs; the last SOFT attempt when `max_check_attempts`
    /// leaves fewer.
    pub soft_attempt: u32,
    /// How many results in a row, this one included, must be of these states: 1 to
    /// [`Rules::MOST_IN_A_ROW`].
    pub in_a_row: u32,
    /// How often it may run for one object.
    pub limits: Limits,
    /// The rungs, tried in order until one is verified.
    pub ladder: Vec<Rung>,
}

/// So many within such a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// How many.
    pub count: u32,
    /// Within how long, up to now.
    pub per: Duration,
}

/// How often one object may be repaired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The time after a repair in which the object is not repaired again.
    pub cooldown: Duration,
    /// How many repairs one incident may have.
    pub per_incident: u32,
    /// How many repairs a longer time may have, in all incidents together.
    pub window: Quota,
    /// A fault that comes back within this time after a success shows that the repair did not help.
    pub relapse: Duration,
    /// So many repairs of one incident that did not help open the breaker.
    pub breaker: u32,
    /// An incident is over, and the breaker closed, after so long without a fault.
    pub healthy_for: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            cooldown: Duration::from_secs(600),
            per_incident: 3,
            window: Quota { count: 6, per: Duration::from_secs(24 * 3600) },
            relapse: Duration::from_secs(15 * 60),
            breaker: 3,
            healthy_for: Duration::from_secs(3600),
        }
    }
}

/// What all repairs together may do. Many faults at once have a cause that no restart of a single
/// service fixes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fleet {
    /// How many repairs may run at once.
    pub running: u32,
    /// How many may be started.
    pub started: Quota,
    /// The percentage of the objects with a repair that may be in trouble; above it nothing is
    /// repaired. Known only when Nagios' status file is.
    pub share: u32,
}

impl Default for Fleet {
    fn default() -> Fleet {
        Fleet {
            running: 5,
            started: Quota { count: 20, per: Duration::from_secs(3600) },
            share: 50,
        }
    }
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
    /// How many good results in a row prove it, a second apart.
    pub good_results: u32,
}

/// What a rung does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// The repair of this name at a gate: the host's own, or that of another host (a hypervisor, a
    /// load balancer).
    Ssh {
        /// The gate's name for it.
        repair: RepairName,
        /// The other host.
        at: Option<String>,
    },
    /// A program on the Nagios server and its arguments.
    Local(Vec<String>),
}

words! {
    /// The kinds of rungs, by their keys in policy.json.
    pub enum RungKind {
        /// A repair at a gate.
        Ssh = "ssh",
        /// A program on the Nagios server.
        Local = "local",
    }
}

impl Act {
    /// Its kind.
    pub fn kind(&self) -> RungKind {
        match self {
            Act::Ssh { .. } => RungKind::Ssh,
            Act::Local(_) => RungKind::Local,
        }
    }

    /// The repair that a gate runs, and the other host whose gate it is; `None` when no gate runs
    /// it.
    pub fn at_gate(&self) -> Option<(&RepairName, Option<&str>)> {
        match self {
            Act::Ssh { repair, at } => Some((repair, at.as_deref())),
            Act::Local(_) => None,
        }
    }

    /// The program on this server, and its arguments; `None` when it runs elsewhere.
    pub fn program(&self) -> Option<&[String]> {
        match self {
            Act::Local(argv) => Some(argv),
            Act::Ssh { .. } => None,
        }
    }
}

impl Rules {
    /// An event tells of its own result and of the one before it, and of no more.
    pub const MOST_IN_A_ROW: u32 = 2;

    /// The rules of the design: CRITICAL or DOWN, at SOFT 3 or later, within the default limits.
    pub fn with_ladder(ladder: Vec<Rung>) -> Rules {
        Rules {
            on: vec![ObjectState::Critical, ObjectState::Down],
            soft_attempt: 3,
            in_a_row: 1,
            limits: Limits::default(),
            ladder,
        }
    }
}
