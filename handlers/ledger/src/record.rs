//! What is on record.

use std::time::{Duration, SystemTime};

use policy::{Event, JobId};
use serde::{Deserialize, Serialize};

use crate::Standing;

/// Somebody wants to repair.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The identity of the repair.
    pub job: &'a JobId,
    /// The event that calls for it.
    pub event: &'a Event,
    /// The longest the whole repair may take; after it, a repair whose worker is dead is over,
    /// whatever its gate says.
    pub lease: Duration,
    /// How far back the policy counts the repairs of the whole fleet.
    pub fleet_window: Duration,
}

/// How a repair ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RepairOutcome {
    /// A rung ran and its check is good.
    Healed,
    /// The ladder is spent and the fault is still there.
    NotHealed,
    /// No rung could be run: the fault is as it was.
    CouldNotRun,
    /// A repair may have run, nobody knows how it ended.
    Unknown,
}

impl RepairOutcome {
    const ALL: [RepairOutcome; 4] = [
        RepairOutcome::Healed,
        RepairOutcome::NotHealed,
        RepairOutcome::CouldNotRun,
        RepairOutcome::Unknown,
    ];

    /// The word of the record.
    pub fn as_str(self) -> &'static str {
        match self {
            RepairOutcome::Healed => "healed",
            RepairOutcome::NotHealed => "not-healed",
            RepairOutcome::CouldNotRun => "could-not-run",
            RepairOutcome::Unknown => "unknown",
        }
    }

    pub(crate) fn from_word(word: &str) -> Option<RepairOutcome> {
        RepairOutcome::ALL.into_iter().find(|outcome| outcome.as_str() == word)
    }
}

/// A repair on record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its identity.
    pub job: String,
    /// The host's name in Nagios.
    pub host: String,
    /// The service's description; `None` for a repair of the host itself.
    pub service: Option<String>,
    /// The name of the repair.
    pub repair: String,
    /// The event that called for it, as Nagios' log writes it: `CRITICAL;SOFT;3`.
    pub event: String,
    /// When it was reserved.
    pub reserved: SystemTime,
    /// When it ended; `None` while it runs.
    pub ended: Option<SystemTime>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<RepairOutcome>,
    /// One sentence on how it ended.
    pub text: String,
    /// How many rungs of the ladder were begun.
    pub rungs: u32,
    /// `$SERVICEPROBLEMID$` or `$HOSTPROBLEMID$`, constant over one problem of Nagios.
    pub problem: Option<String>,
}

impl Record {
    /// How it stands.
    pub fn standing(&self) -> Standing {
        self.outcome.map_or(Standing::Running, Standing::Ended)
    }

    /// How long it took; `None` while it runs.
    pub fn took(&self) -> Option<Duration> {
        self.ended.map(|ended| ended.duration_since(self.reserved).unwrap_or_default())
    }
}

/// One note within a repair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub at: SystemTime,
    /// A short word: `run`, `answer`, `verify`, `nagios`.
    pub what: String,
    /// For people.
    pub text: String,
}

/// A repair that was refused when it was to be reserved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// When.
    pub at: SystemTime,
    /// The host's name in Nagios.
    pub host: String,
    /// The service's description.
    pub service: Option<String>,
    /// The event that was refused: `CRITICAL;SOFT;3`.
    pub event: String,
    /// The word of [`policy::Reason::code`].
    pub why: String,
    /// The sentence.
    pub text: String,
}

/// A repair that has not ended by the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// The record.
    pub record: Record,
    /// Whether its worker lives; when that cannot be told, it does.
    pub alive: bool,
}

/// A pause. In its scope nothing is repaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// The host it is about; `None` when it is about everything.
    pub host: Option<String>,
    /// The service of the host; `None` when it is about the whole host.
    pub service: Option<String>,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: SystemTime,
    /// Until when; `None` until it is resumed.
    pub until: Option<SystemTime>,
}
