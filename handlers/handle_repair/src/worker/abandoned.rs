//! Repairs whose worker died: killed with Nagios, by a full memory, by a reboot. None of them is repeated by itself; the
//! gate is asked how it stands, so that the record says what is known, and the next decision counts it.

use std::time::{Duration, Instant, SystemTime};

use ledger::{Ledger, Outcome, Record, SqliteLedger};
use policy::{Act, JobId, Rung};
use transport::{Answer, JobState, Reason, Request};

use super::{hands, reach};
use crate::cli::Call;
use crate::config::Config;

/// How long a gate may take to answer: another repair waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The words of the record for a rung that ran, or may have.
const RUN: [&str; 3] = ["ran", "failed", "unknown"];

/// Ends the record of every repair of the event's host that has lost its worker, unless the gate says it still runs.
pub fn close(ledger: &mut SqliteLedger, call: &Call, config: &Config) -> Result<(), ledger::Error> {
    for record in ledger.abandoned(&call.event.host)? {
        let Ok(job) = record.job.parse::<JobId>() else { continue };
        let steps = ledger.steps(&job)?;
        let rungs_begun = steps.iter().filter(|step| step.what == "run").count();
        let has_run = steps.iter().any(|step| RUN.contains(&step.what.as_str()));
        if let Some((outcome, text)) = how_it_stands(&record, rungs_begun, call, config) {
            // The last rung may never have begun: what went before it did.
            let outcome = if has_run && outcome == Outcome::CouldNotRun { Outcome::Unknown } else { outcome };
            // Another worker may have been faster; then there is nothing left to end.
            let _ = ledger.finish(&job, SystemTime::now(), outcome, &format!("its worker died; {text} (job {job})"));
        }
    }
    Ok(())
}

/// `None` while it still runs.
fn how_it_stands(record: &Record, rungs_begun: usize, call: &Call, config: &Config) -> Option<(Outcome, String)> {
    let Some(number) = rungs_begun.checked_sub(1) else {
        return Some((Outcome::CouldNotRun, "nothing had been asked of a gate yet".into()));
    };
    let rules = record.repair.parse().ok().and_then(|name| config.policy.repairs.get(&name));
    let rung = rules.and_then(|rules| rules.ladder.get(number));
    let Some(Rung { act: Act::Ssh { at, .. }, .. }) = rung else {
        return Some((Outcome::Unknown, "what it had begun cannot be asked for".into()));
    };
    let job = format!("{}-{rungs_begun}", record.job).parse().ok()?;
    let deadline = Instant::now() + PATIENCE;
    let mut gate = match reach::gate(&call.way(config, at.as_deref()), deadline) {
        Ok(gate) => gate,
        Err(why) => return Some((Outcome::Unknown, format!("its gate cannot be asked: {why}"))),
    };
    match gate.ask(&Request::Status { job }, deadline) {
        Ok(Answer::Job(report)) if report.state == JobState::Running => None,
        Ok(Answer::Job(report)) => Some((Outcome::Unknown, format!("the gate says: {}", hands::told(&report)))),
        Ok(Answer::Refused(refusal)) if refusal.reason == Reason::NoSuchJob => {
            Some((Outcome::CouldNotRun, "the gate says it never began".into()))
        }
        Ok(Answer::Refused(refusal)) => Some((Outcome::Unknown, format!("the gate refuses to say: {}", refusal.text))),
        Ok(_) => Some((Outcome::Unknown, "the gate answered another question".into())),
        Err(why) => Some((Outcome::Unknown, format!("its gate does not answer: {why}"))),
    }
}
