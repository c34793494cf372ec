//! Gathers the history for a decision and reserves a repair.

use std::time::{Duration, Instant, SystemTime};

use engine::{engine_of, read_only_engine_of};
use ledger::{Claim, Ledger};
use plugin_kit::Problem;
use policy::{History, Observation, Reason, RecordedHistory, RepairName, Rules, Rung};
use policy_file::Config;

use super::ladder::{self, NotKnown};
use super::repair_job::RepairJob;
use super::verify;
use crate::cli::{Invocation, Mode};
use crate::event_age::decide_at_age;
use crate::handler::nothing_run;

/// Gathers the history that a decision needs, from the ledger and the monitoring engine. If there
/// is no ledger yet, the recorded history is empty.
pub fn history(
    ledger: Option<&mut dyn Ledger>,
    invocation: &Invocation,
    config: &Config,
    seen: SystemTime,
) -> Result<History, NotKnown> {
    let observed = observe(invocation, config, seen)?;
    let horizon = config.policy.horizon(&invocation.event);
    Ok(ledger::gather(ledger, &invocation.event, &horizon, SystemTime::now(), observed)?)
}

/// Gathers only what can change between the event and the repair: the pause, and the state that the
/// monitoring engine reports. The rest of the history is left empty.
pub fn present(
    ledger: &mut dyn Ledger,
    invocation: &Invocation,
    config: &Config,
    seen: SystemTime,
) -> Result<History, NotKnown> {
    let deadline = Instant::now() + ENGINE_TIMEOUT;
    let object = engine_of(config).look_again(&invocation.event, seen, deadline)?;
    let observed = object.map(|object| Observation { object, share: (0, 0) });
    let paused = ledger.pause_of(&invocation.event, SystemTime::now())?;
    Ok(History { recorded: RecordedHistory { paused, ..RecordedHistory::default() }, observed })
}

/// Reserves the repair, or returns the reason why it must not run.
pub fn reserve<'a>(
    ledger: &mut dyn Ledger,
    job: &RepairJob<'a>,
) -> Result<Result<(RepairName, &'a Rules), Reason>, Problem> {
    let (event, policy) = (&job.invocation.event, &job.config.policy);
    let rules = event.repair.as_ref().and_then(|name| policy.repairs.get(name));
    let claim = Claim {
        job: job.id,
        event,
        lease: rules.map(lease).unwrap_or_default(),
        horizon: policy.horizon(event),
        // Query the engine before locking the ledger. Nagios' status file can be large, and the
        // lock keeps other workers waiting.
        observed: observe(job.invocation, job.config, job.seen).map_err(nothing_run)?,
    };
    // Before it reads the history, the ledger may wait for a lock. Measure the age after that, so
    // that the wait counts as well.
    let age = || job.since.elapsed().unwrap_or_default();
    let decide = |known: &History| decide_at_age(age(), event, job.config, known);
    let granted = ledger.reserve(&claim, &SystemTime::now, &decide);
    granted.map_err(nothing_run)?.map_or_else(
        |why| Ok(Err(why)),
        |name| match policy.repairs.get(&name) {
            Some(rules) => Ok(Ok((name, rules))),
            None => Err(Problem::Internal(format!("no rules for {name}"))),
        },
    )
}

/// How long to wait for the monitoring engine to answer or to accept a report. Nagios does not read
/// its command file while it starts, and may be slow if there are many writers.
pub const ENGINE_TIMEOUT: Duration = Duration::from_secs(20);

/// Returns the state that the engine reports, or `None` if the policy names no source for it. If
/// the state cannot be read, the repair must not run, because the fault may have been acknowledged.
fn observe(
    invocation: &Invocation,
    config: &Config,
    seen: SystemTime,
) -> Result<Option<Observation>, engine::Error> {
    let deadline = Instant::now() + ENGINE_TIMEOUT;
    let engine = match invocation.options.mode {
        Mode::DryRun => read_only_engine_of,
        _ => engine_of,
    };
    engine(config).observe(&invocation.event, seen, deadline)
}

/// Returns the longest time that a whole ladder can take. If the worker of a repair has died, the
/// repair counts as ended after this time.
fn lease(rules: &Rules) -> Duration {
    let checks = |rung: &Rung| (verify::limit(rung) + ladder::BETWEEN_CHECKS) * rung.good_results;
    let rungs = rules
        .ladder
        .iter()
        .map(|rung| rung.timeout + ladder::GRACE + rung.settle + checks(rung))
        .sum::<Duration>();
    let first = rules.ladder.first().filter(|rung| rung.act.at_gate().is_some());
    let evidence = first.map(|rung| rung.timeout + ladder::EVIDENCE_TIME).unwrap_or_default();
    evidence + rungs + Duration::from_secs(30)
}
