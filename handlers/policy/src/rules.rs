//! The policy as the admin has set it: the rules for each repair and the fleet limits, with every
//! default filled in.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use alloc::collections::BTreeMap;
use core::time::Duration;

use crate::{ObjectState, RepairName};

/// The repairs by name, and the fleet limits. The `policy_file` crate reads them from policy.json.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// The rules for each repair.
    pub repairs: BTreeMap<RepairName, Rules>,
    /// The limits on all repairs together.
    pub fleet: Fleet,
}

/// The rules for one repair: when and how often it is allowed, and its ladder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The states that call for the repair.
    pub on: Vec<ObjectState>,
    /// The first SOFT attempt at which the repair runs. If `max_check_attempts` leaves fewer SOFT
    /// attempts, the repair runs at the last one.
    pub soft_attempt: u32,
    /// How many consecutive results, including the current one, must have a state in `on`. The
    /// number is at least 1 and at most [`Rules::MOST_IN_A_ROW`].
    pub in_a_row: u32,
    /// The limits on repairs of one object.
    pub limits: Limits,
    /// The rungs, in the order in which they are tried until a check shows that one has helped.
    pub ladder: Vec<Rung>,
}

/// A maximum number of repairs within a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// The maximum number of repairs.
    pub count: u32,
    /// The length of the period, counted back from now.
    pub per: Duration,
}

/// The limits on repairs of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long to wait after a repair before the object may be repaired again.
    pub cooldown: Duration,
    /// The maximum number of repairs in one incident.
    pub per_incident: u32,
    /// The maximum number of repairs within a longer period, across all incidents.
    pub window: Quota,
    /// If the fault returns within this time after a successful repair, that repair counts as
    /// ineffective.
    pub relapse: Duration,
    /// How many ineffective repairs in one incident open the breaker.
    pub breaker: u32,
    /// How long an object must be free of faults until the incident ends and its breaker closes.
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

/// The limits on all repairs together. When many objects fail at the same time, the cause probably
/// lies elsewhere, and restarting individual services does not remove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fleet {
    /// The maximum number of repairs that run at the same time.
    pub running: u32,
    /// The maximum number of repairs that start within a period.
    pub started: Quota,
    /// If more than this percentage of the opted-in objects are in trouble, nothing is repaired.
    /// This limit applies only if the policy names Nagios' status file or Icinga 2.
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

/// One step of a ladder: an action, and the check that shows whether it helped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// What the rung does.
    pub act: Act,
    /// The maximum time for the action, including the connection and the answer.
    pub timeout: Duration,
    /// How long to wait between the action and the check.
    pub settle: Duration,
    /// The check: a program and its arguments. Exit code 0 means that the object works again.
    pub verify: Vec<String>,
    /// How many good results in a row are required. The checks run one second apart.
    pub good_results: u32,
}

/// What a rung does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// A repair that a gate runs.
    Ssh {
        /// The name of the repair in the gate's repairs.json.
        repair: RepairName,
        /// Another host whose gate runs the repair, or `None` for the host itself. The other host
        /// can be a hypervisor or a load balancer, for example.
        at: Option<String>,
    },
    /// A program on the Nagios server, with its arguments.
    Local(Vec<String>),
}

words! {
    /// The kinds of rungs, named after their keys in policy.json.
    pub enum RungKind {
        /// A repair that a gate runs.
        Ssh = "ssh",
        /// A program on the Nagios server.
        Local = "local",
    }
}

impl Act {
    /// Returns the kind of the action.
    pub fn kind(&self) -> RungKind {
        match self {
            Act::Ssh { .. } => RungKind::Ssh,
            Act::Local(_) => RungKind::Local,
        }
    }

    /// Returns the repair that a gate runs, and the gate's host if it is not the object's own host.
    /// Returns `None` for a local program.
    pub fn at_gate(&self) -> Option<(&RepairName, Option<&str>)> {
        match self {
            Act::Ssh { repair, at } => Some((repair, at.as_deref())),
            Act::Local(_) => None,
        }
    }

    /// Returns the local program and its arguments, or `None` for a repair that a gate runs.
    pub fn program(&self) -> Option<&[String]> {
        match self {
            Act::Local(argv) => Some(argv),
            Act::Ssh { .. } => None,
        }
    }
}

impl Rules {
    /// Maximum value of `in_a_row`. It is 2 because an event holds only its own result and the
    /// previous one.
    pub const MOST_IN_A_ROW: u32 = 2;

    /// Returns rules with this ladder and the default limits. They call for a repair if the object
    /// is CRITICAL or DOWN, from SOFT 3 on.
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
