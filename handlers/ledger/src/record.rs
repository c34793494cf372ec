//! The records in the ledger: repairs, their steps, refusals, resets and pauses.

use std::time::{Duration, SystemTime};

use policy::{Event, Horizon, JobId, Observation, Reason, ReasonCode, object_name, words};
use serde::{Deserialize, Serialize};

/// A request to reserve a repair.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// ID of the job that requests the repair.
    pub job: &'a JobId,
    /// Event that the repair is requested for.
    pub event: &'a Event,
    /// Maximum duration of the whole repair. After this time, a repair whose worker is dead counts
    /// as ended even if its gate does not answer.
    pub lease: Duration,
    /// How far back the decision looks.
    pub horizon: Horizon,
    /// State of the object in the monitoring engine; `None` if the policy does not configure where
    /// to read it.
    pub observed: Option<Observation>,
}

words! {
    /// How a repair ended. The ledger stores each variant as a word.
    #[derive(Serialize, Deserialize)]
    pub enum RepairOutcome {
        /// A rung ran, and the check after it is OK.
        Healed = "healed",
        /// Every rung was tried, but the fault is still there.
        NotHealed = "not-healed",
        /// No rung could be run, so nothing was changed.
        CouldNotRun = "could-not-run",
        /// A repair may have run, but its result is unknown.
        Unknown = "unknown",
    }
}

words! {
    /// What happened in a step of a repair. The ledger stores each variant as a word.
    #[derive(Serialize, Deserialize)]
    pub enum StepKind {
        /// The gate collected evidence before anything was changed.
        Evidence = "evidence",
        /// A rung is about to run.
        Begun = "begun",
        /// The rung ran and reported success.
        Ran = "ran",
        /// The rung ran and reported a failure.
        Failed = "failed",
        /// The rung certainly did not run.
        NotRun = "not-run",
        /// The gate refused the rung.
        Refused = "refused",
        /// The rung may have run.
        Unknown = "unknown",
        /// The check ran after the rung and reported its result.
        Verified = "verified",
        /// The monitoring engine was notified.
        Notified = "notified",
        /// The monitoring engine could not be notified.
        NotNotified = "not-notified",
        /// A step of an unknown kind, for example one recorded by an older version.
        Note = "note",
    }
}

impl StepKind {
    /// Whether a step of this kind shows that a rung ran or may have run.
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

/// A rung that is about to run.
#[derive(Debug, Clone, Copy)]
pub struct RungStart<'a> {
    /// Position of the rung in the ladder, counted from 1.
    pub number: u32,
    /// Host whose gate runs the rung; `None` if the rung is a program on this server.
    pub gate: Option<&'a str>,
    /// Time by which the rung must end.
    pub deadline: SystemTime,
}

/// Whether a repair is running, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairState {
    /// The repair has no recorded end.
    Running,
    /// The repair ended with this outcome.
    Ended(RepairOutcome),
}

impl RepairState {
    /// Returns `running`, or the word for the outcome.
    pub fn as_str(self) -> &'static str {
        match self {
            RepairState::Running => "running",
            RepairState::Ended(outcome) => outcome.as_str(),
        }
    }

    /// All states, in the order in which they are displayed to a user.
    pub const ALL: [RepairState; 5] = [
        RepairState::Ended(RepairOutcome::Healed),
        RepairState::Ended(RepairOutcome::NotHealed),
        RepairState::Ended(RepairOutcome::CouldNotRun),
        RepairState::Ended(RepairOutcome::Unknown),
        RepairState::Running,
    ];
}

/// What the ledger recorded about one repair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// ID of the job that ran the repair.
    pub job: String,
    /// Name of the host in Nagios. This and all other names in the records are encoded by
    /// [`policy::spell`].
    pub host: String,
    /// Description of the service; `None` for a repair of the host itself.
    pub service: Option<String>,
    /// Name of the repair in the policy.
    pub repair: String,
    /// Event that caused the repair, as in the Nagios log, for example `CRITICAL;SOFT;3`.
    pub event: String,
    /// When the repair was reserved.
    pub reserved: SystemTime,
    /// When the repair ended; `None` while it is running.
    pub ended: Option<SystemTime>,
    /// Outcome; `None` while the repair is running.
    pub outcome: Option<RepairOutcome>,
    /// A sentence that describes how the repair ended; empty while it is running.
    pub text: String,
    /// Number of the rung that started last, counted from 1; 0 before the first rung.
    pub rungs: u32,
    /// Host whose gate runs the rung that started last; `None` if that rung is a program on this
    /// server.
    pub gate: Option<String>,
    /// Deadline of the rung that started last; `None` before the first rung.
    pub rung_until: Option<SystemTime>,
    /// `$SERVICEPROBLEMID$` or `$HOSTPROBLEMID$`, which stays the same as long as the problem
    /// lasts; `None` if Nagios did not pass it.
    pub problem: Option<String>,
}

impl Record {
    /// Returns the name of the repaired object, for messages: `web1`, or `web1/HTTP`.
    pub fn object(&self) -> String {
        object_name(&self.host, self.service.as_deref())
    }

    /// Returns whether the repair is running, or how it ended.
    pub fn state(&self) -> RepairState {
        self.outcome.map_or(RepairState::Running, RepairState::Ended)
    }

    /// Returns how long the repair took, or `None` while it is running.
    pub fn took(&self) -> Option<Duration> {
        self.ended.map(|ended| ended.duration_since(self.reserved).unwrap_or_default())
    }
}

/// One recorded step of a repair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When the step was recorded.
    pub at: SystemTime,
    /// Kind of the step; [`StepKind::Note`] if this version does not know the recorded word.
    pub kind: StepKind,
    /// Number of the rung that the step belongs to, counted from 1; `None` if it belongs to no
    /// rung.
    pub rung: Option<u32>,
    /// Description for the user, for example the output of the check.
    pub text: String,
}

/// The record of a repair that was refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// When the repair was refused.
    pub at: SystemTime,
    /// Name of the host in Nagios.
    pub host: String,
    /// Description of the service; `None` for the host itself.
    pub service: Option<String>,
    /// Event that was refused, for example `CRITICAL;SOFT;3`.
    pub event: String,
    /// Code of the reason for the refusal.
    pub reason: RecordedReason,
    /// The reason as a sentence for the user.
    pub text: String,
}

/// A recorded reason code. Another version may have written a code that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordedReason(String);

impl RecordedReason {
    /// Returns the code, or `None` if this version does not know it.
    pub fn code(&self) -> Option<ReasonCode> {
        ReasonCode::from_word(&self.0)
    }

    /// Returns the code as recorded, whether this version knows it or not.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for RecordedReason {
    fn from(word: String) -> RecordedReason {
        RecordedReason(word)
    }
}

/// A repair without a recorded end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// What is recorded about the repair so far.
    pub record: Record,
    /// Whether any process of the repair is alive; `true` if that cannot be determined.
    pub alive: bool,
    /// Whether this server reserved the repair. Only then does `alive` show the state of the
    /// repair's processes. For a repair of another server, only the lease is known.
    pub is_ours: bool,
}

/// A manual reset of a breaker by an admin. Repairs and refusals before the reset no longer count
/// towards an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reset {
    /// When the breaker was reset.
    pub at: SystemTime,
    /// Name of the host in Nagios.
    pub host: String,
    /// Description of the service; `None` if the reset covers the host and all its services.
    pub service: Option<String>,
    /// User who reset the breaker.
    pub by: String,
    /// Reason that the user gave.
    pub reason: String,
}

/// A pause of all repairs, or of the repairs of one host or one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Name of the paused host; `None` if everything is paused.
    pub host: Option<String>,
    /// Description of the paused service; `None` if the whole host is paused.
    pub service: Option<String>,
    /// User who paused repairs.
    pub by: String,
    /// Reason that the user gave.
    pub reason: String,
    /// When the pause started.
    pub since: SystemTime,
    /// When the pause ends; `None` if it lasts until a user resumes repairs.
    pub until: Option<SystemTime>,
}

impl Paused {
    /// Returns what is paused, for messages: `everything`, `web1` or `web1/HTTP`.
    pub fn scope(&self) -> String {
        match &self.host {
            Some(host) => object_name(host, self.service.as_deref()),
            None => "everything".into(),
        }
    }

    /// Returns the pause as a reason to refuse a repair at the time `now`.
    pub fn as_reason(&self, now: SystemTime) -> Reason {
        Reason::Paused {
            by: self.by.clone(),
            reason: self.reason.clone(),
            left: self.until.map(|until| until.duration_since(now).unwrap_or_default()),
        }
    }
}
