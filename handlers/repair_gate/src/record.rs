//! The record of one job, and its JSON format in the state directory.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use crate::durations::fractional_seconds;
use crate::processes;
use crate::request::{Job, Name};
use crate::timestamps::{from_millis, to_millis, until};

/// Maximum size of a record in bytes. The output has at most 41 lines of 303 bytes, and JSON needs
/// at most two bytes for each byte.
pub(crate) const LARGEST_FILE: u64 = 64 * 1024;

/// How long a repair that could not be stopped keeps the host busy after its deadline. If a process
/// is still in the session of the repair after that time, it counts as a daemon, or as part of a
/// new session that has the same ID by chance.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(3600);

/// The facts that show whether a repair without a recorded end is still running.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now<'a> {
    pub(crate) time: SystemTime,
    /// Current boot ID.
    pub(crate) boot: &'a str,
    /// Function that returns whether the session with the given ID has a living process.
    pub(crate) lives: fn(u32) -> bool,
}

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunState {
    Running,
    Done,
    Failed,
    Timeout,
    /// The gate died or stopped waiting, so the result is not known. The job is not run again.
    Unknown,
}

const STATES: [(RunState, &str); 5] = [
    (RunState::Running, "running"),
    (RunState::Done, "done"),
    (RunState::Failed, "failed"),
    (RunState::Timeout, "timeout"),
    (RunState::Unknown, "unknown"),
];

impl RunState {
    /// Returns the word that stands for this state in records and answers.
    pub(crate) fn word(self) -> &'static str {
        STATES.iter().find(|(state, _)| *state == self).map_or("unknown", |(_, word)| word)
    }
}

/// The record of one job.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JobRecord {
    pub(crate) job: Job,
    pub(crate) repair: Name,
    pub(crate) state: RunState,
    pub(crate) started: SystemTime,
    /// Time by which the repair will certainly have been stopped.
    pub(crate) deadline: SystemTime,
    /// When the repair ended; `None` while it is running.
    pub(crate) ended: Option<SystemTime>,
    /// Boot ID at the start of the repair.
    pub(crate) boot: String,
    /// Process ID of the gate that ran the repair.
    pub(crate) pid: u32,
    /// Session ID of the gate and of the repair; 0 if it is not known.
    pub(crate) session: u32,
    pub(crate) exit: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// Run time of the repair; zero in the record of a running repair.
    pub(crate) elapsed: Duration,
    pub(crate) output: Vec<String>,
}

impl JobRecord {
    /// Creates the record of a repair that starts now. After `longest_run`, the repair has
    /// certainly been stopped.
    pub(crate) fn beginning(
        job: Job,
        repair: Name,
        now: Now<'_>,
        longest_run: Duration,
    ) -> JobRecord {
        JobRecord {
            job,
            repair,
            state: RunState::Running,
            started: now.time,
            deadline: now.time + longest_run,
            ended: None,
            boot: now.boot.to_owned(),
            pid: std::process::id(),
            session: processes::own_session(),
            exit: None,
            signal: None,
            elapsed: Duration::ZERO,
            output: Vec::new(),
        }
    }

    /// Returns the state at `now`. After a reboot or after the deadline, a recorded "running"
    /// becomes "unknown", because the gate must have died. To be safe, the state stays "running" if
    /// the clock was set back. After the deadline, it also stays "running" while a process of the
    /// session is alive, because the process that enforces the timeout may have been killed
    /// together with the gate.
    pub(crate) fn state_at(&self, now: Now<'_>) -> RunState {
        let is_over = now.time > self.deadline;
        let lives = || now.time <= self.deadline + GIVEN_UP_AFTER && (now.lives)(self.session);
        let lost =
            self.state == RunState::Running && (self.boot != now.boot || is_over && !lives());
        if lost { RunState::Unknown } else { self.state }
    }

    /// Returns the record as the gate sends it in an answer: with the state at `now` and, if the
    /// repair is recorded as running, with its run time so far. A run time of more than 49 days
    /// (`u32::MAX` milliseconds) cannot be right, so the gate then sends 0.
    pub(crate) fn reported_at(self, now: Now<'_>) -> JobRecord {
        let running = until(now.time, self.started);
        let runs = self.state == RunState::Running && u32::try_from(running.as_millis()).is_ok();
        let elapsed = if runs { running } else { self.elapsed };
        JobRecord { state: self.state_at(now), elapsed, ..self }
    }

    /// Returns the latest time at which the repair may have been running.
    pub(crate) fn last_moment(&self) -> SystemTime {
        self.ended.unwrap_or(self.deadline)
    }

    /// Formats the record as JSON, for its file.
    pub(crate) fn to_json(&self) -> String {
        let record = json!({
            "job": self.job.as_str(), "repair": self.repair.as_str(), "state": self.state.word(),
            "started": to_millis(self.started), "deadline": to_millis(self.deadline),
            "ended": self.ended.map(to_millis), "boot": self.boot, "pid": self.pid,
            "session": self.session,
            "exit": self.exit, "signal": self.signal, "seconds": fractional_seconds(self.elapsed),
            "output": self.output,
        });
        format!("{record}\n")
    }

    /// Parses a record. Returns `None` if it is not in the format of [`JobRecord::to_json`].
    pub(crate) fn from_json(text: &str) -> Option<JobRecord> {
        let value: Value = serde_json::from_str(text).ok()?;
        let map = value.as_object()?;
        let word = map.get("state")?.as_str()?;
        let output = map.get("output")?.as_array()?.iter();
        let record = JobRecord {
            job: Job::new(map.get("job")?.as_str()?)?,
            repair: Name::new(map.get("repair")?.as_str()?)?,
            state: STATES.iter().find(|(_, known)| *known == word)?.0,
            started: time(map.get("started")?)?,
            deadline: time(map.get("deadline")?)?,
            ended: optional(map, "ended", time)?,
            boot: map.get("boot")?.as_str()?.to_owned(),
            pid: u32::try_from(map.get("pid")?.as_u64()?).ok()?,
            // Records of older gates lack this field. For them, use 0.
            session: u32::try_from(map.get("session").and_then(Value::as_u64).unwrap_or(0)).ok()?,
            exit: optional(map, "exit", small)?,
            signal: optional(map, "signal", small)?,
            elapsed: Duration::try_from_secs_f64(map.get("seconds")?.as_f64()?).ok()?,
            output: output.map(|line| line.as_str().map(str::to_owned)).collect::<Option<_>>()?,
        };
        let ended_if_it_should = record.ended.is_some() == (record.state != RunState::Running);
        (ended_if_it_should && record.deadline >= record.started).then_some(record)
    }
}

/// Parses a time in milliseconds since 1970.
fn time(value: &Value) -> Option<SystemTime> {
    value.as_u64().map(from_millis)
}

fn small(value: &Value) -> Option<i32> {
    i32::try_from(value.as_i64()?).ok()
}

/// Parses a field that must exist but can be null.
fn optional<T>(
    map: &Map<String, Value>,
    name: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Option<Option<T>> {
    match map.get(name)? {
        Value::Null => Some(None),
        value => read(value).map(Some),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Milliseconds in one second.
    pub(crate) const S: u64 = 1000;

    pub(crate) fn now(millis: u64) -> Now<'static> {
        Now { time: from_millis(millis), boot: "b1", lives: |_| false }
    }

    /// Returns a record of the repair `httpd`, with times in milliseconds.
    pub(crate) fn record(
        job: &str,
        state: RunState,
        started: u64,
        ended: Option<u64>,
    ) -> JobRecord {
        let (job, repair) = (Job::new(job).unwrap(), Name::new("httpd").unwrap());
        JobRecord {
            state,
            ended: ended.map(from_millis),
            ..JobRecord::beginning(job, repair, now(started), Duration::from_secs(75))
        }
    }

    #[test]
    fn parses_every_record_that_it_writes() {
        let mut written = record("20261123-aa", RunState::Failed, 5 * S, Some(6_500));
        (written.exit, written.elapsed) = (Some(3), Duration::from_millis(1500));
        written.output = vec!["no \"way\"".into(), "ü".into()];
        (written.pid, written.session) = (8589, 8588);
        let text = written.to_json();
        assert_eq!(
            text,
            "{\"boot\":\"b1\",\"deadline\":80000,\"ended\":6500,\"exit\":3,\"job\":\"20261123-aa\",\
             \"output\":[\"no \\\"way\\\"\",\"ü\"],\"pid\":8589,\"repair\":\"httpd\",\
             \"seconds\":1.5,\"session\":8588,\"signal\":null,\"started\":5000,\"state\":\"failed\"}\n"
        );
        assert_eq!(JobRecord::from_json(&text), Some(written));
    }

    #[test]
    fn accepts_the_largest_time_and_refuses_the_largest_run_time() {
        let far = record("20261123-aa", RunState::Running, u64::MAX - 75 * S, None);
        assert_eq!(JobRecord::from_json(&far.to_json()), Some(far.clone()));
        let endless = JobRecord { elapsed: Duration::MAX, ..far };
        assert_eq!(JobRecord::from_json(&endless.to_json()), None);
    }

    #[test]
    fn running_job_becomes_unknown_when_its_gate_died() {
        let running = record("20261123-aa", RunState::Running, 5 * S, None);
        assert_eq!(running.state_at(now(80 * S)), RunState::Running);
        assert_eq!(running.state_at(now(80 * S + 1)), RunState::Unknown);
        let alive = Now { lives: |_| true, ..now(80 * S + 1) };
        assert_eq!(running.state_at(alive), RunState::Running, "its command is alive");
        let later = Now { lives: |_| true, ..now(80 * S + 3_600_001) };
        assert_eq!(running.state_at(later), RunState::Unknown, "an hour later");
        let old = JobRecord { session: 0, ..running.clone() };
        let real = Now { lives: processes::any_in_session, ..now(80 * S + 1) };
        assert_eq!(old.state_at(real), RunState::Unknown, "a record of an older version");
        let rebooted = Now { boot: "b2", lives: |_| true, ..now(6 * S) };
        assert_eq!(running.state_at(rebooted), RunState::Unknown);
        assert_eq!(running.state_at(now(S)), RunState::Running, "the clock went back");
        let done = record("20261123-aa", RunState::Done, 5 * S, Some(6 * S));
        assert_eq!(done.state_at(Now { boot: "b2", ..now(u64::MAX) }), RunState::Done);
    }

    #[test]
    fn reports_run_time_of_running_repair() {
        let elapsed = |state, millis| {
            record("20261123-aa", state, 5 * S, None).reported_at(now(millis)).elapsed
        };
        assert_eq!(elapsed(RunState::Running, 6_500), Duration::from_millis(1500));
        assert_eq!(elapsed(RunState::Running, S), Duration::ZERO, "the clock went back");
        assert_eq!(elapsed(RunState::Running, u64::MAX), Duration::ZERO);
        assert_eq!(elapsed(RunState::Done, 6_500), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn refuses_truncated_record_and_never_panics_on_changed_one(
            at in 0usize..200, byte in any::<u8>()
        ) {
            let text = record("20261123-aa", RunState::Running, 5 * S, None).to_json();
            let at = at.min(text.len() - 1);
            prop_assert_eq!(JobRecord::from_json(&text[..at.min(text.len() - 2)]), None);
            let mut bytes = text.into_bytes();
            bytes[at] = byte;
            let _ = JobRecord::from_json(&String::from_utf8_lossy(&bytes));
        }
    }
}
