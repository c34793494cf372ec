//! Assesses one object: did it miss its repair, and what is the decision now?

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use engine::status_file::{ObjectStatus, ProgramStatus};
use handle_repair::cli::{self, Invocation, with_name, with_value};
use ledger::Ledger;
use policy::{BadName, Decision, Event, Observation, Reason, RepairName, Rules, decide};
use policy_file::Config;

use super::eligibility::{EligibilityFacts, Ineligible, MissedRepair, eligibility};
use super::nagios_state::NagiosState;

/// What is to be done with one object.
pub enum Candidate {
    /// The rules do not cover its state: it was never to be repaired.
    NotCovered,
    /// It has not missed its repair, or it is too early for another one.
    Ineligible(Ineligible),
    /// It cannot be offered at all.
    Unfit(String),
    /// The decision is against it.
    Refused(MissedRepair, Reason, Box<Invocation>),
    /// A worker may try.
    Offered(MissedRepair, WorkerCall),
}

/// The arguments of a worker.
pub struct WorkerCall {
    /// The call that Nagios would make.
    pub call: Invocation,
    /// The same as words.
    pub argv: Vec<OsString>,
}

/// What an object is assessed by.
pub struct Assessor<'a> {
    /// The policy and the places it names.
    pub config: &'a Config,
    /// The policy's file.
    pub policy: &'a Path,
    /// Nagios' files.
    pub nagios: &'a NagiosState,
}

impl Assessor<'_> {
    /// Assesses an object, then decides by what is known now.
    pub fn assess(
        &self,
        object: &ObjectStatus,
        mut ledger: Option<&mut dyn Ledger>,
        now: SystemTime,
    ) -> Result<Candidate, ledger::Error> {
        let rules = match self.rules(object) {
            Ok(rules) if !rules.on.contains(&object.state()) => return Ok(Candidate::NotCovered),
            Ok(rules) => rules,
            Err(why) => return Ok(Candidate::Unfit(why)),
        };
        // The identity of the event depends on what is known; its object does not.
        let event = match self.worker_call(object, &MissedRepair::NeverTried) {
            Ok(worker) => worker.call.event,
            Err(why) => return Ok(Candidate::Unfit(why)),
        };
        let program = &self.nagios.snapshot.program;
        let known = ledger.as_mut().map(|ledger| &mut **ledger as _);
        let missed = match missed_repair(object, program, rules, &event, known, now)? {
            Ok(missed) => missed,
            Err(why) => return Ok(Candidate::Ineligible(why)),
        };
        let worker = match self.worker_call(object, &missed) {
            Ok(worker) => worker,
            Err(why) => return Ok(Candidate::Unfit(why)),
        };
        let event = &worker.call.event;
        let object = object.object_now(None, event.host_downtime);
        let observed = Some(Observation { object, share: self.nagios.snapshot.share });
        let horizon = self.config.policy.horizon(event);
        let history = ledger::gather(ledger, event, &horizon, now, observed)?;
        Ok(match decide(event, &self.config.policy, &history) {
            Decision::Repair(_) => Candidate::Offered(missed, worker),
            Decision::NoAction(why) => Candidate::Refused(missed, why, Box::new(worker.call)),
        })
    }

    fn rules(&self, object: &ObjectStatus) -> Result<&Rules, String> {
        let name = object.repair_name().parse();
        let name: RepairName = name.map_err(|bad: BadName| format!("_REPAIR: {bad}"))?;
        self.config.policy.repairs.get(&name).ok_or_else(|| Reason::UnknownRepair(name).to_string())
    }

    /// The words with which Nagios would call, as commands.cfg of this project has them, and when
    /// it saw the fault.
    fn worker_call(
        &self,
        object: &ObjectStatus,
        missed: &MissedRepair,
    ) -> Result<WorkerCall, String> {
        let address = self.nagios.address(&object.host);
        let address = address.ok_or("Nagios' object cache has no address of its host")?;
        let host = self.nagios.snapshot.host(&object.host);
        let host = host.ok_or("Nagios' status file does not show its host")?;
        let checked = object.last_check.duration_since(UNIX_EPOCH);
        let problem = missed.problem_id(object.problem_id).unwrap_or_default();
        let mut argv = vec![
            object.state().to_string().into(),
            object.state_type.to_string().into(),
            object.attempt.to_string().into(),
            with_value("--host", OsStr::from_bytes(&object.host)),
            with_name("--address", address),
            with_value("--repair", OsStr::from_bytes(&object.repair)),
            with_value("--max-attempts", object.max_attempts.to_string()),
            with_value("--host-downtime", host.downtime.to_string()),
            with_value("--problem-id", problem),
            with_value("--policy", self.policy),
            // It may have been checked again since, and the file with that be written by now.
            with_value("--seen", checked.map_or(0, |since| since.as_secs()).to_string()),
        ];
        if let Some(before) = object.result_before() {
            argv.push(with_value("--last-state", before.to_string()));
        }
        if let Some(service) = object.service() {
            argv.push(with_value("--service", OsStr::from_bytes(service)));
            argv.push(with_value("--host-state", host.state.to_string()));
            argv.push(with_value("--downtime", object.downtime.to_string()));
        }
        let call = cli::read(&argv).map_err(|problem| problem.to_string())?;
        Ok(WorkerCall { call, argv })
    }
}

/// Returns whether an object has missed its repair since it was last in order.
pub fn missed_repair(
    object: &ObjectStatus,
    program: &ProgramStatus,
    rules: &Rules,
    event: &Event,
    ledger: Option<&mut dyn Ledger>,
    now: SystemTime,
) -> Result<Result<MissedRepair, Ineligible>, ledger::Error> {
    let (mut repairs, mut refusal) = (Vec::new(), None);
    if let Some(ledger) = ledger {
        // An admin who has closed the breaker wants it to be tried again.
        let reset = ledger.last_reset(event, now)?.map(|reset| reset.at);
        let since = reset.map_or(object.last_good, |reset| reset.max(object.last_good));
        repairs = ledger.repairs_since(event, since)?;
        refusal = ledger.last_refusal(event, object.last_good)?;
    }
    Ok(eligibility(&EligibilityFacts {
        object,
        program,
        repairs: &repairs,
        refused: refusal.as_ref().map(|refusal| refusal.reason.as_str()),
        cooldown: rules.limits.cooldown,
        now,
    }))
}
