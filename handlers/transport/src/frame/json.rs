//! The JSON of a frame. Unknown members and values are errors, so an answer that is only partly
//! understood is refused.

use serde::Deserialize;

use crate::answer::{GateReason, JobState, Obstacle, Report};

/// The JSON object in a frame. Its member `answer` names the kind of answer.
#[derive(Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
pub(super) enum Frame {
    Repair(JobFrame),
    Status(JobFrame),
    Diagnose(DiagnoseFrame),
    Ready(ReadyFrame),
    Usage(UsageFrame),
    List(ListFrame),
    Version(VersionFrame),
    Refused(RefusedFrame),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JobFrame {
    pub(super) host: String,
    pub(super) job: String,
    pub(super) repair: String,
    pub(super) state: JobState,
    pub(super) exit: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) seconds: f64,
    pub(super) started: i64,
    pub(super) output: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DiagnoseFrame {
    pub(super) host: String,
    pub(super) repair: String,
    pub(super) reports: Vec<Report>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadyFrame {
    #[serde(rename = "host")]
    _host: String,
    pub(super) repair: String,
    pub(super) time: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageFrame {
    #[serde(rename = "host")]
    _host: String,
    pub(super) repairs: Vec<UsedFrame>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsedFrame {
    pub(super) repair: String,
    pub(super) records: u64,
    pub(super) most: u64,
    pub(super) room_in: Option<f64>,
    pub(super) obstacle: Option<Obstacle>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListFrame {
    #[serde(rename = "host")]
    _host: String,
    pub(super) repairs: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionFrame {
    #[serde(rename = "host")]
    _host: String,
    pub(super) version: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefusedFrame {
    pub(super) host: String,
    pub(super) reason: GateReason,
    pub(super) text: String,
    pub(super) job: Option<String>,
    pub(super) running: Option<String>,
    pub(super) retry_after: Option<f64>,
}
