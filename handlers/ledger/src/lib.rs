//! What is known of repairs, and the right to start one.
//!
//! A repair is reserved in one transaction before anything is done: the history is read, the rules
//! decide, and the reservation is written, or nothing is. A crash cannot give a reservation back. A
//! ledger that cannot be read is an error and never "empty": then nothing is repaired.

mod error;
mod filter;
mod record;
mod relapse;
mod sqlite;

use std::time::{Duration, SystemTime};

use policy::{Decision, Event, History, JobId, Reason, RepairName};

pub use error::Error;
pub use filter::{Filter, RefusalCount, Standing, Which};
pub use record::{Claim, Paused, Record, Refusal, RepairOutcome, Running, Step};
pub use relapse::came_back;
pub use sqlite::{SqliteLedger, Sweeping};

/// Where repairs are reserved and recorded. SQLite for one Nagios server; another store for
/// several.
pub trait Ledger {
    /// Reserves `claim` if `decide` says so on the history, in one transaction. What it refuses is
    /// recorded. Others may be at it, so the time is asked for when our turn has come.
    fn reserve(
        &mut self,
        claim: &Claim<'_>,
        clock: &dyn Fn() -> SystemTime,
        decide: &dyn Fn(&History) -> Decision,
    ) -> Result<Result<RepairName, Reason>, Error>;

    /// The history that [`Ledger::reserve`] would decide on. Writes nothing.
    fn history(
        &mut self,
        event: &Event,
        fleet_window: Duration,
        now: SystemTime,
    ) -> Result<History, Error>;

    /// Notes something that happened within a running repair.
    fn step(&mut self, job: &JobId, now: SystemTime, what: &str, text: &str) -> Result<(), Error>;

    /// Ends a repair, which frees its host.
    fn finish(
        &mut self,
        job: &JobId,
        now: SystemTime,
        outcome: RepairOutcome,
        text: &str,
    ) -> Result<(), Error>;

    /// The newest repairs, the newest first.
    fn records(&mut self, limit: u32) -> Result<Vec<Record>, Error>;

    /// Repairs of a host that are running by the record, while their worker is dead.
    fn abandoned(&mut self, host: &str) -> Result<Vec<Record>, Error>;

    /// What happened within one repair, in order.
    fn steps(&mut self, job: &JobId) -> Result<Vec<Step>, Error>;

    /// The newest refusals, the newest first.
    fn refusals(&mut self, limit: u32) -> Result<Vec<Refusal>, Error>;

    /// The repairs that pass the filter, the newest first.
    fn repairs(&mut self, filter: &Filter<'_>) -> Result<Vec<Record>, Error>;

    /// The refusals that pass the filter, the newest first.
    fn refused(&mut self, filter: &Filter<'_>) -> Result<Vec<Refusal>, Error>;

    /// The refusals that pass the filter, counted by object and reason, the most frequent first.
    fn refusal_counts(&mut self, filter: &Filter<'_>) -> Result<Vec<RefusalCount>, Error>;

    /// The newest repairs, at most 20, whose job begins so.
    fn jobs(&mut self, beginning: &str) -> Result<Vec<Record>, Error>;
}
