//! The part that acts: reserves, climbs the ladder, records, tells Nagios. It outlives the front,
//! and Nagios' timeout.

mod abandoned;
mod advice;
pub mod check;
mod climb;
mod hands;
mod screen;
mod syslog;

use std::ffi::OsString;
use std::time::{Duration, Instant, SystemTime};

use engine::{Engine, NagiosFiles, Notification};
use ledger::{Claim, Ledger, RepairOutcome, SqliteLedger};
use plugin_kit::{Outcome, Problem, State};
use policy::{
    Act, Decision, FleetNow, History, JobId, Pause, RepairName, Rules, Rung, admit, decide,
};

use crate::cli::{self, Call};
use crate::{explain, front};
pub use abandoned::close as close_abandoned;
use climb::{Ending, Hands};
use hands::RealHands;
use policy_file::Config;

/// How long the monitoring engine may take to answer or to take a report. A Nagios that does not
/// read its command file may be starting, or have many writers.
const ENGINE_TIMEOUT: Duration = Duration::from_secs(20);

/// The story of one repair. In the background nobody reads what we print, so it is told to syslog
/// as well.
pub fn run(argv: &[OsString]) -> Result<Outcome, Problem> {
    let now = SystemTime::now();
    let call = cli::read(argv)?;
    let called = call.seen.unwrap_or(now);
    // We outlive whoever called us: no directory of theirs is to be held.
    let _ = std::env::set_current_dir("/");
    let config = policy_file::read(&call.policy).map_err(unusable).and_then(|config| {
        privsep::refuse_root(config.directories(), argv)?;
        Ok(config)
    });
    let told = match &config {
        Ok(config) if call.dry_run => return rehearse(&call, config, called),
        Ok(config) => {
            repair(&call, config, called).inspect_err(|problem| cry(&call, config, problem))
        }
        Err(problem) => Err(Problem::Usage(problem.to_string())),
    };
    match &told {
        Ok(outcome) => String::from_utf8_lossy(&outcome.render()).lines().for_each(syslog::tell),
        Err(problem) => syslog::tell(&format!("{}: {problem}", call.event.object())),
    }
    told
}

/// Nothing could be decided: in the background, a comment in Nagios is how anybody hears of it.
fn cry(call: &Call, config: &Config, problem: &Problem) {
    if !call.foreground {
        let text = format!("COULD NOT REPAIR {}: {problem}", call.event.object());
        let ended = Notification { event: &call.event, text: &text, healed: false };
        let _ = NagiosFiles::new(config).notify(&ended, Instant::now() + ENGINE_TIMEOUT);
    }
}

/// What would happen: reads the ledger and writes nothing.
fn rehearse(call: &Call, config: &Config, called: SystemTime) -> Result<Outcome, Problem> {
    let event = &call.event;
    let history = match SqliteLedger::open_read_only(&config.ledger) {
        Err(ledger::Error::Missing(_)) => History::default(),
        opened => {
            opened.and_then(|mut ledger| past(&mut ledger, call, config)).map_err(unusable)?
        }
    };
    let history = with_status(history, call, config, called)?;
    let verdict = match decide(event, &config.policy, &history) {
        Decision::NoAction(why) => front::stand_still(call, &why),
        Decision::Repair(name) => {
            verifiable(call, config, &name)?;
            let line = format!(
                "WOULD REPAIR {} ({}) with {name}",
                event.object(),
                explain::event_text(event)
            );
            Outcome::new(State::Ok, line)
        }
    };
    let detail =
        if call.explain { explain::lines(call, config, Some(&history)) } else { Vec::new() };
    Ok(detail.into_iter().fold(verdict, Outcome::line))
}

fn repair(call: &Call, config: &Config, called: SystemTime) -> Result<Outcome, Problem> {
    let job = call.job.clone().ok_or_else(|| {
        Problem::Usage("--job is missing: handle_repair starts this program".into())
    })?;
    if let Some(name) = &call.event.repair {
        verifiable(call, config, name)?;
    }
    let mut ledger = SqliteLedger::open(&config.ledger).map_err(unusable)?;
    abandoned::close(&mut ledger, call, config).map_err(unusable)?;
    let mut detail = Vec::new();
    if call.explain {
        let history =
            with_status(past(&mut ledger, call, config).map_err(unusable)?, call, config, called)?;
        detail = explain::lines(call, config, Some(&history));
    }
    let verdict = match reserve(&mut ledger, call, config, &job, called)? {
        Decision::NoAction(why) => front::stand_still(call, &why),
        Decision::Repair(name) => {
            let rules = config
                .policy
                .repairs
                .get(&name)
                .ok_or_else(|| Problem::Internal(format!("no rules for {name}")))?;
            act(&mut ledger, call, config, &job, called, &name, rules)
        }
    };
    Ok(detail.into_iter().fold(verdict, Outcome::line))
}

/// A repair whose effect nobody could check is not begun.
fn verifiable(call: &Call, config: &Config, name: &RepairName) -> Result<(), Problem> {
    let rungs = config.policy.repairs.get(name).into_iter().flat_map(|rules| &rules.ladder);
    for rung in rungs {
        check::find(&call.fill(&rung.verify), &check::places(config)).map_err(unusable)?;
    }
    Ok(())
}

fn past(ledger: &mut SqliteLedger, call: &Call, config: &Config) -> Result<History, ledger::Error> {
    ledger.history(&call.event, config.policy.fleet.started.per, SystemTime::now())
}

/// Adds what Nagios' status file says, where the policy names it. Without the file nothing is done:
/// whether somebody is at it already cannot be known.
fn with_status(
    history: History,
    call: &Call,
    config: &Config,
    called: SystemTime,
) -> Result<History, Problem> {
    let mut engine = NagiosFiles::new(config);
    let seen = engine.observe(&call.event, called, Instant::now() + ENGINE_TIMEOUT);
    let Some(seen) = seen.map_err(unusable)? else { return Ok(history) };
    Ok(History {
        now: Some(seen.object),
        fleet: FleetNow { share: Some(seen.share), ..history.fleet },
        ..history
    })
}

/// Just before the first rung: what Nagios' status file says, where the policy names it, and
/// whether it was paused meanwhile.
fn still_called_for(
    call: &Call,
    config: &Config,
    called: SystemTime,
    paused: Option<Pause>,
) -> Result<(), String> {
    let seen = with_status(History::default(), call, config, called)
        .map_err(|problem| problem.to_string())?;
    let now = History { now: seen.now, paused, ..History::default() };
    let rules = call
        .event
        .repair
        .as_ref()
        .and_then(|name| config.policy.repairs.get(name))
        .ok_or("no rules for it")?;
    admit(&rules.limits, &config.policy.fleet, &now).map_err(|why| why.to_string())
}

fn reserve(
    ledger: &mut SqliteLedger,
    call: &Call,
    config: &Config,
    job: &JobId,
    called: SystemTime,
) -> Result<Decision, Problem> {
    let event = &call.event;
    let rules = event.repair.as_ref().and_then(|name| config.policy.repairs.get(name));
    let lease = rules.map(longest).unwrap_or_default();
    let claim = Claim { job, event, lease, fleet_window: config.policy.fleet.started.per };
    // Read before the ledger is locked: it can be large, and others wait.
    let seen = with_status(History::default(), call, config, called)?;
    let granted = ledger.reserve(&claim, &SystemTime::now, &|known| {
        let fleet = FleetNow { share: seen.fleet.share, ..known.fleet.clone() };
        decide(event, &config.policy, &History { now: seen.now, fleet, ..known.clone() })
    });
    Ok(granted.map_err(unusable)?.map_or_else(Decision::NoAction, Decision::Repair))
}

/// The longest a whole ladder can take; after it a repair whose worker is dead is over.
fn longest(rules: &Rules) -> Duration {
    let checks = |rung: &Rung| (check::limit(rung) + climb::BETWEEN_CHECKS) * rung.good_results;
    let rungs = rules
        .ladder
        .iter()
        .map(|rung| rung.timeout + climb::GRACE + rung.settle + checks(rung))
        .sum::<Duration>();
    let evidence = match rules.ladder.first() {
        Some(Rung { act: Act::Ssh { .. }, timeout, .. }) => *timeout + hands::EVIDENCE_TIME,
        _ => Duration::ZERO,
    };
    evidence + rungs + Duration::from_secs(30)
}

/// Climbs the ladder, records how it ended and tells Nagios, in this order: Nagios answers at once,
/// and what it then calls for must find the record. The repair is over by then: what goes wrong
/// with record or telling is said, and changes nothing about the verdict.
fn act(
    ledger: &mut SqliteLedger,
    call: &Call,
    config: &Config,
    job: &JobId,
    called: SystemTime,
    name: &RepairName,
    rules: &Rules,
) -> Outcome {
    let begun = Instant::now();
    if call.foreground {
        part_with_a_word(call, job);
    }
    let mut hands = RealHands::new(call, config, job, ledger, called);
    let ending = match climb::climb(rules, job, &mut hands) {
        Ok(ending) => ending,
        Err(why) => {
            let object = call.event.object();
            hands.finish(
                RepairOutcome::CouldNotRun,
                &format!("nothing was run for {object}: {why} (job {job})"),
            );
            let line = format!("NO ACTION {object} ({}): {why}", explain::event_text(&call.event));
            return hands.troubles.into_iter().fold(Outcome::new(State::Ok, line), Outcome::line);
        }
    };
    let (state, line) = verdict(call, name, &ending, begun.elapsed());
    let line = format!("{line} (job {job})");
    hands.finish(ending.outcome, &line);
    let healed = ending.outcome == RepairOutcome::Healed;
    let before = match ending.evidence.as_slice() {
        evidence if !evidence.is_empty() && !healed => {
            format!("; before: {}", evidence.join(" / "))
        }
        _ => String::new(),
    };
    let text = line.clone() + &before;
    let ended = Notification { event: &call.event, text: &text, healed };
    match NagiosFiles::new(config).notify(&ended, Instant::now() + ENGINE_TIMEOUT) {
        Ok(true) => hands.note("told", "Nagios"),
        Ok(false) => {}
        Err(why) => {
            hands.note("not told", &why.to_string());
            hands.troubles.push(format!("warning: {why}"));
        }
    }
    hands.troubles.into_iter().fold(Outcome::new(state, line), Outcome::line)
}

/// Ctrl-C ends the wait and not the repair, which runs at its host, or here in a process group of
/// its own.
fn part_with_a_word(call: &Call, job: &JobId) {
    let text = format!(
        "UNKNOWN {}: not waited for any longer; what has begun goes on, and the next call or sweep \
         puts on record what is known of it (job {job})",
        call.event.object()
    );
    // Where it cannot be caught the wait ends without a word.
    let _ =
        ctrlc::set_handler(move || plugin_kit::end(&Outcome::new(State::Unknown, text.as_str())));
}

fn verdict(call: &Call, name: &RepairName, ending: &Ending, took: Duration) -> (State, String) {
    let (object, text) = (call.event.object(), &ending.text);
    match ending.outcome {
        RepairOutcome::Healed => {
            let by = ending.tried.last().map(|rung| format!(" by {rung}")).unwrap_or_default();
            (
                State::Ok,
                format!("REPAIRED {object} with {name} in {:.1} s{by}: {text}", took.as_secs_f64()),
            )
        }
        RepairOutcome::NotHealed => {
            let tried = ending.tried.join(", ");
            (
                State::Warning,
                format!(
                    "NOT REPAIRED {object}: {name} ran {tried}, and the fault is still there: \
                     {text}"
                ),
            )
        }
        RepairOutcome::CouldNotRun => {
            (State::Critical, format!("COULD NOT REPAIR {object} with {name}: {text}"))
        }
        RepairOutcome::Unknown => {
            (State::Critical, format!("OUTCOME UNKNOWN for {object}: {text}"))
        }
    }
}

fn unusable(why: impl std::fmt::Display) -> Problem {
    Problem::Usage(format!("{why}; nothing was run"))
}
