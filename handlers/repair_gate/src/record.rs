//! The record of one job: what is known of a repair, as it stands in the state directory. Pure:
//! text in, record out.

use serde_json::{Map, Value, json};

use crate::request::{Job, Name};

/// More than a record can need: 41 lines of 303 bytes, each byte at most two of JSON.
pub(crate) const LARGEST_FILE: u64 = 64 * 1024;

/// What has become of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunState {
    Running,
    Done,
    Failed,
    Timeout,
    /// The gate died, or stopped waiting: nobody knows how it ended. It is not run again.
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
    /// The word for it in records and answers.
    pub(crate) fn word(self) -> &'static str {
        STATES.iter().find(|(state, _)| *state == self).map_or("unknown", |(_, word)| word)
    }
}

/// One job. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct JobRecord {
    pub(crate) job: Job,
    pub(crate) repair: Name,
    pub(crate) state: RunState,
    pub(crate) started: u64,
    /// When it will certainly have been stopped.
    pub(crate) deadline: u64,
    pub(crate) ended: Option<u64>,
    /// The boot it was started in.
    pub(crate) boot: String,
    pub(crate) pid: u32,
    pub(crate) exit: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) seconds: f64,
    pub(crate) output: Vec<String>,
}

impl JobRecord {
    /// The record of a repair that is about to start.
    pub(crate) fn beginning(
        job: Job,
        repair: Name,
        started: u64,
        deadline: u64,
        boot: String,
    ) -> JobRecord {
        let pid = std::process::id();
        let (state, seconds, output) = (RunState::Running, 0.0, Vec::new());
        JobRecord {
            job,
            repair,
            state,
            started,
            deadline,
            ended: None,
            boot,
            pid,
            exit: None,
            signal: None,
            seconds,
            output,
        }
    }

    /// The state as it must be taken now: one that "runs" past its deadline, or since before the
    /// last boot, has lost its gate. A clock that went back leaves it running, which is the careful
    /// reading.
    pub(crate) fn state_at(&self, now: u64, boot: &str) -> RunState {
        let lost = self.state == RunState::Running && (self.boot != boot || now > self.deadline);
        if lost { RunState::Unknown } else { self.state }
    }

    /// How long it ran, or has been running.
    pub(crate) fn seconds_at(&self, now: u64) -> f64 {
        match u32::try_from(now.saturating_sub(self.started)) {
            Ok(millis) if self.state == RunState::Running => f64::from(millis) / 1000.0,
            _ => self.seconds,
        }
    }

    /// The last moment at which it may have been running.
    pub(crate) fn last_moment(&self) -> u64 {
        self.ended.unwrap_or(self.deadline)
    }

    pub(crate) fn to_json(&self) -> String {
        let record = json!({
            "job": self.job.as_str(), "repair": self.repair.as_str(), "state": self.state.word(), "started": self.started,
            "deadline": self.deadline, "ended": self.ended, "boot": self.boot, "pid": self.pid, "exit": self.exit,
            "signal": self.signal, "seconds": self.seconds, "output": self.output,
        });
        format!("{record}\n")
    }

    /// Reads a record; `None` if anything in it is not as [`JobRecord::to_json`] writes it.
    pub(crate) fn from_json(text: &str) -> Option<JobRecord> {
        let value: Value = serde_json::from_str(text).ok()?;
        let map = value.as_object()?;
        let word = map.get("state")?.as_str()?;
        let record = JobRecord {
            job: Job::new(map.get("job")?.as_str()?)?,
            repair: Name::new(map.get("repair")?.as_str()?)?,
            state: STATES.iter().find(|(_, known)| *known == word)?.0,
            started: map.get("started")?.as_u64()?,
            deadline: map.get("deadline")?.as_u64()?,
            ended: optional(map, "ended", Value::as_u64)?,
            boot: map.get("boot")?.as_str()?.to_owned(),
            pid: u32::try_from(map.get("pid")?.as_u64()?).ok()?,
            exit: optional(map, "exit", small)?,
            signal: optional(map, "signal", small)?,
            seconds: map.get("seconds")?.as_f64()?,
            output: map
                .get("output")?
                .as_array()?
                .iter()
                .map(|line| line.as_str().map(str::to_owned))
                .collect::<Option<_>>()?,
        };
        let ended_if_it_should = record.ended.is_some() == (record.state != RunState::Running);
        (ended_if_it_should && record.deadline >= record.started).then_some(record)
    }
}

fn small(value: &Value) -> Option<i32> {
    i32::try_from(value.as_i64()?).ok()
}

/// A field that must be there, but may be null.
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

    pub(crate) fn record(
        job: &str,
        state: RunState,
        started: u64,
        ended: Option<u64>,
    ) -> JobRecord {
        let mut record = JobRecord::beginning(
            Job::new(job).unwrap(),
            Name::new("httpd").unwrap(),
            started,
            started + 75_000,
            "b1".into(),
        );
        (record.state, record.ended) = (state, ended);
        record
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let mut written = record("20261123-aa", RunState::Failed, 5_000, Some(6_500));
        (written.exit, written.seconds, written.output) =
            (Some(3), 1.5, vec!["no \"way\"".into(), "ü".into()]);
        assert_eq!(JobRecord::from_json(&written.to_json()), Some(written));
    }

    #[test]
    fn a_running_record_without_its_gate_becomes_unknown() {
        let running = record("20261123-aa", RunState::Running, 5_000, None);
        assert_eq!(running.state_at(80_000, "b1"), RunState::Running);
        assert_eq!(running.state_at(80_001, "b1"), RunState::Unknown);
        assert_eq!(running.state_at(6_000, "b2"), RunState::Unknown, "another boot");
        assert_eq!(running.state_at(1_000, "b1"), RunState::Running, "the clock went back");
        let done = record("20261123-aa", RunState::Done, 5_000, Some(6_000));
        assert_eq!(done.state_at(u64::MAX, "b2"), RunState::Done);
    }

    proptest! {
        #[test]
        fn a_cut_or_changed_record_never_panics_and_never_becomes_another_job(at in 0usize..200, byte in any::<u8>()) {
            let text = record("20261123-aa", RunState::Running, 5_000, None).to_json();
            let at = at.min(text.len() - 1);
            prop_assert_eq!(JobRecord::from_json(&text[..at.min(text.len() - 2)]), None);
            let mut bytes = text.into_bytes();
            bytes[at] = byte;
            let _ = JobRecord::from_json(&String::from_utf8_lossy(&bytes));
        }
    }
}
