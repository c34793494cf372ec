//! Repairs whose worker died: killed with Nagios, by a full memory, by a reboot. None of them is
//! repeated by itself; the gate is asked how it stands, so that the record says what is known, and
//! the next decision counts it.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ledger::{Ledger, Record, RepairOutcome, SqliteLedger, Step};
use policy::{Act, JobId, Rung};
use transport::{Answer, GateReason, JobState, Request};

use super::climb::name_of;
use super::hands::{self, POLL};
use crate::cli::Call;
use policy_file::Config;

/// How long a gate may take to answer: another repair waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The words of the record for a rung that ran, or may have.
const RUN: [&str; 3] = ["ran", "failed", "unknown"];

/// Ends the record of every repair of the event's host that has lost its worker, unless the gate
/// says it still runs.
pub fn close(ledger: &mut SqliteLedger, call: &Call, config: &Config) -> Result<(), ledger::Error> {
    for record in ledger.abandoned(&call.event.host)? {
        let Ok(job) = record.job.parse::<JobId>() else { continue };
        let steps = ledger.steps(&job)?;
        let begun: Vec<&Step> = steps.iter().filter(|step| step.what == hands::BEGUN).collect();
        let has_run = steps.iter().any(|step| RUN.contains(&step.what.as_str()));
        if let Some((outcome, text)) = how_it_stands(&record, &begun, call, config) {
            // The last rung may never have begun: what went before it did.
            let outcome = if has_run && outcome == RepairOutcome::CouldNotRun {
                RepairOutcome::Unknown
            } else {
                outcome
            };
            // Another worker may have been faster; then there is nothing left to end.
            let _ = ledger.finish(
                &job,
                SystemTime::now(),
                outcome,
                &format!("its worker died; {text} (job {job})"),
            );
        }
    }
    Ok(())
}

/// `None` while it still runs.
fn how_it_stands(
    record: &Record,
    begun: &[&Step],
    call: &Call,
    config: &Config,
) -> Option<(RepairOutcome, String)> {
    let Some(last) = begun.last() else {
        return Some((RepairOutcome::CouldNotRun, "nothing had been asked of a gate yet".into()));
    };
    let rules = record.repair.parse().ok().and_then(|name| config.policy.repairs.get(&name));
    // The ladder may have another shape by now.
    let is_that = |rung: &&Rung| last.text.ends_with(&format!(": {}", name_of(&rung.act)));
    let rung = rules.and_then(|rules| rules.ladder.get(begun.len() - 1)).filter(is_that);
    let Some(Rung { act: Act::Ssh { at, .. }, .. }) = rung else {
        return Some((RepairOutcome::Unknown, "what it had begun cannot be asked for".into()));
    };
    let job = format!("{}-{}", record.job, begun.len()).parse().ok()?;
    let deadline = Instant::now() + PATIENCE;
    let mut gate = match transport::connect(&call.route(config, at.as_deref()), deadline) {
        Ok(gate) => gate,
        Err(why) => {
            return Some((RepairOutcome::Unknown, format!("its gate cannot be asked: {why}")));
        }
    };
    let status = Request::Status { job };
    let mut answer = gate.request(&status, deadline);
    while is_unknown_there(&answer) && may_be_on_its_way(last) && Instant::now() + POLL < deadline {
        thread::sleep(POLL);
        answer = gate.request(&status, deadline);
    }
    match answer {
        Ok(Answer::Job(report)) if report.state == JobState::Running => None,
        Ok(Answer::Job(report)) => {
            Some((RepairOutcome::Unknown, format!("the gate says: {}", hands::told(&report))))
        }
        answer if is_unknown_there(&answer) => {
            Some((RepairOutcome::CouldNotRun, "the gate says it never began".into()))
        }
        Ok(Answer::Refused(refusal)) => {
            Some((RepairOutcome::Unknown, format!("the gate refuses to say: {}", refusal.text)))
        }
        Ok(_) => Some((RepairOutcome::Unknown, "the gate answered another question".into())),
        Err(why) => Some((RepairOutcome::Unknown, format!("its gate does not answer: {why}"))),
    }
}

fn is_unknown_there(answer: &Result<Answer, transport::Error>) -> bool {
    matches!(answer, Ok(Answer::Refused(refusal)) if refusal.reason == GateReason::NoSuchJob)
}

/// What was asked of a gate just before the worker died: a gate may be slow to begin.
fn may_be_on_its_way(begun: &Step) -> bool {
    SystemTime::now().duration_since(begun.at).unwrap_or_default() < PATIENCE
}
