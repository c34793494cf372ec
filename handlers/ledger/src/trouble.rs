//! Reads the records that show how long an object has been in trouble: its repairs, and the
//! refusals between them.

use std::ops::ControlFlow;
use std::time::SystemTime;

use policy::{Horizon, PastOutcome, PastRepair, REFUSALS_KEPT, RecordedHistory};

use crate::facts::{Facts, RecordedRepair};
use crate::value::{age, millis, span_millis};
use crate::{Error, RepairOutcome};

/// How many repairs beyond an incident's budget are always read, even if fewer would be enough to
/// refuse. The reason for a refusal states how many repairs there were.
const READ_BEYOND_BUDGET: usize = 100;

/// Reads the repairs of an object, from the newest back in time, and the refusals that show whether
/// its incident went on. `reset` is the time of the last reset. Stops as soon as no older record
/// can change the decision, which is the case in two situations:
///
/// - The repairs read so far reach back beyond the start of the incident, and no older repair
///   counts towards the cooldown or the window.
/// - The breaker is open. The first rule about the incident then refuses, no matter what the
///   older records contain.
///
/// The policy's limits therefore bound the number of rows. Only repairs that could not run are read
/// all the way back to the start of the incident, because no limit counts them.
pub(crate) fn read(
    facts: &impl Facts,
    horizon: &Horizon,
    reset: Option<i64>,
    now: SystemTime,
) -> Result<RecordedHistory, Error> {
    let mut walk = Walk::begin(facts, horizon, reset, now)?;
    facts.each_past(&mut |past| {
        let reached = walk.reach(past_repair(&past, now), past.reserved, past.ended)?;
        Ok(match reached && !walk.has_open_breaker() {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    })?;
    walk.sort();
    Ok(walk.history)
}

/// A walk through the records of an object, back in time.
struct Walk<'a, F> {
    horizon: &'a Horizon,
    now: SystemTime,
    refusals: Refusals<'a, F>,
    history: RecordedHistory,
    /// The oldest sign of the incident so far, in milliseconds since 1970.
    since: i64,
    /// Whether the walk has passed the start of the incident.
    is_over: bool,
    /// Number of repairs at which the walk next checks whether the breaker is open.
    enough: usize,
}

impl<'a, F: Facts> Walk<'a, F> {
    fn begin(
        facts: &'a F,
        horizon: &'a Horizon,
        reset: Option<i64>,
        now: SystemTime,
    ) -> Result<Walk<'a, F>, Error> {
        let limits = &horizon.limits;
        let budget = usize::try_from(limits.per_incident.max(limits.breaker));
        let enough = budget.unwrap_or(usize::MAX).saturating_add(READ_BEYOND_BUDGET);
        let reset = reset.map(|at| age(at, now));
        let history = RecordedHistory { reset, ..RecordedHistory::default() };
        let since = millis(now);
        let kept_since = since.saturating_sub(span_millis(REFUSALS_KEPT));
        let refusals = Refusals { facts, kept_since };
        let mut walk = Walk { horizon, now, refusals, history, since, is_over: false, enough };
        walk.add_newest_refusal(since.saturating_sub(walk.quiet()), i64::MAX)?;
        Ok(walk)
    }

    /// Returns the length of the gap that ends an incident, in milliseconds.
    fn quiet(&self) -> i64 {
        span_millis(self.horizon.limits.healthy_for)
    }

    /// Goes back to the repair `past`. `began` and `ended` are its start and end, in milliseconds
    /// since 1970. Returns `false` if neither this repair nor any older one counts.
    fn reach(&mut self, past: PastRepair, began: i64, ended: i64) -> Result<bool, Error> {
        self.is_over |= self.history.reset.is_some_and(|reset| past.ended >= reset);
        if !self.is_over {
            self.follow_refusals(ended)?;
            self.is_over = self.since.saturating_sub(ended) >= self.quiet();
        }
        if self.is_over && past.ended >= self.horizon.repairs() {
            return Ok(false);
        }
        if !self.is_over && past.outcome == PastOutcome::Healed {
            let relapse = span_millis(self.horizon.limits.relapse);
            self.add_newest_refusal(ended, ended.saturating_add(relapse))?;
        }
        self.history.repairs.push(past);
        self.since = self.since.min(began);
        Ok(true)
    }

    /// Follows refusals back towards `ended`, unless the gap after `ended` is too short to end the
    /// incident.
    fn follow_refusals(&mut self, ended: i64) -> Result<(), Error> {
        let quiet = self.quiet();
        if self.since.saturating_sub(ended) >= quiet {
            for at in self.refusals.chain(ended, self.since, quiet)? {
                self.history.refused.push(age(at, self.now));
                self.since = at;
            }
        }
        Ok(())
    }

    fn add_newest_refusal(&mut self, after: i64, before: i64) -> Result<(), Error> {
        let newest = self.refusals.newest_between(after, before)?;
        self.history.refused.extend(newest.map(|at| age(at, self.now)));
        Ok(())
    }

    /// Whether the repairs that were read have opened the breaker. Older repairs cannot close it.
    /// Counting takes time, so this returns `false` without counting until the number of repairs
    /// has doubled.
    fn has_open_breaker(&mut self) -> bool {
        if self.history.repairs.len() < self.enough {
            return false;
        }
        self.enough = self.enough.saturating_mul(2);
        self.sort();
        let limits = &self.horizon.limits;
        self.history.ineffective(limits) >= limits.breaker
    }

    fn sort(&mut self) {
        self.history.refused.sort_unstable();
        self.history.refused.dedup();
    }
}

fn past_repair(past: &RecordedRepair, now: SystemTime) -> PastRepair {
    let outcome = match past.outcome.as_deref().and_then(RepairOutcome::from_word) {
        Some(RepairOutcome::Healed) => PastOutcome::Healed,
        Some(RepairOutcome::CouldNotRun) => PastOutcome::NotRun,
        Some(RepairOutcome::NotHealed | RepairOutcome::Unknown) | None => PastOutcome::Failed,
    };
    PastRepair {
        job: past.job.clone(),
        began: age(past.reserved, now),
        ended: age(past.ended, now),
        outcome,
    }
}

/// The refusals of one object within [`REFUSALS_KEPT`], whether or not older ones have been deleted
/// yet.
struct Refusals<'a, F> {
    facts: &'a F,
    kept_since: i64,
}

impl<F: Facts> Refusals<'_, F> {
    /// Returns the time of the newest refusal between two times, both exclusive.
    fn newest_between(&self, after: i64, before: i64) -> Result<Option<i64>, Error> {
        self.facts.newest_refusal(after.max(self.kept_since), before)
    }

    /// Goes back in time from `since` to `until`, from one refusal to another, and returns the
    /// times of these refusals. Each step is as long as possible, but shorter than `quiet`. Any two
    /// steps together are at least as long as `quiet`, so the number of steps depends on `quiet`
    /// and [`REFUSALS_KEPT`], and not on the number of refusals.
    fn chain(&self, until: i64, since: i64, quiet: i64) -> Result<Vec<i64>, Error> {
        let (mut chain, mut from) = (Vec::new(), since);
        let end = until.saturating_sub(1).max(self.kept_since);
        loop {
            let after = from.saturating_sub(quiet).max(end);
            let Some(at) = self.facts.oldest_refusal(after, from)? else { return Ok(chain) };
            chain.push(at);
            from = at;
        }
    }
}
