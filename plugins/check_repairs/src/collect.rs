//! Collects the state of repairs from the ledger. No other module reads the ledger.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ledger::{Filter, HeldBack, Ledger, Record, RelapseFinder, RepairOutcome};
use policy::{FleetUsage, Limits, Reason};
use policy_file::{Config, LedgerConfig};

/// Why the state of repairs could not be collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The ledger cannot be used, so no repair can run. The plugin returns CRITICAL.
    #[error("{0}")]
    Unusable(String),
    /// The plugin has run out of file descriptors or memory, so the state of repairs is unknown.
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

/// The state of repairs according to the ledger.
#[derive(Debug, Default)]
pub struct LedgerSummary {
    /// Number of repairs within the window that healed the fault without a relapse.
    pub healed: u32,
    /// Repairs within the window that were not effective, because they did not heal the fault,
    /// could not run or relapsed. The newest comes first.
    pub failed: Vec<Record>,
    /// How many of the failed repairs healed a fault that then relapsed.
    pub relapsed: u32,
    /// Repairs within the window whose outcome is unknown, and repairs from any time that never
    /// finished because their worker died.
    pub unknown: Vec<Record>,
    /// Number of repairs that are running, that is, whose worker is still alive.
    pub running: u32,
    /// How many times a repair was refused within the window.
    pub refused: u32,
    /// How many repairs are running or have recently started in the fleet.
    pub fleet: FleetUsage,
    /// Objects that are not repaired because their breaker is open or their budget is used up.
    pub held_back: Vec<HeldBack>,
    /// The pauses in effect.
    pub pauses: Vec<PausedScope>,
}

/// A pause in effect, described for the output.
#[derive(Debug)]
pub struct PausedScope {
    /// What is paused: `everything`, a host or a service.
    pub scope: String,
    /// Who paused the scope, for how long and why.
    pub reason: Reason,
}

/// Reads the ledger. A missing ledger is not an error if its directory exists, because the first
/// repair creates the ledger.
///
/// # Errors
/// Fails if the ledger cannot be read or this user cannot write to it.
pub fn collect(
    config: &Config,
    window: Duration,
    now: SystemTime,
) -> Result<LedgerSummary, CollectError> {
    match ledger::open_read_only(&config.ledger) {
        Err(ledger::Error::Missing(path)) => {
            no_ledger_yet(&path).and_then(|summary| writable(&config.ledger).map(|()| summary))
        }
        Err(why) => Err(why.into()),
        Ok(mut ledger) => {
            writable(&config.ledger)?;
            Ok(read(ledger.as_mut(), config, window, now)?)
        }
    }
}

/// Checks that this user can write to the ledger. The plugin and the worker run as the same user,
/// so if the plugin cannot write to the ledger, neither can the worker. If the ledger is in a
/// database, also tries to write a record, because the database's disk may be full.
fn writable(ledger: &LedgerConfig) -> Result<(), CollectError> {
    match ledger::unwritable(ledger) {
        None => Ok(ledger::test_write(ledger)?),
        Some(file) => Err(CollectError::Unusable(format!(
            "this user cannot write to {}; {}",
            file.display(),
            policy::see_doctor!()
        ))),
    }
}

fn no_ledger_yet(path: &Path) -> Result<LedgerSummary, CollectError> {
    match path.parent() {
        Some(directory) if directory.is_dir() => Ok(LedgerSummary::default()),
        _ => Err(CollectError::Unusable(format!(
            "the directory of the ledger {} does not exist; {}",
            path.display(),
            policy::see_doctor!()
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
    let running = ledger.running()?;
    let pauses = ledger.pauses(now)?;
    let mut summary = LedgerSummary {
        refused: ledger.count_refused(&filter)?,
        fleet: ledger.fleet(config.policy.fleet.started.per, now)?,
        pauses: pauses
            .iter()
            .map(|pause| PausedScope { scope: pause.scope(), reason: pause.as_reason(now) })
            .collect(),
        held_back: ledger::held_back(ledger, &config.policy, now)?,
        running: count(running.iter().filter(|running| running.alive).count()),
        unknown: running
            .into_iter()
            .filter(|running| !running.alive)
            .map(|running| running.record)
            .collect(),
        ..LedgerSummary::default()
    };
    let mut relapses = RelapseFinder::default();
    ledger.each_repair(&filter, &mut |record| {
        let back = relapses.has_relapsed(&record, limits(config, &record.repair).relapse);
        summary.relapsed += u32::from(back);
        match record.outcome {
            Some(RepairOutcome::Healed) if !back => summary.healed += 1,
            Some(RepairOutcome::Unknown) => summary.unknown.push(record),
            Some(_) => summary.failed.push(record),
            None => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(summary)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Returns the limits of a repair, or the default limits if the policy has no such repair.
fn limits(config: &Config, repair: &str) -> Limits {
    let rules = repair.parse().ok().and_then(|name| config.policy.repairs.get(&name));
    rules.map_or_else(Limits::default, |rules| rules.limits)
}
