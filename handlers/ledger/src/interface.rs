//! The interface of the ledger, which every store implements.

use std::any::Any;
use std::fs::File;
use std::time::{Duration, SystemTime};

use policy::{
    Decision, Event, FleetUsage, History, Horizon, JobId, Reason, RecordedHistory, RepairName,
};

use crate::error::Error;
use crate::filter::{Filter, RefusalCount};
use crate::record::{
    Claim, Paused, Record, Refusal, RepairOutcome, Reset, RungStart, Running, Step, StepKind,
};

/// The right to sweep: one sweep at a time. It ends when this is dropped.
pub struct SweepLock(
    #[allow(dead_code, reason = "held, not looked at")] pub(crate) Box<dyn Any + Send>,
);

/// The store of reservations and records.
pub trait Ledger: Send {
    /// Reserves `claim` if `decide` grants it on the history, in one transaction, and returns the
    /// repair's name. Records the refusal otherwise. The clock is read once it is our turn, because
    /// others may be deciding.
    fn reserve(
        &mut self,
        claim: &Claim<'_>,
        clock: &dyn Fn() -> SystemTime,
        decide: &dyn Fn(&History) -> Decision,
    ) -> Result<Result<RepairName, Reason>, Error>;

    /// Returns what [`Ledger::reserve`] would decide on. Writes nothing.
    fn history(
        &mut self,
        event: &Event,
        horizon: &Horizon,
        now: SystemTime,
    ) -> Result<RecordedHistory, Error>;

    /// Records that a rung is about to be taken: its step, and on the repair its place and
    /// deadline.
    fn begin_rung(
        &mut self,
        job: &JobId,
        now: SystemTime,
        rung: &RungStart<'_>,
        text: &str,
    ) -> Result<(), Error>;

    /// Records one step of a running repair, of the rung with this number if it belongs to one.
    fn step(
        &mut self,
        job: &JobId,
        now: SystemTime,
        kind: StepKind,
        rung: Option<u32>,
        text: &str,
    ) -> Result<(), Error>;

    /// Returns another handle on the lock of a job that this ledger has reserved, for the
    /// supervisor of a local rung. The job lives as long as the handle is open, and as long as the
    /// [`RungSession`](crate::RungSession) that is recorded in the file.
    ///
    /// # Errors
    /// [`Error::NoSuchJob`] when this ledger has not reserved it.
    fn share_lock(&mut self, job: &JobId) -> Result<File, Error>;

    /// Kills what is left of local rungs of a host past their deadline, whose worker and supervisor
    /// are dead.
    fn stop_overdue(&mut self, host: &str) -> Result<(), Error>;

    /// Keeps a repair without a worker as running until `until`, because its gate says so.
    fn renew(&mut self, job: &JobId, until: SystemTime) -> Result<(), Error>;

    /// Ends a repair, which frees its host.
    ///
    /// # Errors
    /// [`Error::NoSuchJob`] when it has ended already.
    fn finish(
        &mut self,
        job: &JobId,
        now: SystemTime,
        outcome: RepairOutcome,
        text: &str,
    ) -> Result<(), Error>;

    /// Returns all repairs that have not ended by the record, the oldest first.
    fn running(&mut self) -> Result<Vec<Running>, Error>;

    /// Returns what all repairs together do, and did within `window`.
    fn fleet(&mut self, window: Duration, now: SystemTime) -> Result<FleetUsage, Error>;

    /// Returns the repairs that pass the filter, the newest first.
    fn repairs(&mut self, filter: &Filter<'_>) -> Result<Vec<Record>, Error>;

    /// Returns the refusals that pass the filter, the newest first.
    fn refused(&mut self, filter: &Filter<'_>) -> Result<Vec<Refusal>, Error>;

    /// Returns the refusals that pass the filter, counted by object and reason, the most frequent
    /// first.
    fn refusal_counts(&mut self, filter: &Filter<'_>) -> Result<Vec<RefusalCount>, Error>;

    /// Returns the newest repairs whose job ID starts with `prefix`, at most 20.
    fn jobs(&mut self, prefix: &str) -> Result<Vec<Record>, Error>;

    /// Returns the steps of one repair, in order.
    fn steps(&mut self, job: &JobId) -> Result<Vec<Step>, Error>;

    /// Returns the repairs of an object that were reserved after `since`, the newest first.
    fn repairs_since(&mut self, event: &Event, since: SystemTime) -> Result<Vec<Record>, Error>;

    /// Returns the newest refusal of an object after `since`.
    fn last_refusal(&mut self, event: &Event, since: SystemTime) -> Result<Option<Refusal>, Error>;

    /// Returns the record of a job that was granted.
    fn repair_of(&mut self, job: &JobId) -> Result<Option<Record>, Error>;

    /// Returns the refusal of a job that was refused at `since` or later.
    fn refusal_of(&mut self, job: &JobId, since: SystemTime) -> Result<Option<Refusal>, Error>;

    /// Returns the objects that were repaired or refused a repair after `since`: host, service and
    /// the name of the repair.
    fn in_trouble_since(
        &mut self,
        since: SystemTime,
    ) -> Result<Vec<(String, Option<String>, String)>, Error>;

    /// Returns the repairs of unknown outcome that ended after `since`, the newest first.
    fn unknown_since(&mut self, since: SystemTime) -> Result<Vec<Record>, Error>;

    /// Stops repairs in the scope of `pause`, in place of an earlier pause of the same scope.
    fn pause(&mut self, pause: &Paused) -> Result<(), Error>;

    /// Ends the pause of exactly this scope and returns it; `None` when there is none, or it is
    /// over.
    fn resume(
        &mut self,
        host: Option<&str>,
        service: Option<&str>,
        now: SystemTime,
    ) -> Result<Option<Paused>, Error>;

    /// Returns the pauses that hold at `now`, the widest first.
    fn pauses(&mut self, now: SystemTime) -> Result<Vec<Paused>, Error>;

    /// Closes the breakers of an object, or of a host and all its services, by hand.
    fn reset(&mut self, reset: &Reset) -> Result<(), Error>;

    /// Returns the newest reset that covers an object. One that lies ahead does not count.
    fn last_reset(&mut self, event: &Event, now: SystemTime) -> Result<Option<Reset>, Error>;

    /// Takes the right to sweep; `None` while another sweep has it.
    fn lock_sweep(&mut self) -> Result<Option<SweepLock>, Error>;

    /// Returns the newest repairs, the newest first.
    fn records(&mut self, limit: u32) -> Result<Vec<Record>, Error> {
        self.repairs(&Filter { limit: Some(limit), ..Filter::default() })
    }

    /// Returns the newest refusals, the newest first.
    fn refusals(&mut self, limit: u32) -> Result<Vec<Refusal>, Error> {
        self.refused(&Filter { limit: Some(limit), ..Filter::default() })
    }

    /// Returns the repairs of a host that are running by the record, while their worker is dead.
    fn abandoned(&mut self, host: &str) -> Result<Vec<Record>, Error> {
        let is_dead = |running: &Running| !running.alive && running.record.host == host;
        Ok(self.running()?.into_iter().filter(is_dead).map(|running| running.record).collect())
    }
}
