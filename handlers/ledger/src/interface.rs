//! The trait that every kind of ledger implements.

use std::any::Any;
use std::fs::File;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use policy::{
    Decision, Event, FleetUsage, History, Horizon, JobId, Pause, Reason, ReasonCode,
    RecordedHistory, RepairName,
};

use crate::error::Error;
use crate::filter::{Filter, LimitBounds, RefusalTotals};
use crate::record::{
    Claim, Paused, Record, Refusal, RepairOutcome, Reset, RungStart, Running, Step, StepKind,
};

/// A lock that lets only one sweep run at a time. Dropping it releases the lock.
pub struct SweepLock(
    #[allow(dead_code, reason = "held only for its effect when it is dropped")]
    pub(crate)  Box<dyn Any + Send>,
);

/// A store of reservations, repairs and refusals.
///
/// All times in calls and results use this machine's clock. A store that several machines share
/// records times by its own clock and converts them.
pub trait Ledger: Send {
    /// Reads the history, calls `decide` with it and reserves the repair that `decide` grants, all
    /// in one transaction. Returns the name of the reserved repair, or why `decide` refuses. A
    /// refusal is recorded before another process can decide. Reads `clock` only after it has
    /// acquired the decision lock, because waiting for that lock can take a while.
    ///
    /// Also records the end of a few repairs, on any host, that have a dead worker and a lease that
    /// ended more than a day ago. Their outcome is unknown, unless no rung had started.
    fn reserve(
        &mut self,
        claim: &Claim<'_>,
        clock: &dyn Fn() -> SystemTime,
        decide: &dyn Fn(&History) -> Decision,
    ) -> Result<Result<RepairName, Reason>, Error>;

    /// Returns the history that [`Ledger::reserve`] would pass to the decision. Writes nothing.
    fn history(
        &mut self,
        event: &Event,
        horizon: &Horizon,
        now: SystemTime,
    ) -> Result<RecordedHistory, Error>;

    /// Returns the pause that covers an object, without reading the rest of its history.
    fn pause_of(&mut self, event: &Event, now: SystemTime) -> Result<Option<Pause>, Error>;

    /// Records that a rung is about to run. Adds a step, and stores the rung's number, gate and
    /// deadline in the repair's record.
    fn begin_rung(
        &mut self,
        job: &JobId,
        now: SystemTime,
        rung: &RungStart<'_>,
        text: &str,
    ) -> Result<(), Error>;

    /// Records one step of a running repair. `rung` is the number of the rung that the step belongs
    /// to, if any.
    fn step(
        &mut self,
        job: &JobId,
        now: SystemTime,
        kind: StepKind,
        rung: Option<u32>,
        text: &str,
    ) -> Result<(), Error>;

    /// Returns another handle to a job's lock file, for the supervisor of a local rung. The job
    /// counts as alive while the handle is open, and also while the
    /// [`RungSession`](crate::RungSession) recorded in the file is running.
    ///
    /// # Errors
    /// Returns [`Error::NoSuchJob`] if the job was not reserved through this `Ledger`.
    fn share_lock(&mut self, job: &JobId) -> Result<File, Error>;

    /// Kills the overdue local rungs of a host's repairs. A rung is overdue if its deadline has
    /// passed and both its worker and its supervisor are dead.
    fn stop_overdue(&mut self, host: &str) -> Result<(), Error>;

    /// Extends the lease of a repair to `until`. Call this if the worker is dead but the gate
    /// reports that the repair is still running.
    fn renew(&mut self, job: &JobId, until: SystemTime) -> Result<(), Error>;

    /// Records the end of a repair. The host can then be repaired again.
    ///
    /// # Errors
    /// Returns [`Error::NoSuchJob`] if the repair does not exist or has already ended. A store that
    /// several servers share accepts a second call with the same outcome and text, because the
    /// answer to the first call may have been lost.
    fn finish(
        &mut self,
        job: &JobId,
        now: SystemTime,
        outcome: RepairOutcome,
        text: &str,
    ) -> Result<(), Error>;

    /// Returns all repairs without a recorded end, the oldest first.
    fn running(&mut self) -> Result<Vec<Running>, Error>;

    /// Returns how many repairs are running in the whole fleet, and how many started within
    /// `window` before `now`.
    fn fleet(&mut self, window: Duration, now: SystemTime) -> Result<FleetUsage, Error>;

    /// Passes each repair that matches the filter to `each`, the newest first, until `each` returns
    /// `Break`. Keeps only a limited number of repairs in memory, and does not block writers while
    /// `each` waits.
    fn each_repair(
        &mut self,
        filter: &Filter<'_>,
        each: &mut dyn FnMut(Record) -> ControlFlow<()>,
    ) -> Result<(), Error>;

    /// Like [`Ledger::each_repair`], but for the refusals that match the filter.
    fn each_refusal(
        &mut self,
        filter: &Filter<'_>,
        each: &mut dyn FnMut(Refusal) -> ControlFlow<()>,
    ) -> Result<(), Error>;

    /// Returns the number of refusals that match the filter.
    fn count_refused(&mut self, filter: &Filter<'_>) -> Result<u32, Error>;

    /// Counts the refusals that match the filter by reason. For the reason `by_object`, also counts
    /// them by object. The filter's `limit` restricts only the number of objects in the result.
    fn refusal_totals(
        &mut self,
        filter: &Filter<'_>,
        by_object: Option<ReasonCode>,
    ) -> Result<RefusalTotals, Error>;

    /// Returns the last 20 repairs whose job ID starts with `prefix`, the newest first. Job IDs
    /// start with the time of the reservation, so their order shows which repair is newer.
    fn jobs(&mut self, prefix: &str) -> Result<Vec<Record>, Error>;

    /// Returns the steps of one repair, in order.
    fn steps(&mut self, job: &JobId) -> Result<Vec<Step>, Error>;

    /// Returns an object's repairs that were reserved after `since`, the newest first, but no more
    /// than 100.
    fn repairs_since(&mut self, event: &Event, since: SystemTime) -> Result<Vec<Record>, Error>;

    /// Returns an object's newest refusal that was recorded after `since`.
    fn last_refusal(&mut self, event: &Event, since: SystemTime) -> Result<Option<Refusal>, Error>;

    /// Returns the record of the repair that was granted to a job.
    fn repair_of(&mut self, job: &JobId) -> Result<Option<Record>, Error>;

    /// Returns the refusal of a job, if it was recorded at `since` or later.
    fn refusal_of(&mut self, job: &JobId, since: SystemTime) -> Result<Option<Refusal>, Error>;

    /// Returns the objects that may have reached a limit within `bounds`. Each tuple holds the
    /// host, the service and the name of the object's newest repair. The result includes every
    /// object that has reached a limit, and few others.
    fn may_be_held_back(
        &mut self,
        bounds: &LimitBounds,
        now: SystemTime,
    ) -> Result<Vec<(String, Option<String>, String)>, Error>;

    /// Returns the part of [`Ledger::history`] that [`policy::within_limits`] reads: the repairs
    /// and refusals of the object, and the last reset.
    fn limits_history(
        &mut self,
        event: &Event,
        horizon: &Horizon,
        now: SystemTime,
    ) -> Result<RecordedHistory, Error>;

    /// Returns the repairs that ended after `since` with an unknown outcome, the newest first.
    fn unknown_since(&mut self, since: SystemTime) -> Result<Vec<Record>, Error>;

    /// Pauses repairs. Replaces an earlier pause with the same scope.
    fn pause(&mut self, pause: &Paused) -> Result<(), Error>;

    /// Ends the pause with exactly this scope and returns it. Returns `None` if there is no such
    /// pause or if it is already over.
    fn resume(
        &mut self,
        host: Option<&str>,
        service: Option<&str>,
        now: SystemTime,
    ) -> Result<Option<Paused>, Error>;

    /// Returns the pauses in effect at `now`, those with the widest scope first.
    fn pauses(&mut self, now: SystemTime) -> Result<Vec<Paused>, Error>;

    /// Records that an admin closed a service's breaker, or the breakers of a host and all its
    /// services.
    fn reset(&mut self, reset: &Reset) -> Result<(), Error>;

    /// Returns the newest reset that covers an object. Ignores resets whose time is in the future.
    fn last_reset(&mut self, event: &Event, now: SystemTime) -> Result<Option<Reset>, Error>;

    /// Deletes a batch of expired records, and returns part of the unused space to the file system.
    /// Refusals expire after 90 days. A repair expires, together with its steps, when more than
    /// `keep` has passed since it ended; with `None`, repairs are kept forever. Nothing expires if
    /// no record is between a day and 30 days old, because the clock has probably jumped ahead. The
    /// batch is small, so that decisions do not have to wait long. Returns whether there may be
    /// more to delete or to return.
    fn expire(&mut self, keep: Option<Duration>, now: SystemTime) -> Result<bool, Error>;

    /// Acquires the sweep lock. Returns `None` if another sweep holds it.
    fn lock_sweep(&mut self) -> Result<Option<SweepLock>, Error>;

    /// Returns the repairs that match the filter, the newest first.
    fn repairs(&mut self, filter: &Filter<'_>) -> Result<Vec<Record>, Error> {
        let mut all = Vec::new();
        self.each_repair(filter, &mut |record| {
            all.push(record);
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    /// Returns the refusals that match the filter, the newest first.
    fn refused(&mut self, filter: &Filter<'_>) -> Result<Vec<Refusal>, Error> {
        let mut all = Vec::new();
        self.each_refusal(filter, &mut |refusal| {
            all.push(refusal);
            ControlFlow::Continue(())
        })?;
        Ok(all)
    }

    /// Returns the last `limit` repairs, the newest first.
    fn records(&mut self, limit: u32) -> Result<Vec<Record>, Error> {
        self.repairs(&Filter { limit: Some(limit), ..Filter::default() })
    }

    /// Returns the last `limit` refusals, the newest first.
    fn refusals(&mut self, limit: u32) -> Result<Vec<Refusal>, Error> {
        self.refused(&Filter { limit: Some(limit), ..Filter::default() })
    }

    /// Returns a host's repairs that have no recorded end although their worker is dead.
    fn abandoned(&mut self, host: &str) -> Result<Vec<Running>, Error> {
        let is_dead = |running: &Running| !running.alive && running.record.host == host;
        Ok(self.running()?.into_iter().filter(is_dead).collect())
    }

    /// Whether a repair has ended with exactly this outcome and text.
    fn has_ended_as(
        &mut self,
        job: &JobId,
        outcome: RepairOutcome,
        text: &str,
    ) -> Result<bool, Error> {
        let record = self.repair_of(job)?;
        Ok(record.is_some_and(|record| record.outcome == Some(outcome) && record.text == text))
    }
}
