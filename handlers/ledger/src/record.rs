//! What is on record.

use std::time::{Duration, SystemTime};

use policy::{Event, Horizon, JobId, Observation, ReasonCode, words};
use serde::{Deserialize, Serialize};

/// Somebody wants to repair.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The identity of the repair.
    pub job: &'a JobId,
    /// The event that calls for it.
    pub event: &'a Event,
    /// The longest the whole repair may take; after it, a repair whose worker is dead is over,
    /// even if its gate does not answer.
    pub lease: Duration,
    /// How far back the decision looks.
    pub horizon: Horizon,
    /// What the monitoring engine shows; `None` when the policy names no source for it.
    pub observed: Option<Observation>,
}

words! {
    /// How a repair ended, by the word of the record.
    #[derive(Serialize, Deserialize)]
    pub enum RepairOutcome {
        /// A rung ran and its check is OK.
        Healed = "healed",
        /// Every rung was tried and the fault is still there.
        NotHealed = "not-healed",
        /// No rung could be run: the fault is as it was.
        CouldNotRun = "could-not-run",
        /// A repair may have run, and nobody knows how it ended.
        Unknown = "unknown",
    }
}

words! {
    /// What one step of a repair is, by the word of the record.
    #[derive(Serialize, Deserialize)]
    pub enum StepKind {
        /// What the gate found before anything was changed.
        Evidence = "evidence",
        /// A rung is about to be taken.
        Begun = "begun",
        /// The rung ran and reports success.
        Ran = "ran",
        /// The rung ran and reports a failure.
        Failed = "failed",
        /// The rung certainly did not run.
        NotRun = "not-run",
        /// The gate refused the rung.
        Refused = "refused",
        /// The rung may have run.
        Unknown = "unknown",
        /// What the check reports after the rung.
        Verified = "verified",
        /// The monitoring engine was notified.
        Notified = "notified",
        /// The monitoring engine could not be notified.
        NotNotified = "not-notified",
        /// A step of an older version that has no kind of its own.
        Note = "note",
    }
}

impl StepKind {
    /// Whether it shows that a rung ran, or may have.
    pub fn may_have_run(self) -> bool {
        match self {
            StepKind::Ran | StepKind::Failed | StepKind::Unknown => true,
            StepKind::Evidence
            | StepKind::Begun
            | StepKind::NotRun
            | StepKind::Refused
            | StepKind::Verified
            | StepKind::Notified
            | StepKind::NotNotified
            | StepKind::Note => false,
        }
    }
}

/// A rung that is about to be taken.
#[derive(Debug, Clone, Copy)]
pub struct RungStart<'a> {
    /// Its place in the ladder, from 1.
    pub number: u32,
    /// The host whose gate runs it; `None` for a program of this server.
    pub gate: Option<&'a str>,
    /// When it is over at the latest.
    pub deadline: SystemTime,
}

/// Whether a repair runs, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairState {
    /// It has no end yet.
    Running,
    /// It has ended.
    Ended(RepairOutcome),
}

impl RepairState {
    /// `running`, or the word of the outcome.
    pub fn as_str(self) -> &'static str {
        match self {
            RepairState::Running => "running",
            RepairState::Ended(outcome) => outcome.as_str(),
        }
    }

    /// All of them, as people meet them.
    pub const ALL: [RepairState; 5] = [
        RepairState::Ended(RepairOutcome::Healed),
        RepairState::Ended(RepairOutcome::NotHealed),
        RepairState::Ended(RepairOutcome::CouldNotRun),
        RepairState::Ended(RepairOutcome::Unknown),
        RepairState::Running,
    ];
}

/// A repair on record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its identity.
    pub job: String,
    /// The host's name in Nagios, spelled as [`policy::spell`] does, like all names here.
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
    /// The rung that was begun last, from 1; 0 before the first.
    pub rungs: u32,
    /// The host whose gate runs that rung; `None` for a program of this server.
    pub gate: Option<String>,
    /// When that rung is over at the latest; `None` before the first.
    pub rung_until: Option<SystemTime>,
    /// `$SERVICEPROBLEMID$` or `$HOSTPROBLEMID$`, constant over one problem of Nagios.
    pub problem: Option<String>,
}

impl Record {
    /// Whether it runs, or how it ended.
    pub fn state(&self) -> RepairState {
        self.outcome.map_or(RepairState::Running, RepairState::Ended)
    }

    /// How long it took; `None` while it runs.
    pub fn took(&self) -> Option<Duration> {
        self.ended.map(|ended| ended.duration_since(self.reserved).unwrap_or_default())
    }
}

/// One step of a repair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub at: SystemTime,
    /// What it is.
    pub kind: StepKind,
    /// The rung it belongs to, from 1; `None` when it belongs to none.
    pub rung: Option<u32>,
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
    /// Why.
    pub reason: RecordedReason,
    /// The sentence.
    pub text: String,
}

/// The code of a reason as it is on record. An older version may have written one that this version
/// does not know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordedReason(String);

impl RecordedReason {
    /// The code; `None` when this version does not know it.
    pub fn code(&self) -> Option<ReasonCode> {
        ReasonCode::from_word(&self.0)
    }

    /// The word of the record.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for RecordedReason {
    fn from(word: String) -> RecordedReason {
        RecordedReason(word)
    }
}

/// A repair that has not ended by the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// The record.
    pub record: Record,
    /// Whether its worker lives; when that cannot be told, it does.
    pub alive: bool,
}

/// A breaker that an admin closed by hand: what is on record before it belongs to no incident any
/// more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// When.
    pub at: SystemTime,
    /// The host.
    pub host: String,
    /// The service of the host; `None` when it is about the host and all its services.
    pub service: Option<String>,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub reason: String,
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
