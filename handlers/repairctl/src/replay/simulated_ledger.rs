//! The records that the ledger would contain for one object.

use std::collections::VecDeque;
use std::time::Duration;

use engine::log::StateChange;
use policy::{Limits, PastOutcome, PastRepair, RefusalRun, SAME_EVENT_WITHIN};

/// Maximum number of repairs, and maximum number of refusals, that are kept for one object. The
/// real ledger has the same limit, and no limit in a policy can be higher.
const ENOUGH: usize = 1000;

/// A repair that would have run in a replay.
#[derive(Debug, Clone)]
pub struct SimulatedRepair {
    /// Number of the repair, counted from 1 over all objects.
    pub job: u64,
    /// Start in seconds since 1970.
    pub began: u64,
    /// End in seconds since 1970.
    pub ended: u64,
    /// The state change that would have started the repair.
    pub change: StateChange,
    /// Number of the problem that would have started the repair, counted from 1 for each object.
    pub problem: u64,
    /// The outcome; `None` until the log has shown it.
    pub outcome: Option<PastOutcome>,
}

/// The repairs and refusals of one object, newest first.
#[derive(Debug, Default)]
pub struct SimulatedLedger {
    pub repairs: VecDeque<SimulatedRepair>,
    /// Times of the refusals, in seconds since 1970.
    pub refused: VecDeque<u64>,
}

impl SimulatedLedger {
    /// Adds a repair, and removes records that no limit needs.
    pub fn repaired(&mut self, repair: SimulatedRepair, limits: &Limits) {
        self.forget(repair.began, limits);
        self.repairs.push_front(repair);
    }

    /// Adds a refusal, and removes records that no limit needs.
    pub fn refused(&mut self, at: u64, limits: &Limits) {
        self.forget(at, limits);
        self.refused.push_front(at);
    }

    /// Removes records that no limit needs. An incident ends after `healthy_for` without records,
    /// and from then on its refusals no longer count. Its repairs count for the longest of these
    /// times: the budget's window, the cooldown, and the time within which a repeated event is
    /// ignored.
    fn forget(&mut self, now: u64, limits: &Limits) {
        let repaired = self.repairs.front().map(|repair| repair.ended);
        let last = repaired.max(self.refused.front().copied()).unwrap_or(now);
        if now.saturating_sub(last) >= limits.healthy_for.as_secs() {
            self.refused.clear();
            let kept = limits.window.per.max(limits.cooldown).max(SAME_EVENT_WITHIN).as_secs();
            self.repairs.retain(|repair| now.saturating_sub(repair.ended) <= kept);
        }
        self.refused.truncate(ENOUGH - 1);
        self.repairs.truncate(ENOUGH - 1);
    }

    /// Returns the repairs as the decision needs them, with ages instead of times.
    pub fn repairs_at(&self, now: u64) -> Vec<PastRepair> {
        let past = |repair: &SimulatedRepair| PastRepair {
            job: repair.job.to_string(),
            began: age(repair.began, now),
            ended: age(repair.ended, now),
            outcome: repair.outcome.unwrap_or(PastOutcome::Failed),
        };
        self.repairs.iter().map(past).collect()
    }

    /// Returns the refusals as the decision needs them, with ages instead of times.
    pub fn refused_at(&self, now: u64) -> Vec<RefusalRun> {
        self.refused.iter().map(|at| age(*at, now).into()).collect()
    }

    /// Returns the ID of a recent job that this problem started. If `change` is not `None`, returns
    /// only a job that this state change started.
    pub fn answered(&self, problem: u64, change: Option<StateChange>, now: u64) -> Option<String> {
        let same = |repair: &&SimulatedRepair| {
            let lately = age(repair.began, now) < SAME_EVENT_WITHIN;
            lately
                && repair.problem == problem
                && change.is_none_or(|change| repair.change == change)
        };
        self.repairs.iter().find(same).map(|repair| repair.job.to_string())
    }
}

/// Returns the time from `at` to `now`, both in seconds since 1970.
pub fn age(at: u64, now: u64) -> Duration {
    Duration::from_secs(now.saturating_sub(at))
}
