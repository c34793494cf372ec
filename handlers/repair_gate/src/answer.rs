//! The answer to a request. It is one line that consists of `SHN1 ` and a compact JSON object, and
//! follows the output lines that the module `stream` has sent. The transport on the Nagios server
//! refuses an answer that contains an unknown field.

use serde_json::{Value, json};

use crate::config::RepairDefinitions;
use crate::durations::{fractional_seconds, seconds_up};
use crate::output::clean;
use crate::rate_limit::{MOST_RECORDS, RecordUsage};
use crate::record::{JobRecord, RunState};
use crate::rejection::Rejection;
use crate::request::{Job, Name};
use crate::timestamps::{now, to_seconds};

/// The result of one `diagnose` command. `exit` is `None` if the command did not end with an exit
/// code.
pub(crate) struct DiagnosisReport {
    pub(crate) run: Vec<String>,
    pub(crate) exit: Option<i32>,
    pub(crate) output: Vec<String>,
}

/// The entry for one repair in the answer to `usage`.
pub(crate) struct RepairUsage {
    pub(crate) repair: Name,
    pub(crate) usage: RecordUsage,
    /// Why the gate would refuse this repair now; `None` if the repair would run.
    pub(crate) refusal: Option<Rejection>,
}

/// The gate's answer to a request.
pub(crate) enum GateAnswer {
    Repair(JobRecord),
    Status(JobRecord),
    Diagnose(Name, Vec<DiagnosisReport>),
    Ready(Name),
    Usage(Vec<RepairUsage>),
    List(RepairDefinitions),
    Version,
    /// A refusal, with the request's job ID if it could be parsed.
    Refused(Rejection, Option<Job>),
}

impl GateAnswer {
    /// Returns the answer as one line, with a newline before and after it. The newline before it
    /// ends any incomplete line that an rc file has printed, for example to set the terminal's
    /// title. The server ignores empty lines.
    pub(crate) fn frame(&self, host: &str) -> String {
        let mut object = match self {
            GateAnswer::Repair(record) => job_json("repair", record),
            GateAnswer::Status(record) => job_json("status", record),
            GateAnswer::Diagnose(repair, reports) => {
                let reports: Value = reports.iter().map(report_json).collect();
                json!({"answer": "diagnose", "repair": repair.as_str(), "reports": reports})
            }
            GateAnswer::Ready(repair) => {
                json!({"answer": "ready", "repair": repair.as_str(), "time": to_seconds(now())})
            }
            GateAnswer::Usage(all) => {
                let repairs: Value = all.iter().map(usage_json).collect();
                json!({"answer": "usage", "repairs": repairs})
            }
            GateAnswer::List(repairs) => {
                let names: Value = repairs.iter().map(|(name, _)| name.as_str()).collect();
                json!({"answer": "list", "repairs": names})
            }
            GateAnswer::Version => {
                json!({"answer": "version", "version": env!("CARGO_PKG_VERSION")})
            }
            GateAnswer::Refused(refusal, job) => refusal_json(refusal, job.as_ref()),
        };
        put(&mut object, "host", Some(host));
        format!("\nSHN1 {object}\n")
    }

    /// Drops output lines of a repair, oldest first, until the frame has at most `most` bytes.
    pub(crate) fn shortened(mut self, host: &str, most: usize) -> GateAnswer {
        while self.frame(host).len() > most
            && let GateAnswer::Repair(record) = &mut self
            && !record.output.is_empty()
        {
            record.output.remove(0);
        }
        self
    }

    /// Returns the gate's exit code, from 0 to 3. The server ignores the exit code and reads the
    /// answer.
    pub(crate) fn code(&self) -> u8 {
        match self {
            GateAnswer::Repair(record) => match record.state {
                RunState::Done => 0,
                RunState::Failed | RunState::Timeout => 1,
                RunState::Running | RunState::Unknown => 2,
            },
            GateAnswer::Refused(..) => 3,
            _ => 0,
        }
    }

    /// Summarizes the answer for syslog.
    pub(crate) fn summary(&self) -> String {
        match self {
            GateAnswer::Repair(record) | GateAnswer::Status(record) => {
                let seconds = fractional_seconds(record.elapsed);
                format!("{} after {seconds:.3} s", record.state.word())
            }
            GateAnswer::Refused(refusal, _) => {
                format!("refused, {}: {}", refusal.reason.word(), clean(&refusal.text, 300))
            }
            _ => "answered".to_owned(),
        }
    }
}

fn job_json(answer: &str, record: &JobRecord) -> Value {
    json!({
        "answer": answer, "job": record.job.as_str(), "repair": record.repair.as_str(),
        "state": record.state.word(), "exit": record.exit, "signal": record.signal,
        "seconds": fractional_seconds(record.elapsed), "started": to_seconds(record.started),
        "output": record.output,
    })
}

fn report_json(report: &DiagnosisReport) -> Value {
    json!({"run": report.run, "exit": report.exit, "output": report.output})
}

fn usage_json(used: &RepairUsage) -> Value {
    let obstacle = used.refusal.as_ref().map(|refusal| {
        json!({
            "reason": refusal.reason.word(), "text": clean(&refusal.text, 500),
            "retry_after": refusal.retry_after.map(seconds_up),
        })
    });
    json!({
        "repair": used.repair.as_str(), "records": used.usage.records, "most": MOST_RECORDS,
        "room_in": used.usage.room_in.map(seconds_up), "obstacle": obstacle,
    })
}

fn refusal_json(refusal: &Rejection, job: Option<&Job>) -> Value {
    let text = clean(&refusal.text, 500);
    let mut object = json!({"answer": "refused", "reason": refusal.reason.word(), "text": text});
    put(&mut object, "job", job.map(Job::as_str));
    put(&mut object, "running", refusal.running.as_ref().map(Job::as_str));
    put(&mut object, "retry_after", refusal.retry_after.map(seconds_up));
    object
}

fn put(object: &mut Value, key: &str, value: Option<impl Into<Value>>) {
    if let (Some(map), Some(value)) = (object.as_object_mut(), value) {
        map.insert(key.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::record::tests::record;
    use crate::rejection::RejectionReason;

    fn parsed(answer: &GateAnswer) -> Value {
        let frame = answer.frame("web1");
        let line = frame.strip_prefix('\n').unwrap();
        assert!(line.ends_with('\n') && line.matches('\n').count() == 1, "{line:?}");
        serde_json::from_str(line.strip_prefix("SHN1 ").unwrap()).unwrap()
    }

    #[test]
    fn answer_to_repair_has_exactly_the_agreed_fields() {
        let mut done = record("20261123-aa", RunState::Done, 5_999, Some(7_000));
        (done.exit, done.elapsed) = (Some(0), Duration::from_millis(1001));
        done.output = vec!["a\"b".into()];
        assert_eq!(
            parsed(&GateAnswer::Repair(done)),
            json!({
                "answer": "repair", "host": "web1", "job": "20261123-aa", "repair": "httpd",
                "state": "done", "exit": 0, "signal": null, "seconds": 1.001, "started": 5,
                "output": ["a\"b"],
            })
        );
    }

    #[test]
    fn refusal_has_only_known_fields_on_one_clean_line() {
        let refusal = RejectionReason::State.because("bad\nfile\x1b[0m");
        assert_eq!(
            parsed(&GateAnswer::Refused(refusal, None)),
            json!({"answer": "refused", "host": "web1", "reason": "state", "text": "bad file?[0m"})
        );
        let busy = Rejection {
            running: Job::new("20261123-bb"),
            retry_after: Some(Duration::from_millis(6_001)),
            ..RejectionReason::Busy.because("x")
        };
        let object = parsed(&GateAnswer::Refused(busy, Job::new("20261123-aa")));
        assert_eq!(
            (&object["job"], &object["running"], &object["retry_after"]),
            (&json!("20261123-aa"), &json!("20261123-bb"), &json!(7))
        );
    }

    #[test]
    fn exit_code_depends_on_the_kind_of_answer() {
        let of = |state| record("20261123-aa", state, 1, Some(2));
        for (state, code) in [
            (RunState::Done, 0),
            (RunState::Failed, 1),
            (RunState::Timeout, 1),
            (RunState::Running, 2),
            (RunState::Unknown, 2),
        ] {
            assert_eq!(GateAnswer::Repair(of(state)).code(), code);
            assert_eq!(GateAnswer::Status(of(state)).code(), 0);
        }
        assert_eq!(GateAnswer::Version.code(), 0);
        assert_eq!(GateAnswer::Refused(RejectionReason::Busy.because(""), None).code(), 3);
    }
}
