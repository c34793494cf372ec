//! Decides whether a repair may run now: checks for a running repair, the cooldown, the budget and
//! the number of records. The records, the time and the boot ID are arguments, so this module has
//! no side effects. If in doubt, it refuses the repair.

use std::cmp::Reverse;
use std::time::{Duration, SystemTime};

use crate::config::{Budget, MOST_RUNS, RepairDefinition};
use crate::durations::seconds_up;
use crate::record::{JobRecord, Now, RunState};
use crate::rejection::{Rejection, RejectionReason};
use crate::request::Name;
use crate::run_times::{RunHistory, RunTimes};
use crate::timestamps::until;

/// Maximum number of records for one repair. No budget is larger, so requests over the budget are
/// refused before this limit is reached.
#[allow(clippy::cast_possible_truncation, reason = "1000 fits into usize")]
pub(crate) const MOST_RECORDS: usize = MOST_RUNS as usize;
/// Minimum time for which a job ID stays known, so that a repeated request does not run the repair
/// again. A server repeats a request within minutes.
const SHORTEST_RETENTION: Duration = Duration::from_hours(24);

/// Returns how long a record is kept after the repair has ended. `retention` is the
/// [`RepairDefinition::retention`] of the repair.
pub(crate) fn kept_for(retention: Duration) -> Duration {
    retention.max(SHORTEST_RETENTION)
}

/// How many records a repair has, and when the oldest of them expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordUsage {
    pub(crate) records: usize,
    /// Time until the oldest record expires; `None` if there are no records.
    pub(crate) room_in: Option<Duration>,
}

/// Counts the unexpired records of a repair.
pub(crate) fn usage(
    history: &RunHistory,
    repair: &RepairDefinition,
    now: SystemTime,
) -> RecordUsage {
    let ends = ends(&history.mine, repair, now);
    RecordUsage { records: ends.len(), room_in: ends.last().map(|&end| until(end, now)) }
}

/// Refuses the run if a repair is running. Its record is always among `unfiled`, the records that
/// the store has not filed yet.
pub(crate) fn check_idle(unfiled: &[JobRecord], now: Now<'_>) -> Result<(), Rejection> {
    running(unfiled, now).map_or(Ok(()), |running| Err(busy(running, "is running")))
}

/// Combines [`check_idle`] and [`check`] for callers that do not hold the lock. Only the lock shows
/// whether the gate of a running repair is still alive, so this function assumes that it is.
pub(crate) fn check_unlocked(
    history: &RunHistory,
    name: &Name,
    repair: &RepairDefinition,
    now: Now<'_>,
) -> Result<(), Rejection> {
    check_idle(&history.unfiled, now)?;
    check(history, name, repair, now)
}

/// Refuses the run if another repair may still be running, if this repair's cooldown has not ended,
/// if its budget is used up, or if it has too many records.
///
/// If the clock was set back, records can have times in the future. Such records count as recent,
/// so setting the clock back never allows more runs.
pub(crate) fn check(
    history: &RunHistory,
    name: &Name,
    repair: &RepairDefinition,
    now: Now<'_>,
) -> Result<(), Rejection> {
    if let Some(running) = running(&history.unfiled, now) {
        let left = seconds_up(until(running.deadline, now.time));
        let what = format!(
            "may still be running for up to {left} s, because the gate process that controlled it \
             has died"
        );
        return Err(busy(running, &what));
    }
    let (mine, now) = (&history.mine, now.time);
    if let Some(last) = mine.iter().max_by_key(|run| run.last_moment) {
        check_cooldown(last, name, repair.cooldown, now)?;
    }
    if let Some(budget) = repair.budget {
        check_budget(budget, mine, name, now)?;
    }
    let Some(left) = room_in(&ends(mine, repair, now), MOST_RECORDS, now) else { return Ok(()) };
    let seconds = seconds_up(left);
    let text = format!(
        "{name} has used all its {MOST_RECORDS} records, so it can run again only in {seconds} s; \
         find out why Nagios requests it so often"
    );
    Err(Rejection { retry_after: Some(left), ..RejectionReason::State.because(text) })
}

fn running<'a>(unfiled: &'a [JobRecord], now: Now<'_>) -> Option<&'a JobRecord> {
    unfiled.iter().find(|record| record.state_at(now) == RunState::Running)
}

fn busy(running: &JobRecord, what: &str) -> Rejection {
    let (repair, job) = (&running.repair, &running.job);
    let text = format!("{repair} (job {job}) {what}; a host runs only one repair at a time");
    Rejection { running: Some(running.job.clone()), ..RejectionReason::Busy.because(text) }
}

fn check_cooldown(
    last: &RunTimes,
    name: &Name,
    cooldown: Duration,
    now: SystemTime,
) -> Result<(), Rejection> {
    // A start time in the future shows that the clock was set back. In this case, wait until that
    // time even if the cooldown is 0 s.
    let left = until((last.last_moment + cooldown).max(last.started), now);
    if left.is_zero() {
        return Ok(());
    }
    let (job, seconds) = (&last.job, seconds_up(left));
    let text = if last.started > now {
        format!(
            "according to its record, job {job} of {name} started in the future, so the clock was \
             set back; wait {seconds} s until its cooldown ends, or remove the record"
        )
    } else {
        format!(
            "{name} ran a short time ago as job {job}; its cooldown of {} s ends in {seconds} s",
            cooldown.as_secs()
        )
    };
    Err(Rejection { retry_after: Some(left), ..RejectionReason::Cooldown.because(text) })
}

fn check_budget(
    budget: Budget,
    mine: &[RunTimes],
    name: &Name,
    now: SystemTime,
) -> Result<(), Rejection> {
    let leaves = later(mine.iter().map(|run| run.started + budget.window), now);
    let count = usize::try_from(budget.count).unwrap_or(usize::MAX);
    let Some(left) = room_in(&leaves, count, now) else { return Ok(()) };
    let (count, window, seconds) = (budget.count, budget.window.as_secs(), seconds_up(left));
    let text = format!(
        "{name} has used up its budget of {count} in {window} s; it can run again in {seconds} s"
    );
    Err(Rejection { retry_after: Some(left), ..RejectionReason::Budget.because(text) })
}

/// Returns the future times at which records expire, latest first.
fn ends(mine: &[RunTimes], repair: &RepairDefinition, now: SystemTime) -> Vec<SystemTime> {
    let kept = kept_for(repair.retention());
    later(mine.iter().map(|run| run.last_moment + kept), now)
}

/// Returns the times among `moments` that are in the future, latest first.
fn later(moments: impl Iterator<Item = SystemTime>, now: SystemTime) -> Vec<SystemTime> {
    let mut later: Vec<SystemTime> = moments.filter(|&at| at > now).collect();
    later.sort_unstable_by_key(|&at| Reverse(at));
    later
}

/// Returns the time until fewer than `most` of `moments` are in the future, or `None` if there are
/// already fewer. `moments` must be sorted as [`later`] returns them.
fn room_in(moments: &[SystemTime], most: usize, now: SystemTime) -> Option<Duration> {
    moments.get(most.checked_sub(1)?).map(|&at| until(at, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{S, now, record};

    fn repair(cooldown: u64, budget: Option<Budget>) -> RepairDefinition {
        RepairDefinition {
            run: vec!["/bin/true".into()],
            user: None,
            timeout: Duration::from_mins(1),
            cooldown: Duration::from_secs(cooldown),
            budget,
            diagnose: Vec::new(),
        }
    }

    fn budget(count: u64, seconds: u64) -> Option<Budget> {
        Some(Budget { count, window: Duration::from_secs(seconds) })
    }

    fn seconds(seconds: u64) -> Option<Duration> {
        Some(Duration::from_secs(seconds))
    }

    fn history(name: &str, records: &[JobRecord]) -> (Name, RunHistory) {
        let name = Name::new(name).unwrap();
        let history = RunHistory::new(&name, records.to_vec(), Vec::new());
        (name, history)
    }

    fn refusal(
        records: &[JobRecord],
        repair: &RepairDefinition,
        seconds: u64,
    ) -> Option<Rejection> {
        let (name, history) = history("httpd", records);
        check(&history, &name, repair, now(seconds * S)).err()
    }

    #[test]
    fn allows_run_without_records() {
        assert_eq!(refusal(&[], &repair(60, budget(1, 60)), 0), None);
    }

    #[test]
    fn cooldown_begins_at_the_end_and_applies_to_one_repair() {
        let done = record("20261123-aa", RunState::Done, 100 * S, Some(130 * S));
        let during = refusal(std::slice::from_ref(&done), &repair(60, None), 150).unwrap();
        assert_eq!((during.reason, during.retry_after), (RejectionReason::Cooldown, seconds(40)));
        assert_eq!(refusal(std::slice::from_ref(&done), &repair(60, None), 190), None);
        assert_eq!(refusal(std::slice::from_ref(&done), &repair(0, None), 130), None);
        let other = JobRecord { repair: Name::new("other").unwrap(), ..done };
        assert_eq!(refusal(&[other], &repair(60, None), 150), None);
    }

    #[test]
    fn lost_run_blocks_every_repair_until_its_deadline() {
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
            "the lost run counts"
        );
    }

    #[test]
    fn refuses_repair_after_clock_was_set_back() {
        let done = record("20261123-aa", RunState::Done, 1000 * S, Some(1001 * S));
        for cooldown in [0, 60] {
            let refused =
                refusal(std::slice::from_ref(&done), &repair(cooldown, None), 10).unwrap();
            assert_eq!(refused.reason, RejectionReason::Cooldown);
            assert!(refused.text.contains("the clock was set back"), "{}", refused.text);
        }
        let lost = record("20261123-bb", RunState::Running, 1000 * S, None);
        assert_eq!(refusal(&[lost], &repair(0, None), 10).unwrap().reason, RejectionReason::Busy);
    }

    #[test]
    fn budget_is_a_sliding_window() {
        let runs: Vec<JobRecord> = [100, 200, 300]
            .map(|at| record("20261123-aa", RunState::Failed, at * S, Some(at * S)))
            .into();
        let budget = |count| repair(0, budget(count, 1000));
        assert_eq!(refusal(&runs, &budget(4), 400), None);
        let spent = refusal(&runs, &budget(3), 400).unwrap();
        assert_eq!(
            (spent.reason, spent.retry_after),
            (RejectionReason::Budget, seconds(700)),
            "until the first of three leaves the window"
        );
        assert_eq!(
            refusal(&runs, &budget(2), 400).unwrap().retry_after,
            seconds(800),
            "until two of three have left the window"
        );
        assert_eq!(refusal(&runs, &budget(3), 1100), None);
    }

    #[test]
    fn full_records_refuse_their_own_name_until_the_oldest_expires() {
        let many = vec![record("20261123-aa", RunState::Done, S, Some(S)); MOST_RECORDS];
        let full = refusal(&many, &repair(0, None), 401).unwrap();
        assert_eq!((full.reason, full.retry_after), (RejectionReason::State, seconds(86_000)));
        assert_eq!(refusal(&many[1..], &repair(0, None), 401), None);
        assert_eq!(refusal(&many, &repair(0, None), 86_401), None);
        let (other, of_other) = history("other", &many);
        assert_eq!(check(&of_other, &other, &repair(0, None), now(401 * S)), Ok(()));
        let (_, history) = history("httpd", &many);
        let usage = |seconds| usage(&history, &repair(0, None), now(seconds * S).time);
        assert_eq!(usage(401), RecordUsage { records: MOST_RECORDS, room_in: seconds(86_000) });
        assert_eq!(usage(86_401), RecordUsage { records: 0, room_in: None });
    }

    #[test]
    fn refuses_for_the_budget_before_the_records_are_full() {
        let many = vec![record("20261123-aa", RunState::Done, S, Some(S)); MOST_RECORDS];
        assert_eq!(
            refusal(&many, &repair(0, budget(MOST_RUNS, 600)), 400).unwrap().reason,
            RejectionReason::Budget
        );
    }
}
