//! May this repair run now? Pure: the records, the clock and the boot are arguments. In doubt, no.

use crate::config::{Budget, MOST_RUNS, RepairDefinition};
use crate::record::{JobRecord, RunState};
use crate::rejection::{Rejection, RejectionReason};
use crate::request::Name;

/// How many records of one name there may be. No budget is larger, so a name whose budget is used
/// up is refused before its records are.
#[allow(clippy::cast_possible_truncation, reason = "a thousand fits")]
pub(crate) const MOST_RECORDS: usize = MOST_RUNS as usize;
/// How long a job id stays known at least; a server asks again within minutes.
const KEPT_AT_LEAST: u64 = 24 * 60 * 60;

/// The clock and the boot.
pub(crate) struct Now<'a> {
    pub(crate) millis: u64,
    pub(crate) boot: &'a str,
}

/// For how many milliseconds after its end a record is needed, from the seconds of its name's
/// memory.
pub(crate) fn kept_for(memory: u64) -> u64 {
    memory.max(KEPT_AT_LEAST).saturating_mul(1000)
}

/// How full the records of one name are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordUsage {
    pub(crate) records: usize,
    /// Seconds until the oldest of them makes room.
    pub(crate) room_in: Option<u64>,
}

/// Counts the records of `name` that are still needed.
pub(crate) fn usage(
    records: &[JobRecord],
    name: &Name,
    repair: &RepairDefinition,
    now: u64,
) -> RecordUsage {
    let ends = ends(&of(name, records), repair, now);
    RecordUsage {
        records: ends.len(),
        room_in: ends.last().map(|end| seconds(end.saturating_sub(now))),
    }
}

/// Refuses while a repair runs, by its record.
pub(crate) fn nothing_runs(records: &[JobRecord], now: &Now<'_>) -> Result<(), Rejection> {
    let Some(running) = running(records, now) else { return Ok(()) };
    let text = format!(
        "{} (job {}) is running; one repair at a time on a host",
        running.repair, running.job
    );
    Err(Rejection {
        running: Some(running.job.clone()),
        ..Rejection::new(RejectionReason::Busy, text)
    })
}

/// Refuses if a request that came now would be refused. For callers without the lock, who do not
/// know whether a repair on record as running still has its gate.
pub(crate) fn would_run(
    records: &[JobRecord],
    name: &Name,
    repair: &RepairDefinition,
    now: &Now<'_>,
) -> Result<(), Rejection> {
    nothing_runs(records, now)?;
    may_run(records, name, repair, now)
}

/// Refuses if a repair may still be running here, or this one's cooldown, budget or number of
/// records forbids it.
///
/// A clock that has gone back makes records lie in the future; they then count as fresh, so that it
/// never makes the gate bolder.
pub(crate) fn may_run(
    records: &[JobRecord],
    name: &Name,
    repair: &RepairDefinition,
    now: &Now<'_>,
) -> Result<(), Rejection> {
    if let Some(running) = running(records, now) {
        return Err(still_running(running, now));
    }
    let mine = of(name, records);
    if let Some(last) = mine.iter().max_by_key(|record| record.last_moment()) {
        cooled_down(last, repair.cooldown, now)?;
    }
    if let Some(budget) = repair.budget {
        within(budget, &mine, name, now)?;
    }
    let Some(left) = room_in(&ends(&mine, repair, now.millis), MOST_RECORDS, now.millis) else {
        return Ok(());
    };
    let text = format!(
        "{name} has used all its {MOST_RECORDS} records; it needs a person, not another repair; \
         there is room again in {left} s"
    );
    Err(Rejection { retry_after: Some(left), ..Rejection::new(RejectionReason::State, text) })
}

fn running<'a>(records: &'a [JobRecord], now: &Now<'_>) -> Option<&'a JobRecord> {
    records.iter().find(|record| record.state_at(now.millis, now.boot) == RunState::Running)
}

fn of<'a>(name: &Name, records: &'a [JobRecord]) -> Vec<&'a JobRecord> {
    records.iter().filter(|record| record.repair == *name).collect()
}

fn still_running(running: &JobRecord, now: &Now<'_>) -> Rejection {
    let left = seconds(running.deadline.saturating_sub(now.millis));
    let text = format!(
        "{} (job {}) has lost its gate and may still be running for up to {left} s; one repair at \
         a time on a host",
        running.repair, running.job
    );
    Rejection { running: Some(running.job.clone()), ..Rejection::new(RejectionReason::Busy, text) }
}

fn cooled_down(last: &JobRecord, cooldown: u64, now: &Now<'_>) -> Result<(), Rejection> {
    let over = last.last_moment().saturating_add(cooldown.saturating_mul(1000));
    // `started` too, for a cooldown of 0 s must not hide that the clock is wrong.
    if over <= now.millis && last.started <= now.millis {
        return Ok(());
    }
    let left = seconds(over.max(last.started).saturating_sub(now.millis));
    let text = if last.started > now.millis {
        format!(
            "job {} of {} was started in the future, so the clock has gone back; its cooldown \
             counts as running for {left} s, \
             unless a person removes its record",
            last.job, last.repair
        )
    } else {
        format!(
            "{} was repaired by job {} a short time ago; its cooldown of {cooldown} s ends in \
             {left} s",
            last.repair, last.job
        )
    };
    Err(Rejection { retry_after: Some(left), ..Rejection::new(RejectionReason::Cooldown, text) })
}

fn within(
    budget: Budget,
    mine: &[&JobRecord],
    name: &Name,
    now: &Now<'_>,
) -> Result<(), Rejection> {
    let window = budget.window.saturating_mul(1000);
    let leaves = later(mine.iter().map(|record| record.started.saturating_add(window)), now.millis);
    let count = usize::try_from(budget.count).unwrap_or(usize::MAX);
    let Some(left) = room_in(&leaves, count, now.millis) else { return Ok(()) };
    let text = format!(
        "{name} has used its budget of {} in {} s; there is room again in {left} s",
        budget.count, budget.window
    );
    Err(Rejection { retry_after: Some(left), ..Rejection::new(RejectionReason::Budget, text) })
}

/// When the records are no longer needed, the latest first.
fn ends(mine: &[&JobRecord], repair: &RepairDefinition, now: u64) -> Vec<u64> {
    let kept = kept_for(repair.memory());
    later(mine.iter().map(|record| record.last_moment().saturating_add(kept)), now)
}

/// Those moments that are yet to come, the latest first.
fn later(moments: impl Iterator<Item = u64>, now: u64) -> Vec<u64> {
    let mut later: Vec<u64> = moments.filter(|&at| at > now).collect();
    later.sort_unstable_by(|a, b| b.cmp(a));
    later
}

/// Seconds until fewer than `most` of `moments` are yet to come; `None` if it is so now. They come
/// as from `later`.
fn room_in(moments: &[u64], most: usize, now: u64) -> Option<u64> {
    moments.get(most.checked_sub(1)?).map(|at| seconds(at.saturating_sub(now)))
}

fn seconds(millis: u64) -> u64 {
    millis.div_ceil(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    const S: u64 = 1000;

    fn repair(cooldown: u64, budget: Option<Budget>) -> RepairDefinition {
        RepairDefinition {
            run: vec!["/bin/true".into()],
            user: None,
            timeout: 60,
            cooldown,
            budget,
            diagnose: Vec::new(),
        }
    }

    fn refusal(
        records: &[JobRecord],
        repair: &RepairDefinition,
        seconds: u64,
    ) -> Option<Rejection> {
        may_run(
            records,
            &Name::new("httpd").unwrap(),
            repair,
            &Now { millis: seconds * S, boot: "b1" },
        )
        .err()
    }

    #[test]
    fn without_records_it_may_run() {
        assert_eq!(refusal(&[], &repair(60, Some(Budget { count: 1, window: 60 })), 0), None);
    }

    #[test]
    fn the_cooldown_counts_from_the_end_and_is_each_repairs_own() {
        let done = record("20261123-aa", RunState::Done, 100 * S, Some(130 * S));
        let during = refusal(std::slice::from_ref(&done), &repair(60, None), 150).unwrap();
        assert_eq!((during.reason, during.retry_after), (RejectionReason::Cooldown, Some(40)));
        assert_eq!(refusal(std::slice::from_ref(&done), &repair(60, None), 190), None);
        assert_eq!(refusal(std::slice::from_ref(&done), &repair(0, None), 130), None);
        let other = JobRecord { repair: Name::new("other").unwrap(), ..done };
        assert_eq!(refusal(&[other], &repair(60, None), 150), None);
    }

    #[test]
    fn one_that_may_still_run_blocks_every_repair_until_its_deadline() {
        let lost = JobRecord {
            repair: Name::new("other").unwrap(),
            ..record("20261123-aa", RunState::Running, 100 * S, None)
        };
        let busy = refusal(std::slice::from_ref(&lost), &repair(0, None), 175).unwrap();
        assert_eq!(
            (busy.reason, busy.running.as_ref().map(|job| job.as_str())),
            (RejectionReason::Busy, Some("20261123-aa"))
        );
        assert_eq!(refusal(&[lost], &repair(0, None), 176), None);
        let own = record("20261123-aa", RunState::Running, 100 * S, None);
        assert_eq!(
            refusal(&[own], &repair(60, None), 176).unwrap().reason,
            RejectionReason::Cooldown,
            "it counts as a run"
        );
    }

    #[test]
    fn a_clock_that_went_back_never_makes_it_bolder() {
        let done = record("20261123-aa", RunState::Done, 1000 * S, Some(1001 * S));
        for cooldown in [0, 60] {
            let refused =
                refusal(std::slice::from_ref(&done), &repair(cooldown, None), 10).unwrap();
            assert_eq!(refused.reason, RejectionReason::Cooldown);
            assert!(refused.text.contains("the clock has gone back"), "{}", refused.text);
        }
        let lost = record("20261123-bb", RunState::Running, 1000 * S, None);
        assert_eq!(refusal(&[lost], &repair(0, None), 10).unwrap().reason, RejectionReason::Busy);
    }

    #[test]
    fn the_budget_is_a_sliding_window() {
        let runs: Vec<JobRecord> = [100, 200, 300]
            .map(|at| record("20261123-aa", RunState::Failed, at * S, Some(at * S)))
            .into();
        let budget = |count| repair(0, Some(Budget { count, window: 1000 }));
        assert_eq!(refusal(&runs, &budget(4), 400), None);
        let spent = refusal(&runs, &budget(3), 400).unwrap();
        assert_eq!(
            (spent.reason, spent.retry_after),
            (RejectionReason::Budget, Some(700)),
            "when the first of three leaves"
        );
        assert_eq!(
            refusal(&runs, &budget(2), 400).unwrap().retry_after,
            Some(800),
            "when two of three have left"
        );
        assert_eq!(refusal(&runs, &budget(3), 1100), None);
    }

    #[test]
    fn a_full_record_refuses_its_own_name_until_the_oldest_leaves() {
        let many = vec![record("20261123-aa", RunState::Done, S, Some(S)); MOST_RECORDS];
        let full = refusal(&many, &repair(0, None), 401).unwrap();
        assert_eq!((full.reason, full.retry_after), (RejectionReason::State, Some(86_000)));
        assert_eq!(refusal(&many[1..], &repair(0, None), 401), None);
        assert_eq!(refusal(&many, &repair(0, None), 86_401), None);
        let other = Name::new("other").unwrap();
        let now = Now { millis: 401 * S, boot: "b1" };
        assert_eq!(may_run(&many, &other, &repair(0, None), &now), Ok(()));
        let usage =
            |seconds| usage(&many, &Name::new("httpd").unwrap(), &repair(0, None), seconds * S);
        assert_eq!(usage(401), RecordUsage { records: MOST_RECORDS, room_in: Some(86_000) });
        assert_eq!(usage(86_401), RecordUsage { records: 0, room_in: None });
    }

    #[test]
    fn a_budget_that_is_used_up_is_refused_before_the_record_is_full() {
        let many = vec![record("20261123-aa", RunState::Done, S, Some(S)); MOST_RECORDS];
        let largest = Budget { count: MOST_RUNS, window: 600 };
        assert_eq!(
            refusal(&many, &repair(0, Some(largest)), 400).unwrap().reason,
            RejectionReason::Budget
        );
    }
}
