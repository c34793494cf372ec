//! What the ledger says of the repairs. The only file that reads it.

use std::path::Path;
use std::time::{Duration, SystemTime};

use ledger::{Filter, Ledger, Paused, Record, RefusalCount, RepairOutcome, came_back};
use policy::{Event, FleetUsage, Limits, ObjectState, Reason, StateType, within_limits};
use policy_file::Config;

/// Why the ledger tells nothing.
#[derive(Debug)]
pub enum Unseen {
    /// It cannot be used. Nothing is repaired then, which is a measured fault.
    Unusable(String),
    /// This plugin has no more descriptors or memory, and could not measure.
    Starved(String),
}

impl From<ledger::Error> for Unseen {
    fn from(why: ledger::Error) -> Unseen {
        if why.is_our_shortage() {
            Unseen::Starved(why.to_string())
        } else {
            Unseen::Unusable(why.to_string())
        }
    }
}

/// What is on record.
#[derive(Debug, Default)]
pub struct Seen {
    /// How many repairs of the window healed.
    pub healed: u32,
    /// Those of the window that did not help: not healed, could not run, or healed and soon back.
    /// The newest first.
    pub failed: Vec<Record>,
    /// How many of these had healed before the fault was back.
    pub came_back: u32,
    /// Those of the window of which nobody knows how they ended, or whose worker is dead.
    pub unknown: Vec<Record>,
    /// How many run, with a worker that lives.
    pub running: u32,
    /// The refusals of the window, by object and reason.
    pub refused: Vec<RefusalCount>,
    /// What all repairs together do.
    pub fleet: FleetUsage,
    /// The objects that are not repaired for what their repairs came to, with the reason.
    pub held: Vec<Held>,
    /// The pauses that hold.
    pub pauses: Vec<Paused>,
}

/// An object whose breaker is open or whose budget is spent.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// `host/service` or `host`.
    pub object: String,
    /// The rule that says no.
    pub why: Reason,
}

/// Looks at the ledger. Before the first repair there is none, which is nothing wrong as long as
/// there is room for one.
pub fn look(config: &Config, window: Duration, now: SystemTime) -> Result<Seen, Unseen> {
    match ledger::open_read_only(&config.ledger) {
        Err(ledger::Error::Missing(path)) => {
            no_ledger_yet(&path).and_then(|seen| writable(&path).map(|()| seen))
        }
        Err(why) => Err(why.into()),
        Ok(mut ledger) => {
            writable(&config.ledger)?;
            Ok(read(ledger.as_mut(), config, window, now)?)
        }
    }
}

/// We run as the user whose repairs it is about: what we could not write, they cannot.
fn writable(ledger: &Path) -> Result<(), Unseen> {
    match ledger::unwritable(ledger) {
        None => Ok(()),
        Some(file) => Err(Unseen::Unusable(format!(
            "{} is not for this user to write; see 'sudo repairctl doctor'",
            file.display()
        ))),
    }
}

fn no_ledger_yet(path: &Path) -> Result<Seen, Unseen> {
    match path.parent() {
        Some(directory) if directory.is_dir() => Ok(Seen::default()),
        _ => Err(Unseen::Unusable(format!(
            "the directory of the ledger {} is not there; create it, owned by the user Nagios runs \
             as",
            path.display()
        ))),
    }
}

fn read(
    ledger: &mut dyn Ledger,
    config: &Config,
    window: Duration,
    now: SystemTime,
) -> Result<Seen, ledger::Error> {
    let filter = Filter { since: now.checked_sub(window), ..Filter::default() };
    let records = ledger.repairs(&filter)?;
    let back = came_back(&records, |record| limits(config, &record.repair).relapse);
    let running = ledger.running()?;
    let mut seen = Seen {
        refused: ledger.refusal_counts(&filter)?,
        fleet: ledger.fleet(config.policy.fleet.started.per, now)?,
        pauses: ledger.pauses(now)?,
        held: held(ledger, config, now)?,
        running: count(running.iter().filter(|running| running.alive).count()),
        unknown: running
            .into_iter()
            .filter(|running| !running.alive)
            .map(|running| running.record)
            .collect(),
        came_back: count(back.iter().filter(|back| **back).count()),
        ..Seen::default()
    };
    for (record, back) in records.into_iter().zip(back) {
        match record.outcome {
            Some(RepairOutcome::Healed) if !back => seen.healed += 1,
            Some(RepairOutcome::Unknown) => seen.unknown.push(record),
            Some(_) => seen.failed.push(record),
            None => {}
        }
    }
    Ok(seen)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Those of the repair, or the defaults for one that the policy no longer has.
fn limits(config: &Config, repair: &str) -> Limits {
    let rules = repair.parse().ok().and_then(|name| config.policy.repairs.get(&name));
    rules.map_or_else(Limits::default, |rules| rules.limits)
}

/// The objects that the rules hold back for their own history: those that pass by themselves, as a
/// cooldown or a repair that runs, do not count.
fn held(
    ledger: &mut dyn Ledger,
    config: &Config,
    now: SystemTime,
) -> Result<Vec<Held>, ledger::Error> {
    let remembered = |limits: &Limits| limits.healthy_for.max(limits.window.per);
    let longest = config
        .policy
        .repairs
        .values()
        .map(|rules| remembered(&rules.limits))
        .max()
        .unwrap_or_default();
    let since = now.checked_sub(longest).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut held: Vec<Held> = Vec::new();
    for (host, service, repair) in ledger.in_trouble_since(since)? {
        let event =
            Event::new(&host, service.as_deref(), ObjectState::Critical, StateType::Hard, 1);
        let known = ledger.history(&event, Duration::ZERO, now)?;
        let limits = Limits { cooldown: Duration::ZERO, ..limits(config, &repair) };
        if let Err(why) = within_limits(&limits, &known) {
            held.push(Held { object: event.object(), why });
        }
    }
    // An object that had several repairs is held by the first of them that is.
    held.dedup_by(|one, other| one.object == other.object);
    Ok(held)
}
