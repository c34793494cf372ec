//! Finds out how long an object has been in trouble. Goes back in time through the object's repairs
//! and the refusals between them. All kinds of stores use this code.

use std::ops::ControlFlow;
use std::time::SystemTime;

use policy::{Horizon, PastOutcome, PastRepair, REFUSALS_KEPT, RecordedHistory, RefusalRun};

use crate::facts::{Facts, RecordedRepair};
use crate::value::{age, millis, span_millis};
use crate::{Error, RepairOutcome};

/// How many repairs to read beyond an incident's budget. Fewer would be enough to refuse another
/// repair, but the reason for a refusal states how many repairs there were.
const READ_BEYOND_BUDGET: usize = 100;

/// Reads the repairs of an object, the newest first, and the refusals that show whether its
/// incident went on. `reset` is the time of the last reset, in milliseconds since 1970.
pub(crate) fn read(
    facts: &impl Facts,
    horizon: &Horizon,
    reset: Option<i64>,
    now: SystemTime,
) -> Result<RecordedHistory, Error> {
    let mut walk = Walk::begin(facts, horizon, reset, now)?;
    facts.each_past(&mut |past| {
        Ok(match walk.reach(past)? {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        })
    })?;
    walk.sort();
    Ok(walk.history)
}

/// A walk back in time through the records of an object. It starts at the present and reaches the
/// newest repair first. The walk stops when no older record can change the decision. There are two
/// such cases:
///
/// - The repairs read so far reach back beyond the start of the incident, and no older repair
///   counts towards the cooldown or the window.
/// - The breaker is open. The repair is then refused, no matter what the older records contain.
///
/// The policy's limits therefore bound the number of repairs to read. Repairs that could not run
/// are the exception: no limit counts them, so they are all read, back to the start of the
/// incident. Refusals are not read one by one, so their number does not matter.
struct Walk<'a, F> {
    horizon: &'a Horizon,
    now: SystemTime,
    facts: &'a F,
    /// Refusals before this time, in milliseconds since 1970, do not count. Some of them may not
    /// have been deleted yet.
    kept_since: i64,
    /// The sorted result of [`Facts::after_gaps`]; `None` until it is needed.
    after_gaps: Option<Vec<i64>>,
    history: RecordedHistory,
    /// Time of the oldest sign of the incident found so far, in milliseconds since 1970.
    since: i64,
    /// Whether all records of the incident have been read.
    is_over: bool,
    /// The number of repairs to read before checking again whether the breaker is open.
    enough: usize,
}

impl<'a, F: Facts> Walk<'a, F> {
    /// Begins a walk through the records of an object. `reset` is the time of the last reset, in
    /// milliseconds since 1970.
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
        let (after_gaps, since, is_over) = (None, millis(now), false);
        let kept_since = since.saturating_sub(span_millis(REFUSALS_KEPT));
        let mut walk =
            Walk { horizon, now, facts, kept_since, after_gaps, history, since, is_over, enough };
        walk.add_newest_refusal(since.saturating_sub(walk.quiet()), i64::MAX)?;
        Ok(walk)
    }

    /// Continues the walk back to a repair. Returns whether an older repair can still change the
    /// decision.
    fn reach(&mut self, repair: RecordedRepair) -> Result<bool, Error> {
        let (began, ended) = (repair.reserved, repair.ended);
        let past = past_repair(repair, self.now);
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
        Ok(!self.has_open_breaker())
    }

    /// Returns the length of the gap that ends an incident, in milliseconds.
    fn quiet(&self) -> i64 {
        span_millis(self.horizon.limits.healthy_for)
    }

    /// Follows the refusals of the incident back in time, but not beyond `ended`, the time when the
    /// next older repair ended. Stops when less than `healthy_for` lies between `ended` and the
    /// oldest sign found, because that repair then belongs to the incident too. Also stops when no
    /// older refusal belongs to the incident.
    fn follow_refusals(&mut self, ended: i64) -> Result<(), Error> {
        while self.since.saturating_sub(ended) >= self.quiet() {
            let Some([oldest, newest]) = self.run_before(self.since, ended)? else { break };
            let [newest_age, oldest_age] = [newest, oldest].map(|at| age(at, self.now));
            self.history.refused.push(RefusalRun { newest: newest_age, oldest: oldest_age });
            self.since = oldest;
        }
        Ok(())
    }

    /// Finds a run of refusals: the newest came less than `healthy_for` before `since`, and each of
    /// the others came less than `healthy_for` before the next one. Ignores refusals before
    /// `until`. Returns the times of the oldest and the newest refusal in the run, or `None` if
    /// there is no run.
    ///
    /// If the clock was set back, the run found can be too short. The ledger computes the gap
    /// before a refusal when it records the refusal. If it later records another refusal with a
    /// time inside that gap, the stored gap stays the same.
    fn run_before(&mut self, since: i64, until: i64) -> Result<Option<[i64; 2]>, Error> {
        let (quiet, before_run) = (self.quiet(), until.saturating_sub(1));
        let newest = self.newest_between(before_run, since)?;
        let Some(newest) = newest.filter(|at| since.saturating_sub(*at) < quiet) else {
            return Ok(None);
        };
        let in_run = |at: &i64| (until..=newest).contains(at);
        let oldest = match self.after_gaps()?.iter().rev().copied().find(in_run) {
            Some(after_gap) => Some(after_gap),
            None => self.facts.oldest_refusal(before_run.max(self.kept_since), since)?,
        };
        Ok(Some([oldest.unwrap_or(newest), newest]))
    }

    fn after_gaps(&mut self) -> Result<&[i64], Error> {
        if self.after_gaps.is_none() {
            let mut times = self.facts.after_gaps(self.quiet(), self.kept_since)?;
            times.sort_unstable();
            self.after_gaps = Some(times);
        }
        Ok(self.after_gaps.as_deref().unwrap_or_default())
    }

    fn newest_between(&self, after: i64, before: i64) -> Result<Option<i64>, Error> {
        self.facts.newest_refusal(after.max(self.kept_since), before)
    }

    fn add_newest_refusal(&mut self, after: i64, before: i64) -> Result<(), Error> {
        let newest = self.newest_between(after, before)?;
        self.history.refused.extend(newest.map(|at| RefusalRun::from(age(at, self.now))));
        Ok(())
    }

    /// Whether the repairs that were read have opened the breaker. Older repairs cannot close it.
    /// Counting takes time, so this function returns `false` without counting until `enough`
    /// repairs have been read. It then counts, and doubles `enough`.
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

fn past_repair(repair: RecordedRepair, now: SystemTime) -> PastRepair {
    let outcome = match repair.outcome.as_deref().and_then(RepairOutcome::from_word) {
        Some(RepairOutcome::Healed) => PastOutcome::Healed,
        Some(RepairOutcome::CouldNotRun) => PastOutcome::NotRun,
        Some(RepairOutcome::NotHealed | RepairOutcome::Unknown) | None => PastOutcome::Failed,
    };
    let [began, ended] = [repair.reserved, repair.ended].map(|at| age(at, now));
    PastRepair { job: repair.job, began, ended, outcome }
}
