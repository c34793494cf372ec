//! The worker reserves a repair, climbs its ladder, records the outcome and notifies Nagios, in
//! this order. It keeps running after the handler has ended, so Nagios' timeout does not stop it.

mod executor;
mod hints;
mod ladder;
mod notify;
mod program;
mod progress;
mod recovery;
mod repair_job;
mod reserve;
pub mod supervisor;
mod syslog;
pub mod verify;
pub mod waiting;

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use ledger::{Ledger, RepairOutcome};
use plugin_kit::{Outcome, Problem, State};
use policy::{JobId, RepairName, Rules};
use policy_file::Config;

use crate::cli::{self, Invocation, Mode};
use crate::event_age::decide_at_age;
use crate::explain;
use crate::handler::{self, no_action, nothing_run};
use crate::queue::CallQueue;
use crate::verdict::Verdict;
use executor::LiveExecutor;
use ladder::Ending;
pub use recovery::close as close_abandoned;
use repair_job::RepairJob;

/// Runs one job that did not come from the queue: a call in the foreground, a dry run, or a repair
/// that the sweep requests.
pub fn run(argv: &[OsString]) -> Result<Outcome, Problem> {
    let now = SystemTime::now();
    let invocation = cli::read(argv)?;
    // Leave the caller's working directory. The worker outlives its caller, and would keep the
    // directory's file system from being unmounted.
    let _ = std::env::set_current_dir("/");
    if invocation.options.mode == Mode::DryRun {
        let config = load(&invocation.options.policy, argv)?;
        return rehearse(&invocation, &config, seen(&invocation, now));
    }
    let missing = || {
        Problem::Usage(
            "--job is missing: do not start this program by hand, because handle_repair starts it"
                .into(),
        )
    };
    let id = invocation.options.job.clone().ok_or_else(missing)?;
    let is_offered = invocation.options.mode == Mode::Background;
    let call = Call { invocation: &invocation, id: &id, at: now, deaths: 0, is_offered };
    let result = answer(&call, argv, &mut || ());
    if is_offered {
        serve_waiting_calls(&invocation.options.policy, argv);
    }
    result
}

/// Starts a worker if calls are waiting. A handler may have queued a call without starting a
/// worker, because all slots, including the slot of this worker, were taken.
fn serve_waiting_calls(policy: &Path, argv: &[OsString]) {
    // Ignore other errors, because `answer` has already reported them.
    let Ok(config) = load(policy, argv) else { return };
    let Ok(queue) = CallQueue::open(config.ledger.local()) else { return };
    if let Err(why) = handler::serve_in_own_slot(&queue, policy) {
        syslog::log(&format!("calls are waiting in the queue: {why}"));
    }
}

/// A handler call that a worker answers.
struct Call<'a> {
    invocation: &'a Invocation,
    id: &'a JobId,
    /// When the handler was called.
    at: SystemTime,
    /// Number of workers that died while answering this call.
    deaths: u32,
    /// Whether the call comes from the sweep. The sweep has found the fault in the engine's current
    /// state, so the event is not old, even if the last check of a slow service is.
    is_offered: bool,
}

/// Returns the time when a check found the fault. Returns the time of the handler call instead if
/// Nagios does not pass the time of the check, or if the clock of the engine is ahead.
fn seen(invocation: &Invocation, called: SystemTime) -> SystemTime {
    invocation.options.seen.unwrap_or(called).min(called)
}

/// Answers a call. The output also goes to syslog, because in the background nobody reads stdout.
/// Calls `before_wait` before anything that can take a long time: running a repair, querying a gate
/// or reporting to Nagios.
fn answer(
    call: &Call<'_>,
    argv: &[OsString],
    before_wait: &mut dyn FnMut(),
) -> Result<Outcome, Problem> {
    let invocation = call.invocation;
    let result = load(&invocation.options.policy, argv).and_then(|config| {
        repair(call, &config, before_wait).inspect_err(|problem| {
            before_wait();
            notify::report_failure(invocation, &config, problem);
        })
    });
    match &result {
        Ok(outcome) => String::from_utf8_lossy(&outcome.render()).lines().for_each(syslog::log),
        Err(problem) => syslog::log(&format!("{}: {problem}", invocation.event.object())),
    }
    result
}

fn load(policy: &Path, argv: &[OsString]) -> Result<Config, Problem> {
    let config = policy_file::read(policy).map_err(nothing_run)?;
    privsep::refuse_root(config.directories(), argv)?;
    Ok(config)
}

/// Reports what would happen. Opens the ledger read-only and writes nothing.
fn rehearse(
    invocation: &Invocation,
    config: &Config,
    seen: SystemTime,
) -> Result<Outcome, Problem> {
    let mut ledger = match ledger::open_read_only(&config.ledger) {
        Err(ledger::Error::Missing(_)) => None,
        opened => Some(opened.map_err(nothing_run)?),
    };
    let known = ledger.as_mut().map(|ledger| ledger.as_mut() as _);
    let history = reserve::history(known, invocation, config, seen).map_err(nothing_run)?;
    let age = seen.elapsed().unwrap_or_default();
    let verdict = match decide_at_age(age, &invocation.event, config, &history) {
        policy::Decision::NoAction(why) => no_action(invocation, &why),
        policy::Decision::Repair(name) => {
            verifiable(invocation, config, &name)?;
            let (object, change) = (invocation.event.object(), invocation.event.change());
            Verdict::WouldRepair.with(&format!("{object} ({change}) with {name}"))
        }
    };
    let detail = match invocation.options.explain {
        true => explain::lines(invocation, config, Some((&history, age))),
        false => Vec::new(),
    };
    Ok(detail.into_iter().fold(verdict, Outcome::line))
}

fn repair(
    call: &Call<'_>,
    config: &Config,
    before_wait: &mut dyn FnMut(),
) -> Result<Outcome, Problem> {
    let Call { invocation, id, at, deaths, is_offered } = *call;
    let mut ledger = ledger::open(&config.ledger).map_err(nothing_run)?;
    // Close abandoned repairs first, even if this call cannot do anything else. As long as they are
    // open, the host stays reserved.
    recovery::close(ledger.as_mut(), std::slice::from_ref(invocation), config, before_wait)
        .map_err(nothing_run)?;
    if deaths > 0 && is_on_record(ledger.as_mut(), call).map_err(nothing_run)? {
        let object = invocation.event.object();
        let text = format!("{object}: job {id} is already on record, but its worker has died");
        return Ok(Verdict::NoAction.with(&text));
    }
    if let Some(name) = &invocation.event.repair {
        verifiable(invocation, config, name)?;
    }
    let seen = seen(invocation, at);
    let since = if is_offered { at } else { seen };
    let mut detail = Vec::new();
    if invocation.options.explain {
        let history = reserve::history(Some(ledger.as_mut()), invocation, config, seen)
            .map_err(nothing_run)?;
        let age = since.elapsed().unwrap_or_default();
        detail = explain::lines(invocation, config, Some((&history, age)));
    }
    let job = RepairJob { invocation, config, id, seen, since };
    let verdict = match reserve::reserve(ledger.as_mut(), &job)? {
        Err(why) => no_action(invocation, &why),
        Ok((name, rules)) => {
            before_wait();
            act(ledger.as_mut(), &job, &name, rules)
        }
    };
    Ok(detail.into_iter().fold(verdict, Outcome::line))
}

/// Whether a worker recorded this job's repair or refusal before it died.
fn is_on_record(ledger: &mut dyn Ledger, call: &Call<'_>) -> Result<bool, ledger::Error> {
    // Search from one day before the call, because the clock may have been set back since the call.
    let since = call.at.checked_sub(Duration::from_secs(86_400)).unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(ledger.repair_of(call.id)?.is_some() || ledger.refusal_of(call.id, since)?.is_some())
}

/// Refuses a repair if the verify command of a rung cannot be found.
fn verifiable(invocation: &Invocation, config: &Config, name: &RepairName) -> Result<(), Problem> {
    let rungs = config.policy.repairs.get(name).into_iter().flat_map(|rules| &rules.ladder);
    for rung in rungs {
        let argv = invocation.fill(&rung.verify);
        verify::find(&argv, &verify::places(config)).map_err(nothing_run)?;
    }
    Ok(())
}

/// Climbs the ladder, records the outcome and notifies Nagios, in this order. Nagios reacts to the
/// notification immediately, and its next handler call must already find the outcome on record.
/// Errors while recording or notifying become warnings and do not change the verdict, because the
/// repair is over by then.
fn act(ledger: &mut dyn Ledger, job: &RepairJob<'_>, name: &RepairName, rules: &Rules) -> Outcome {
    let begun = Instant::now();
    let event = &job.invocation.event;
    if job.invocation.options.mode == Mode::Foreground {
        on_interrupt(job);
    }
    let mut executor = LiveExecutor::new(job, ledger);
    let verdict = match ladder::climb(rules, job.id, &mut executor) {
        Err(why) => {
            let (object, id) = (event.object(), job.id);
            let text = format!("nothing was run for {object}: {why} (job {id})");
            executor.finish(RepairOutcome::CouldNotRun, &text);
            Verdict::NoAction.with(&format!("{object} ({}): {why}", event.change()))
        }
        Ok(ending) => {
            let (verdict, rest) = verdict(job, name, &ending, begun);
            let line = format!("{verdict} {rest}");
            executor.finish(ending.outcome, &line);
            notify::ended(job, &ending, &line, &mut executor);
            verdict.exit().with(line)
        }
    };
    executor.warnings.into_iter().fold(verdict, Outcome::line)
}

/// Makes Ctrl-C end the wait but not the repair. The repair runs on its host, or on this server in
/// a process group of its own.
fn on_interrupt(job: &RepairJob<'_>) {
    let text = format!(
        "UNKNOWN {}: interrupted; a repair that has begun continues, and the next call or sweep \
         records its outcome (job {})",
        job.invocation.event.object(),
        job.id
    );
    // If the signal handler cannot be installed, Ctrl-C ends the wait without a message.
    let _ = ctrlc::set_handler(move || {
        plugin_kit::end(&Outcome::new(State::Unknown, text.as_str()));
    });
}

fn verdict(
    job: &RepairJob<'_>,
    name: &RepairName,
    ending: &Ending,
    begun: Instant,
) -> (Verdict, String) {
    let (object, text) = (job.invocation.event.object(), &ending.text);
    let (verdict, rest) = match ending.outcome {
        RepairOutcome::Healed => {
            let by = ending.tried.last().map(|rung| format!(" by {rung}")).unwrap_or_default();
            let took = begun.elapsed().as_secs_f64();
            (Verdict::Repaired, format!("{object} with {name} in {took:.1} s{by}: {text}"))
        }
        RepairOutcome::NotHealed => {
            let tried = ending.tried.join(", ");
            let rest = format!(
                "{object}: repair {name} ran {tried}, but the fault is still there: {text}"
            );
            (Verdict::NotRepaired, rest)
        }
        RepairOutcome::CouldNotRun => {
            (Verdict::CouldNotRepair, format!("{object} with {name}: {text}"))
        }
        RepairOutcome::Unknown => (Verdict::OutcomeUnknown, format!("for {object}: {text}")),
    };
    (verdict, format!("{rest} (job {})", job.id))
}
