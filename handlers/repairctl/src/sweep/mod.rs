//! `repairctl sweep`: retries repairs that were missed. The rules and the worker are the same as
//! for an event from Nagios.

pub mod args;
mod candidate;
pub mod eligibility;
mod error;
mod nagios_state;
mod report;
mod scheduler;

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use handle_repair::queue::CallQueue;
use ledger::Ledger;
use plugin_kit::{Out, Problem};
use policy_file::Config;

use crate::context::Context;
use crate::split::CommandResult;
use args::SweepArgs;
use candidate::Assessor;
pub use candidate::missed_repair;
use error::SweepError;
use nagios_state::NagiosState;
use report::{SweepEnd, SweepReport, SweepRow};
use scheduler::{Scheduler, SweepEvent};

/// Runs `repairctl sweep`.
pub fn run(args: &SweepArgs, context: &Context, out: &mut Out) -> CommandResult {
    let config = context.config()?;
    let no_source = || SweepError::NoSource { policy: context.policy.clone() };
    let nagios = NagiosState::read(config, args.objects.as_deref())?.ok_or_else(no_source)?;
    if args.dry_run {
        return rehearse(args, context, config, &nagios, out);
    }
    let mut ledger = context.ledger_to_write(config)?;
    let only = ledger.lock_sweep().map_err(SweepError::NotBegun)?;
    let calls = CallQueue::open(config.ledger.local()).map_err(SweepError::Queue)?;
    let (sender, events) = mpsc::channel();
    let interrupted = sender.clone();
    // Ignore an error. It means that the sweep has already ended and no longer receives events.
    let interrupt = move || drop(interrupted.send(SweepEvent::Interrupted));
    ctrlc::set_handler(interrupt).map_err(|why| {
        Problem::Internal(format!("cannot handle SIGTERM: {why}; nothing was done"))
    })?;
    let policy = absolute_policy(context)?;
    let keys = nagios.oldest_first();
    let now = SystemTime::now();
    let is_current = nagios.refuse_outdated(now).is_ok();
    let report = SweepReport::new(out, args.json, keys.iter());
    let channel = (sender, events);
    let mut scheduler = Scheduler::new(config, &policy, nagios, ledger, report, calls, channel);
    // Attend to this server even if another sweep is running. That sweep may run on another server,
    // which does not see this server's queued calls and dead workers.
    scheduler.attend()?;
    let Some(_only) = only else { return Ok(scheduler.held("another sweep is running")) };
    let result = scheduler.run()?;
    // With a wrong clock the sweep would delete records too early. So delete records only if the
    // clock agrees with the time at which Nagios wrote its status file.
    if is_current {
        delete_expired(context.ledger_to_write(config)?.as_mut(), config.keep, now)?;
    }
    Ok(result)
}

/// Time limit for deleting records. It is short because the sweep does not react to signals during
/// the deletion. The next sweep deletes the remaining records.
const DELETION_TIME: Duration = Duration::from_secs(5);
/// Pause between two batches of deletions, so that decisions that wait for the ledger get their
/// turn.
const DELETION_PAUSE: Duration = Duration::from_millis(10);

/// Deletes records that the policy no longer keeps. The sweep calls this function after the
/// repairs, so that no decision about a repair has to wait for the deletion.
fn delete_expired(
    ledger: &mut dyn Ledger,
    keep: Option<Duration>,
    now: SystemTime,
) -> Result<(), SweepError> {
    let until = Instant::now() + DELETION_TIME;
    while ledger.expire(keep, now)? && Instant::now() < until {
        thread::sleep(DELETION_PAUSE);
    }
    Ok(())
}

/// Prints for which objects a sweep would start a worker. Starts no worker and writes nothing.
fn rehearse(
    args: &SweepArgs,
    context: &Context,
    config: &Config,
    nagios: &NagiosState<'_>,
    out: &mut Out,
) -> CommandResult {
    let now = SystemTime::now();
    let policy = absolute_policy(context)?;
    let mut ledger = context.ledger(config)?;
    let keys = nagios.oldest_first();
    let mut report = SweepReport::new(out, args.json, keys.iter());
    if let Some(why) = nagios.unfit(now) {
        return Ok(report.end(&SweepEnd::Held(why), keys.len(), &[]));
    }
    let assessor = Assessor { config, policy: &policy, nagios };
    for key in keys {
        let Some(object) = nagios.snapshot.faults.get(&key) else { continue };
        let ledger = ledger.as_mut().map(|ledger| ledger.as_mut() as _);
        let candidate = assessor.assess(object, ledger, now);
        if let Some(row) = SweepRow::of(key, candidate.map_err(SweepError::NotBegun)?) {
            report.row(row);
        }
    }
    Ok(report.end(&SweepEnd::Done, 0, &[]))
}

/// Returns the absolute path of the policy, which the worker needs because it changes its working
/// directory.
fn absolute_policy(context: &Context) -> Result<PathBuf, SweepError> {
    std::path::absolute(&context.policy).map_err(SweepError::Policy)
}
