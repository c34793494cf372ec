//! Assesses one object: whether it missed its repair, and whether a repair may run now.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use engine::status_file::{ObjectStatus, ProgramStatus};
use handle_repair::cli::{self, Invocation, with_name, with_value};
use ledger::Ledger;
use policy::{BadName, Decision, Event, Observation, Reason, RepairName, Rules, decide};
use policy_file::Config;

use super::eligibility::{EligibilityFacts, Ineligible, MissedRepair, eligibility};
use super::nagios_state::NagiosState;

/// What the sweep does with one object.
pub enum Candidate {
    /// The rules of the object's repair do not cover the object's current state.
    NotCovered,
    /// The object did not miss its repair, or it is too early for another try.
    Ineligible(Ineligible),
    /// The sweep cannot start a worker for the object, for example because its host has no address.
    Unfit(String),
    /// The object missed its repair, but a repair may not run now.
    Refused(MissedRepair, Reason, Box<Invocation>),
    /// The object missed its repair, and a worker can be started for it.
    Offered(MissedRepair, WorkerCall),
}

/// The call with which the sweep starts a worker for a missed repair. It has the same form as a
/// call by Nagios.
pub struct WorkerCall {
    pub call: Invocation,
    /// The command line from which `call` was parsed.
    pub argv: Vec<OsString>,
}

/// Assesses objects, using the policy and the state of the engine.
pub struct Assessor<'a> {
    pub config: &'a Config,
    /// Absolute path of the policy, which the worker gets as `--policy`.
    pub policy: &'a Path,
    pub nagios: &'a NagiosState<'a>,
}

impl Assessor<'_> {
    /// Checks whether an object missed its repair. If it did, decides from the current ledger and
    /// the object's current state whether the repair may run now.
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
        // The event's problem ID depends on the reason why the repair was missed. Only a search of
        // the ledger can find this reason, and the search uses only the event's host and service.
        // So search with an event that assumes an arbitrary reason.
        let event = match self.worker_call(object, &MissedRepair::NeverTried) {
            Ok(worker) => worker.call.event,
            Err(why) => return Ok(Candidate::Unfit(why)),
        };
        let program = &self.nagios.snapshot.program;
        let known = ledger.as_mut().map(|ledger| &mut **ledger as _);
        let missed = match missed_repair(object, program, self.config, rules, &event, known, now)? {
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

    /// Returns the call that Nagios would make with this project's commands.cfg.
    fn worker_call(
        &self,
        object: &ObjectStatus,
        missed: &MissedRepair,
    ) -> Result<WorkerCall, String> {
        let address = self.nagios.address(&object.host);
        let address = address.ok_or("the engine has no address for the host")?;
        let host = self.nagios.snapshot.host(&object.host);
        let host = host.ok_or("the engine's state does not contain the service's host")?;
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
            // Tell the worker which check result the sweep saw, because Nagios can check the object
            // again and rewrite the status file before the worker reads it.
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

/// Returns why an object has missed its repair since it was last OK, or why the sweep leaves the
/// object alone.
pub fn missed_repair(
    object: &ObjectStatus,
    program: &ProgramStatus,
    config: &Config,
    rules: &Rules,
    event: &Event,
    ledger: Option<&mut dyn Ledger>,
    now: SystemTime,
) -> Result<Result<MissedRepair, Ineligible>, ledger::Error> {
    let (mut repairs, mut refusal) = (Vec::new(), None);
    if let Some(ledger) = ledger {
        // Ignore repairs before the last reset, because an admin who resets the breaker wants the
        // repair to be tried again.
        let reset = ledger.last_reset(event, now)?.map(|reset| reset.at);
        let since = reset.map_or(object.last_good, |reset| reset.max(object.last_good));
        repairs = ledger.repairs_since(event, since)?;
        refusal = ledger.last_refusal(event, object.last_good)?;
    }
    let missed = eligibility(&EligibilityFacts {
        object,
        program,
        repairs: &repairs,
        refused: refusal.as_ref().map(|refusal| refusal.reason.as_str()),
        cooldown: rules.limits.cooldown,
        now,
    });
    let is_outdated = config.icinga2.is_some() && is_overdue(object, config.max_event_age, now);
    Ok(missed
        .and_then(|missed| if is_outdated { Err(Ineligible::CheckOverdue) } else { Ok(missed) }))
}

/// Whether the object's next check should have started more than `allowed` ago. Only Icinga 2 needs
/// this test, because with Nagios, the programs refuse an old status file.
fn is_overdue(object: &ObjectStatus, allowed: Duration, now: SystemTime) -> bool {
    now.duration_since(object.next_check).is_ok_and(|late| late > allowed)
}

#[cfg(test)]
mod tests {
    use engine::status_file::scan;

    use super::*;

    #[test]
    fn leaves_objects_alone_whose_check_is_overdue() {
        let (mut found, text) = (None, "hoststatus {\n\tnext_check=1000\n\t}\n");
        scan(text.as_bytes(), |object| found = Some(object.clone())).unwrap();
        let object = found.unwrap();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for (now, overdue) in [(900, false), (1600, false), (1601, true)] {
            assert_eq!(is_overdue(&object, Duration::from_secs(600), at(now)), overdue, "{now}");
        }
    }
}
