//! The ledger's content about one object, as it would be.

use std::collections::VecDeque;
use std::time::Duration;

use engine::log::StateChange;
use policy::{Limits, PastOutcome, PastRepair, SAME_EVENT_WITHIN};

/// The most repairs or refusals of one object that are kept, as in the ledger: no limit is higher.
const ENOUGH: usize = 1000;

/// A repair that would have been.
#[derive(Debug, Clone)]
pub struct SimulatedRepair {
    /// Its number, from 1.
    pub job: u64,
    /// When, in seconds since 1970.
    pub began: u64,
    /// When it would have ended.
    pub ended: u64,
    /// The change that would have started it.
    pub change: StateChange,
    /// The problem that would have started it.
    pub problem: u64,
    /// Its outcome; `None` until the log has shown it.
    pub outcome: Option<PastOutcome>,
}

/// The repairs and refusals of one object, the newest first.
#[derive(Debug, Default)]
pub struct SimulatedLedger {
    /// The repairs.
    pub repairs: VecDeque<SimulatedRepair>,
    /// The times of refusals, in seconds since 1970.
    pub refused: VecDeque<u64>,
}

impl SimulatedLedger {
    /// Adds a repair, and removes what no limit needs any more.
    pub fn repaired(&mut self, repair: SimulatedRepair, limits: &Limits) {
        self.forget(repair.began, limits);
        self.repairs.push_front(repair);
    }

    /// Adds a refusal.
    pub fn refused(&mut self, at: u64, limits: &Limits) {
        self.forget(at, limits);
        self.refused.push_front(at);
    }

    /// A gap of `healthy_for` ends an incident, after which its refusals do not count; repairs
    /// count in their window as well.
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

    /// The repairs, for the decision.
    pub fn repairs_at(&self, now: u64) -> Vec<PastRepair> {
        let past = |repair: &SimulatedRepair| PastRepair {
            job: repair.job.to_string(),
            began: age(repair.began, now),
            ended: age(repair.ended, now),
            outcome: repair.outcome.unwrap_or(PastOutcome::Failed),
        };
        self.repairs.iter().map(past).collect()
    }

    /// The ages of refusals, for the decision.
    pub fn refused_at(&self, now: u64) -> Vec<Duration> {
        self.refused.iter().map(|at| age(*at, now)).collect()
    }

    /// The recent job for this problem; for the very same change, if one is given.
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

/// The age of a time, both in seconds since 1970.
pub fn age(at: u64, now: u64) -> Duration {
    Duration::from_secs(now.saturating_sub(at))
}
