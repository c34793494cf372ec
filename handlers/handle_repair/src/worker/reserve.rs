//! The reservation: what a decision needs, and the right to repair.

use std::time::{Duration, Instant, SystemTime};

use engine::{Engine, NagiosFiles};
use ledger::{Claim, Ledger};
use plugin_kit::Problem;
use policy::{History, Observation, Reason, RepairName, Rules, Rung, decide};
use policy_file::Config;

use super::ladder::{self, NotKnown};
use super::repair_job::RepairJob;
use super::verify;
use crate::cli::Invocation;
use crate::handler::nothing_run;

/// Gathers everything a decision needs to know now, from the ledger and the monitoring engine.
/// Without a ledger nothing is on record yet.
pub fn history(
    ledger: Option<&mut dyn Ledger>,
    invocation: &Invocation,
    config: &Config,
    called: SystemTime,
) -> Result<History, NotKnown> {
    let observed = observe(invocation, config, called)?;
    let horizon = config.policy.horizon(&invocation.event);
    Ok(ledger::gather(ledger, &invocation.event, &horizon, SystemTime::now(), observed)?)
}

/// Reserves the repair; the reason why not otherwise.
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
        // Read before the ledger is locked: it can be large, and others wait.
        observed: observe(job.invocation, job.config, job.called).map_err(nothing_run)?,
    };
    let granted = ledger.reserve(&claim, &SystemTime::now, &|known| decide(event, policy, known));
    granted.map_err(nothing_run)?.map_or_else(
        |why| Ok(Err(why)),
        |name| match policy.repairs.get(&name) {
            Some(rules) => Ok(Ok((name, rules))),
            None => Err(Problem::Internal(format!("no rules for {name}"))),
        },
    )
}

/// How long the monitoring engine may take to answer or to take a report. A Nagios that does not
/// read its command file may be starting, or have many writers.
pub const ENGINE_TIMEOUT: Duration = Duration::from_secs(20);

/// What the engine shows, where the policy names a source. If that cannot be read nothing is
/// repaired: an acknowledgement could not be seen.
fn observe(
    invocation: &Invocation,
    config: &Config,
    called: SystemTime,
) -> Result<Option<Observation>, engine::Error> {
    let deadline = Instant::now() + ENGINE_TIMEOUT;
    NagiosFiles::new(config).observe(&invocation.event, called, deadline)
}

/// The longest a whole ladder can take; after it a repair whose worker is dead is over.
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
