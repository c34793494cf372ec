//! The types of a gate's answers. [`crate::frame`] parses them.

use std::time::Duration;

use policy::{JobId, RepairName, Rounded};
use serde::Deserialize;

/// A gate's answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The gate's record of the job named in a `repair` or `status` request.
    Job(JobReport),
    /// The output of the commands that `diagnose` ran.
    Diagnosed(Diagnosis),
    /// The gate was ready to run the repair when it answered.
    Ready {
        /// The time on the host's clock, in seconds since 1970.
        time: i64,
    },
    /// For each of the gate's repairs, how much of its limits is used up.
    Usage(Vec<Usage>),
    /// The names of the gate's repairs. Each one is a valid [`RepairName`].
    Repairs(Vec<String>),
    /// The version of the gate, at most 40 characters.
    Version(String),
    /// The gate refused the request and ran nothing for it.
    Refused(GateRefusal),
}

/// The gate's record of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobReport {
    /// ID of the job, the same as in the request.
    pub job: JobId,
    /// Name of the repair that the job runs.
    pub repair: RepairName,
    /// State of the job when the gate answered.
    pub state: JobState,
    /// Exit code of the repair, or `None` if it did not exit by itself.
    pub exit: Option<i32>,
    /// Number of the signal that ended the repair, if any.
    pub signal: Option<i32>,
    /// How long the job ran, in seconds. If the job is still running, how long it has run so far.
    pub seconds: f64,
    /// When the job started, according to the host's clock, in seconds since 1970.
    pub started: i64,
    /// The first and last lines of the repair's output, without control characters.
    pub output: Vec<String>,
    /// Host name that the host itself reports. For display only.
    pub host: String,
}

/// Whether a job is running, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// The repair exited with code 0.
    Done,
    /// The repair exited with another code, or a signal ended it.
    Failed,
    /// The gate stopped the repair at its timeout.
    Timeout,
    /// The repair is still running.
    Running,
    /// The gate died during the repair. The outcome is unknown, and the gate does not run the job
    /// again.
    Unknown,
}

/// What a repair's diagnostic commands printed.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnosis {
    /// Name of the repair in the request.
    pub repair: RepairName,
    /// One report for each command, in the order in which the commands ran.
    pub reports: Vec<Report>,
    /// Host name that the host itself reports. For display only.
    pub host: String,
}

/// How much of its limits a repair has used up.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// Name of the repair in the gate's repairs.json.
    pub repair: RepairName,
    /// How many records of this repair the gate must keep.
    pub records: u64,
    /// Maximum number of records. The gate refuses the repair when `records` reaches this number.
    pub most: u64,
    /// Seconds until the gate can delete the oldest record, or `None` if there are no records.
    pub room_in: Option<f64>,
    /// Why the gate would refuse the repair now, or `None` if it would run the repair.
    pub obstacle: Option<Obstacle>,
}

impl Usage {
    /// Returns a warning if `records` is at least 90 % of `most`, but has not reached it. At
    /// `most`, the gate reports an [`Obstacle`] instead.
    pub fn nearly_full(&self) -> Option<String> {
        let room = self.room_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())?;
        let Usage { repair, records, most, .. } = self;
        (most.saturating_mul(9) / 10..*most).contains(records).then(|| {
            format!(
                "{repair} has used {records} of its {most} records, and the gate will refuse it \
                 when all are used; the gate frees the next record in {}",
                Rounded(room)
            )
        })
    }
}

/// Why a gate would refuse a repair now.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Obstacle {
    /// Reason code of the refusal.
    pub reason: GateReason,
    /// Why the gate would refuse the repair, in one sentence.
    pub text: String,
    /// Seconds until the repair may be requested again. Present if the reason is a cooldown, a
    /// used-up budget or too many records.
    pub retry_after: Option<f64>,
}

/// The output of one diagnostic command.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The command and its arguments.
    pub run: Vec<String>,
    /// Exit code of the command, or `None` if the gate or a signal stopped it.
    pub exit: Option<i32>,
    /// The first and last lines of the command's output, without control characters.
    pub output: Vec<String>,
}

/// A gate's answer when it refuses a request.
#[derive(Debug, Clone, PartialEq)]
pub struct GateRefusal {
    /// Reason code of the refusal.
    pub reason: GateReason,
    /// Why the gate refused the request, in one sentence.
    pub text: String,
    /// ID of the requested job, if the gate could parse it.
    pub job: Option<JobId>,
    /// ID of the running job. Present for [`GateReason::Busy`].
    pub running: Option<JobId>,
    /// Seconds until the repair may be requested again. Present if the reason is a cooldown, a
    /// used-up budget or too many records.
    pub retry_after: Option<f64>,
    /// Host name that the host itself reports. For display only.
    pub host: String,
}

impl GateRefusal {
    /// Whether the gate may accept the request if it is sent again later.
    pub fn is_passing(&self) -> bool {
        self.reason == GateReason::Busy || self.retry_after.is_some()
    }
}

/// Reason codes of a gate's refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateReason {
    /// The gate does not support the request.
    BadRequest,
    /// The gate's repairs.json does not define the repair.
    UnknownRepair,
    /// Another repair is running.
    Busy,
    /// The last run of the repair was too recent.
    Cooldown,
    /// The repair has used up its budget of runs for the time window.
    Budget,
    /// An admin has suspended repairs on this host for maintenance.
    Held,
    /// The gate's repairs.json is missing or malformed, or another account could change it.
    Config,
    /// The gate's records are damaged or read-only. If `retry_after` is set, the repair has too
    /// many records instead.
    State,
    /// The gate has no record of a job with this ID.
    NoSuchJob,
}

impl GateReason {
    /// Returns the code as it is written in the JSON member `reason` of an answer.
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
