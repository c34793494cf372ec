//! Collects the state of the repairs from the ledger. The only module that reads it.

use std::path::Path;
use std::time::{Duration, SystemTime};

use ledger::{Filter, HeldBack, Ledger, Paused, Record, RefusalCount, RepairOutcome, relapsed};
use policy::{FleetUsage, Limits};
use policy_file::Config;

/// Why the ledger cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// It cannot be used, so nothing is repaired: a measured fault.
    #[error("{0}")]
    Unusable(String),
    /// This plugin has no descriptors or memory left, so it could not measure.
    #[error("{0}")]
    OutOfResources(String),
}

impl From<ledger::Error> for CollectError {
    fn from(why: ledger::Error) -> CollectError {
        if why.is_our_shortage() {
            CollectError::OutOfResources(why.to_string())
        } else {
            CollectError::Unusable(why.to_string())
        }
    }
}

/// The state of the repairs, by the ledger.
#[derive(Debug, Default)]
pub struct LedgerSummary {
    /// The number of repairs of the window that healed.
    pub healed: u32,
    /// The repairs of the window that did not help: not healed, could not run, or relapsed. The
    /// newest first.
    pub failed: Vec<Record>,
    /// The number of failed repairs that had healed before the fault relapsed.
    pub relapsed: u32,
    /// The repairs of the window whose outcome is unknown, or whose worker is dead.
    pub unknown: Vec<Record>,
    /// The number of running repairs with a live worker.
    pub running: u32,
    /// The refusals of the window, by object and reason.
    pub refused: Vec<RefusalCount>,
    /// The running and started repairs of the fleet.
    pub fleet: FleetUsage,
    /// The objects that are not repaired because of their earlier repairs.
    pub held_back: Vec<HeldBack>,
    /// The pauses that hold.
    pub pauses: Vec<Paused>,
}

/// Reads the ledger. Before the first repair there is none, which is fine if its directory exists.
///
/// # Errors
/// The ledger cannot be read, or this user cannot write it.
pub fn collect(
    config: &Config,
    window: Duration,
    now: SystemTime,
) -> Result<LedgerSummary, CollectError> {
    match ledger::open_read_only(&config.ledger) {
        Err(ledger::Error::Missing(path)) => {
            no_ledger_yet(&path).and_then(|summary| writable(&path).map(|()| summary))
        }
        Err(why) => Err(why.into()),
        Ok(mut ledger) => {
            writable(&config.ledger)?;
            Ok(read(ledger.as_mut(), config, window, now)?)
        }
    }
}

/// This plugin runs as the user of the worker: if it cannot write the ledger, the worker cannot.
fn writable(ledger: &Path) -> Result<(), CollectError> {
    match ledger::unwritable(ledger) {
        None => Ok(()),
        Some(file) => Err(CollectError::Unusable(format!(
            "{} is not for this user to write; `repairctl doctor` as root names the fix",
            file.display()
        ))),
    }
}

fn no_ledger_yet(path: &Path) -> Result<LedgerSummary, CollectError> {
    match path.parent() {
        Some(directory) if directory.is_dir() => Ok(LedgerSummary::default()),
        _ => Err(CollectError::Unusable(format!(
            "the directory of the ledger {} is not there; `repairctl doctor` as root names the \
             fix",
            path.display()
        ))),
    }
}

fn read(
    ledger: &mut dyn Ledger,
    config: &Config,
    window: Duration,
    now: SystemTime,
) -> Result<LedgerSummary, ledger::Error> {
    let filter = Filter { since: now.checked_sub(window), ..Filter::default() };
    let records = ledger.repairs(&filter)?;
    let back = relapsed(&records, |record| limits(config, &record.repair).relapse);
    let running = ledger.running()?;
    let mut summary = LedgerSummary {
        refused: ledger.refusal_counts(&filter)?,
        fleet: ledger.fleet(config.policy.fleet.started.per, now)?,
        pauses: ledger.pauses(now)?,
        held_back: ledger::held_back(ledger, &config.policy, now)?,
        running: count(running.iter().filter(|running| running.alive).count()),
        unknown: running
            .into_iter()
            .filter(|running| !running.alive)
            .map(|running| running.record)
            .collect(),
        relapsed: count(back.iter().filter(|back| **back).count()),
        ..LedgerSummary::default()
    };
    for (record, back) in records.into_iter().zip(back) {
        match record.outcome {
            Some(RepairOutcome::Healed) if !back => summary.healed += 1,
            Some(RepairOutcome::Unknown) => summary.unknown.push(record),
            Some(_) => summary.failed.push(record),
            None => {}
        }
    }
    Ok(summary)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Returns the limits of a repair, or the defaults for one that the policy no longer has.
fn limits(config: &Config, repair: &str) -> Limits {
    let rules = repair.parse().ok().and_then(|name| config.policy.repairs.get(&name));
    rules.map_or_else(Limits::default, |rules| rules.limits)
}
