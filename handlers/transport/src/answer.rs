//! The framed answer: which bytes from a host are believed. Pure; a hostile host may send anything.
//!
//! A gate writes exactly one line, `SHN1 ` and one JSON object. Other lines (a banner, an rc file's chatter) are passed
//! over; two frames, an unknown shape, or an answer to another question are not an answer.

use policy::{JobId, RepairName};
use serde::Deserialize;

use crate::Request;

/// What begins the one line of a gate's answer.
const FRAME: &[u8] = b"SHN1 ";

/// How much of a bad answer is shown to a reader.
const SHOWN: usize = 160;

/// What a gate answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The record of the job that was asked for, by `repair` or `status`.
    Job(JobReport),
    /// The evidence `diagnose` gathered.
    Diagnosed(Diagnosis),
    /// The names of the gate's repairs, each one a [`RepairName`].
    Repairs(Vec<String>),
    /// The gate's version.
    Version(String),
    /// The gate says no, and why; nothing was run for this question.
    Refused(Refusal),
}

/// A job as the gate recorded it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobReport {
    /// The job that was asked for.
    pub job: JobId,
    /// The repair it ran.
    pub repair: RepairName,
    /// How it stands.
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

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Exit code 0.
    Done,
    /// Another exit code, or a signal.
    Failed,
    /// Stopped by the gate at the repair's timeout.
    Timeout,
    /// Still at it.
    Running,
    /// The gate died while it ran. Nobody knows how it ended; it is not run again.
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

/// What one diagnostic command printed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// The command with its arguments.
    pub run: Vec<String>,
    /// Its exit code; none if it was stopped.
    pub exit: Option<i32>,
    /// First and last lines of what it printed, without control characters.
    pub output: Vec<String>,
}

/// Why a gate said no.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The kind of refusal.
    pub reason: Reason,
    /// One sentence for a person.
    pub text: String,
    /// The job that was asked for, if the gate named it.
    pub job: Option<JobId>,
    /// The job in the way, when busy.
    pub running: Option<JobId>,
    /// Seconds until it may be asked again, for cooldown and budget.
    pub retry_after: Option<f64>,
    /// The host's own name for itself; information only.
    pub host: String,
}

/// The kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Not one of the gate's words.
    BadRequest,
    /// The gate's file has no such repair.
    UnknownRepair,
    /// Another repair is running.
    Busy,
    /// Too soon after the last one.
    Cooldown,
    /// Too many in the window.
    Budget,
    /// Somebody holds repairs on this host (maintenance).
    Held,
    /// The gate's file is missing, malformed or not safe.
    Config,
    /// The gate's memory is damaged, full or read-only.
    State,
    /// No job of that name is on record.
    NoSuchJob,
}

impl Reason {
    /// The word of the answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::BadRequest => "bad-request",
            Reason::UnknownRepair => "unknown-repair",
            Reason::Busy => "busy",
            Reason::Cooldown => "cooldown",
            Reason::Budget => "budget",
            Reason::Held => "held",
            Reason::Config => "config",
            Reason::State => "state",
            Reason::NoSuchJob => "no-such-job",
        }
    }
}

/// The JSON of a frame. Unknown members and unknown values are errors: what is not understood is not believed.
#[derive(Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase")]
enum Frame {
    Repair(JobFrame),
    Status(JobFrame),
    Diagnose(DiagnoseFrame),
    List(ListFrame),
    Version(VersionFrame),
    Refused(RefusedFrame),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JobFrame {
    host: String,
    job: String,
    repair: String,
    state: JobState,
    exit: Option<i32>,
    signal: Option<i32>,
    seconds: f64,
    started: i64,
    output: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DiagnoseFrame {
    host: String,
    repair: String,
    reports: Vec<Report>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListFrame {
    #[serde(rename = "host")]
    _host: String,
    repairs: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionFrame {
    #[serde(rename = "host")]
    _host: String,
    version: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RefusedFrame {
    host: String,
    reason: Reason,
    text: String,
    job: Option<String>,
    running: Option<String>,
    retry_after: Option<f64>,
}

/// Finds the one frame in what the gate's side wrote to stdout and reads it as the answer to `request`. The error is why
/// there is none, for a reader: one line, cleaned and short.
pub fn read_answer(request: &Request, stdout: &[u8]) -> Result<Answer, String> {
    let mut frames = stdout.split_inclusive(|b| *b == b'\n').filter_map(|line| line.strip_prefix(FRAME));
    let (first, second) = (frames.next(), frames.next());
    match (first, second) {
        (Some(frame), None) => parse(request, frame),
        (Some(_), Some(_)) => Err("it holds more than one frame".into()),
        (None, _) if stdout.is_empty() => Err("it is empty".into()),
        (None, _) => Err(format!("it is not framed: '{}'", excerpt(stdout))),
    }
}

fn parse(request: &Request, frame: &[u8]) -> Result<Answer, String> {
    let json = frame.strip_suffix(b"\n").ok_or("its frame is cut short")?;
    let frame = serde_json::from_slice(json).map_err(|e| format!("its frame is malformed ({})", clean(&e.to_string())))?;
    match (request, frame) {
        (Request::Repair { name, job }, Frame::Repair(frame)) => {
            let report = job_report(frame, job)?;
            same("repair", name.as_str(), report.repair.as_str())?;
            Ok(Answer::Job(report))
        }
        (Request::Status { job }, Frame::Status(frame)) => Ok(Answer::Job(job_report(frame, job)?)),
        (Request::Diagnose { name }, Frame::Diagnose(frame)) => diagnosis(frame, name),
        (Request::List, Frame::List(frame)) => repairs(frame),
        (Request::Version, Frame::Version(frame)) => Ok(Answer::Version(clean(&frame.version))),
        (_, Frame::Refused(frame)) => refusal(frame, request),
        _ => Err("it answers another question".into()),
    }
}

fn same(what: &str, asked: &str, given: &str) -> Result<(), String> {
    if asked == given { Ok(()) } else { Err(format!("it is about {what} '{}', not '{asked}'", excerpt(given.as_bytes()))) }
}

fn job_report(frame: JobFrame, asked: &JobId) -> Result<JobReport, String> {
    same("job", asked.as_str(), &frame.job)?;
    if frame.state == JobState::Done && (frame.exit != Some(0) || frame.signal.is_some()) {
        return Err("it contradicts itself: done, but not with exit code 0".into());
    }
    if !frame.seconds.is_finite() || frame.seconds < 0.0 {
        return Err("its 'seconds' is not a duration".into());
    }
    Ok(JobReport {
        job: asked.clone(),
        repair: name(&frame.repair)?,
        state: frame.state,
        exit: frame.exit,
        signal: frame.signal,
        seconds: frame.seconds,
        started: frame.started,
        output: clean_all(&frame.output),
        host: clean(&frame.host),
    })
}

fn diagnosis(frame: DiagnoseFrame, asked: &RepairName) -> Result<Answer, String> {
    same("repair", asked.as_str(), &frame.repair)?;
    let cleaned = |r: Report| Report { run: clean_all(&r.run), exit: r.exit, output: clean_all(&r.output) };
    let reports = frame.reports.into_iter().map(cleaned).collect();
    Ok(Answer::Diagnosed(Diagnosis { repair: asked.clone(), reports, host: clean(&frame.host) }))
}

fn repairs(frame: ListFrame) -> Result<Answer, String> {
    frame.repairs.iter().try_for_each(|repair| name(repair).map(drop))?;
    Ok(Answer::Repairs(frame.repairs))
}

fn refusal(frame: RefusedFrame, request: &Request) -> Result<Answer, String> {
    // A gate that could not make out the job cannot name it; one that names another job answers somebody else.
    let job = match (request, frame.job) {
        (Request::Repair { job, .. } | Request::Status { job }, Some(given)) => {
            same("job", job.as_str(), &given)?;
            Some(job.clone())
        }
        (_, Some(given)) => return Err(format!("it is about job '{}', and no job was asked for", excerpt(given.as_bytes()))),
        (_, None) => None,
    };
    let running = frame.running.map(|job| job.parse::<JobId>().map_err(|e| e.to_string())).transpose()?;
    if frame.retry_after.is_some_and(|seconds| !seconds.is_finite() || seconds < 0.0) {
        return Err("its 'retry_after' is not a duration".into());
    }
    let (reason, text, retry_after) = (frame.reason, clean(&frame.text), frame.retry_after);
    Ok(Answer::Refused(Refusal { reason, text, job, running, retry_after, host: clean(&frame.host) }))
}

fn name(text: &str) -> Result<RepairName, String> {
    text.parse().map_err(|e: policy::BadName| e.to_string())
}

fn clean_all(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| clean(line)).collect()
}

/// Text from a host, safe to log and to print on a terminal: no control characters (which end lines, begin escape
/// sequences), nothing that reorders what is read.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\t' {
                ' '
            } else if is_unsafe(c) {
                '?'
            } else {
                c
            }
        })
        .collect()
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The beginning of what a host sent, cleaned, for a message.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let head = bytes.get(..SHOWN * 4).unwrap_or(bytes);
    let text = String::from_utf8_lossy(head);
    let mut shown: String = clean(text.trim()).chars().take(SHOWN).collect();
    if text.trim().chars().count() > SHOWN || head.len() < bytes.len() {
        shown.push('…');
    }
    shown
}
