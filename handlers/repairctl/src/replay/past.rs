//! What the ledger would hold of one object.

use std::collections::VecDeque;
use std::time::Duration;

use policy::{Limits, PastOutcome, PastRepair, SAME_EVENT_WITHIN};

use super::entry::Change;

/// More repairs or refusals of one object than any limit can ask about; the ledger gives out no
/// more either.
const ENOUGH: usize = 1000;

/// A repair that would have been.
#[derive(Debug, Clone)]
pub struct Made {
    /// Counted from 1.
    pub job: u64,
    /// When, in seconds since 1970.
    pub began: u64,
    /// When it would have ended.
    pub ended: u64,
    /// What it would have answered.
    pub change: Change,
    /// The problem it would have answered.
    pub problem: u64,
    /// How it would have ended; `None` as long as the log has not shown it.
    pub outcome: Option<PastOutcome>,
}

/// The repairs and refusals of one object, the newest first.
#[derive(Debug, Default)]
pub struct Track {
    /// What would have been repaired.
    pub repairs: VecDeque<Made>,
    /// When trouble was refused.
    pub refused: VecDeque<u64>,
}

impl Track {
    /// Adds a repair, and forgets what no limit asks about any more.
    pub fn repaired(&mut self, made: Made, limits: &Limits) {
        self.forget(made.began, limits);
        self.repairs.push_front(made);
    }

    /// Adds a refusal.
    pub fn refused(&mut self, at: u64, limits: &Limits) {
        self.forget(at, limits);
        self.refused.push_front(at);
    }

    /// A gap of `healthy_for` ends an incident, and with it the use of its refusals; repairs count
    /// in their window as well.
    fn forget(&mut self, now: u64, limits: &Limits) {
        let repaired = self.repairs.front().map(|made| made.ended);
        let last = repaired.max(self.refused.front().copied()).unwrap_or(now);
        if now.saturating_sub(last) >= limits.healthy_for.as_secs() {
            self.refused.clear();
            let kept = limits.window.per.max(limits.cooldown).max(SAME_EVENT_WITHIN).as_secs();
            self.repairs.retain(|made| now.saturating_sub(made.ended) <= kept);
        }
        self.refused.truncate(ENOUGH - 1);
        self.repairs.truncate(ENOUGH - 1);
    }

    /// The repairs as the decision wants them.
    pub fn repairs_at(&self, now: u64) -> Vec<PastRepair> {
        let past = |made: &Made| PastRepair {
            job: made.job.to_string(),
            began: age(made.began, now),
            ended: age(made.ended, now),
            outcome: made.outcome.unwrap_or(PastOutcome::Failed),
        };
        self.repairs.iter().map(past).collect()
    }

    /// The refusals as the decision wants them.
    pub fn refused_at(&self, now: u64) -> Vec<Duration> {
        self.refused.iter().map(|at| age(*at, now)).collect()
    }

    /// The job that answered this problem lately; at this very change, if one is given.
    pub fn answered(&self, problem: u64, change: Option<Change>, now: u64) -> Option<String> {
        let same = |made: &&Made| {
            let lately = age(made.began, now) < SAME_EVENT_WITHIN;
            lately && made.problem == problem && change.is_none_or(|change| made.change == change)
        };
        self.repairs.iter().find(same).map(|made| made.job.to_string())
    }
}

/// How long ago, with the log's seconds.
pub fn age(at: u64, now: u64) -> Duration {
    Duration::from_secs(now.saturating_sub(at))
}
