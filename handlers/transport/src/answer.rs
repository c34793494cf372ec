//! The types of a gate's answers. [`crate::frame`] reads them from bytes.

use std::time::Duration;

use policy::{JobId, RepairName, Rounded};
use serde::Deserialize;

/// The answer of a gate.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The record of the job that `repair` or `status` named.
    Job(JobReport),
    /// The evidence `diagnose` gathered.
    Diagnosed(Diagnosis),
    /// The repair could run now.
    Ready {
        /// The host's clock, in seconds since 1970.
        time: i64,
    },
    /// Each of the gate's repairs and its limits.
    Usage(Vec<Usage>),
    /// The names of the gate's repairs, each one a [`RepairName`].
    Repairs(Vec<String>),
    /// The gate's version.
    Version(String),
    /// The gate refuses. Nothing was run for this request.
    Refused(GateRefusal),
}

/// A job as the gate recorded it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobReport {
    /// The job's ID.
    pub job: JobId,
    /// The repair it ran.
    pub repair: RepairName,
    /// Its state.
    pub state: JobState,
    /// The exit code of the repair, if it has exited.
    pub exit: Option<i32>,
    /// The signal that ended the repair, if one did.
    pub signal: Option<i32>,
    /// How long it took, or has been running.
    pub seconds: f64,
    /// When it started, in seconds since 1970.
    pub started: i64,
    /// First and last lines of what it printed, without control characters.
    pub output: Vec<String>,
    /// The host's own name for itself; information only.
    pub host: String,
}

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Exit code 0.
    Done,
    /// Another exit code, or a signal.
    Failed,
    /// Stopped by the gate at the repair's timeout.
    Timeout,
    /// Not ended yet.
    Running,
    /// The gate died while it ran. Its end is unknown, and it is not run again.
    Unknown,
}

/// The evidence gathered for a repair.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// The repair it belongs to.
    pub repair: RepairName,
    /// One for each command, in their order.
    pub reports: Vec<Report>,
    /// The host's own name for itself; information only.
    pub host: String,
}

/// How much of its limits a repair has used.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// The repair.
    pub repair: RepairName,
    /// The number of its records that the gate has to keep.
    pub records: u64,
    /// The limit of records. With `most` records the repair is refused.
    pub most: u64,
    /// Seconds until the oldest record makes room; `None` without records.
    pub room_in: Option<f64>,
    /// Why the gate would refuse the repair now, if it would.
    pub obstacle: Option<Obstacle>,
}

impl Usage {
    /// Returns a sentence for a person if nine of ten records are used, or more but not all: all of
    /// them are an obstacle.
    pub fn nearly_full(&self) -> Option<String> {
        let room = self.room_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())?;
        let Usage { repair, records, most, .. } = self;
        (most.saturating_mul(9) / 10..*most).contains(records).then(|| {
            format!(
                "{repair} has used {records} of its {most} records, beyond which it is refused; \
                 one is free again in {}",
                Rounded(room)
            )
        })
    }
}

/// Why a repair would be refused now.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Obstacle {
    /// The kind of refusal.
    pub reason: GateReason,
    /// One sentence for a person.
    pub text: String,
    /// Seconds until it may be requested again, for cooldown, budget and a full record.
    pub retry_after: Option<f64>,
}

/// What one diagnostic command printed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The command with its arguments.
    pub run: Vec<String>,
    /// Its exit code; `None` if it was stopped.
    pub exit: Option<i32>,
    /// First and last lines of what it printed, without control characters.
    pub output: Vec<String>,
}

/// Why a gate refuses a request.
#[derive(Debug, Clone, PartialEq)]
pub struct GateRefusal {
    /// The kind of refusal.
    pub reason: GateReason,
    /// One sentence for a person.
    pub text: String,
    /// The requested job, if the gate named it.
    pub job: Option<JobId>,
    /// The job in the way, when busy.
    pub running: Option<JobId>,
    /// Seconds until it may be requested again, for cooldown, budget and a full record.
    pub retry_after: Option<f64>,
    /// The host's own name for itself; information only.
    pub host: String,
}

impl GateRefusal {
    /// Whether it ends by itself.
    pub fn is_passing(&self) -> bool {
        self.reason == GateReason::Busy || self.retry_after.is_some()
    }
}

/// The kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateReason {
    /// The request is not one that the gate knows.
    BadRequest,
    /// The gate's file has no such repair.
    UnknownRepair,
    /// Another repair is running.
    Busy,
    /// Too soon after the last one.
    Cooldown,
    /// Too many in the window.
    Budget,
    /// An admin holds repairs on this host (maintenance).
    Held,
    /// The gate's file is missing, malformed or not safe.
    Config,
    /// The gate's memory is damaged or read-only; or, with a `retry_after`, full for this repair.
    State,
    /// No job with this ID is on record.
    NoSuchJob,
}

impl GateReason {
    /// Returns the word of the answer.
    pub fn as_str(self) -> &'static str {
        match self {
            GateReason::BadRequest => "bad-request",
            GateReason::UnknownRepair => "unknown-repair",
            GateReason::Busy => "busy",
            GateReason::Cooldown => "cooldown",
            GateReason::Budget => "budget",
            GateReason::Held => "held",
            GateReason::Config => "config",
            GateReason::State => "state",
            GateReason::NoSuchJob => "no-such-job",
        }
    }
}
