//! May this repair run now? Pure: the records, the clock and the boot are arguments. In doubt, no.

use crate::answer::{Reason, Refusal};
use crate::config::{Budget, Repair};
use crate::record::{Record, State};
use crate::request::Name;

/// More jobs than this in the time records are kept for, and the host is beyond what repairing can mend.
pub(crate) const MOST_RECORDS: usize = 4096;
/// How long a job id stays known at least; a server asks again within minutes.
const KEPT_AT_LEAST: u64 = 24 * 60 * 60;

/// The clock and the boot.
pub(crate) struct Now<'a> {
    pub(crate) millis: u64,
    pub(crate) boot: &'a str,
}

/// For how many milliseconds after its end a record is needed.
pub(crate) fn kept_for(longest_memory: u64) -> u64 {
    longest_memory.max(KEPT_AT_LEAST).saturating_mul(1000)
}

/// Refuses if a repair may still be running here, or this one's cooldown or budget forbids it.
///
/// A clock that has gone back makes records lie in the future; they then count as fresh, so that it never makes the
/// gate bolder.
pub(crate) fn may_run(records: &[Record], name: &Name, repair: &Repair, now: &Now<'_>) -> Result<(), Refusal> {
    if let Some(running) = records.iter().find(|record| record.state_at(now.millis, now.boot) == State::Running) {
        return Err(still_running(running, now));
    }
    let mine: Vec<&Record> = records.iter().filter(|record| record.repair == *name).collect();
    if let Some(last) = mine.iter().max_by_key(|record| record.last_moment()) {
        cooled_down(last, repair.cooldown, now)?;
    }
    if let Some(budget) = repair.budget {
        within(budget, &mine, name, now)?;
    }
    if records.len() >= MOST_RECORDS {
        let text = format!("this host has records of {MOST_RECORDS} recent repairs; it needs a person, not another repair");
        return Err(Refusal { retry_after: Some(3600), ..Refusal::new(Reason::Budget, text) });
    }
    Ok(())
}

fn still_running(running: &Record, now: &Now<'_>) -> Refusal {
    let left = seconds(running.deadline.saturating_sub(now.millis));
    let text = format!(
        "{} (job {}) has lost its gate and may still be running for up to {left} s; one repair at a time on a host",
        running.repair, running.job
    );
    Refusal { running: Some(running.job.clone()), ..Refusal::new(Reason::Busy, text) }
}

fn cooled_down(last: &Record, cooldown: u64, now: &Now<'_>) -> Result<(), Refusal> {
    let over = last.last_moment().saturating_add(cooldown.saturating_mul(1000));
    // `started` too, for a cooldown of 0 s must not hide that the clock is wrong.
    if over <= now.millis && last.started <= now.millis {
        return Ok(());
    }
    let left = seconds(over.max(last.started).saturating_sub(now.millis));
    let text = if last.started > now.millis {
        format!(
            "job {} of {} was started in the future, so the clock has gone back; its cooldown counts as running for {left} s, \
             unless a person removes its record",
            last.job, last.repair
        )
    } else {
        format!(
            "{} was repaired by job {} a short time ago; its cooldown of {cooldown} s ends in {left} s",
            last.repair, last.job
        )
    };
    Err(Refusal { retry_after: Some(left), ..Refusal::new(Reason::Cooldown, text) })
}

fn within(budget: Budget, mine: &[&Record], name: &Name, now: &Now<'_>) -> Result<(), Refusal> {
    let window = budget.window.saturating_mul(1000);
    let mut leaves: Vec<u64> =
        mine.iter().map(|record| record.started.saturating_add(window)).filter(|&at| at > now.millis).collect();
    leaves.sort_unstable_by(|a, b| b.cmp(a));
    let count = usize::try_from(budget.count).unwrap_or(usize::MAX);
    // There is room again when the count-th newest has left the window.
    let Some(room) = count.checked_sub(1).and_then(|n| leaves.get(n)) else { return Ok(()) };
    let left = seconds(room.saturating_sub(now.millis));
    let text = format!("{name} has used its budget of {} in {} s; there is room again in {left} s", budget.count, budget.window);
    Err(Refusal { retry_after: Some(left), ..Refusal::new(Reason::Budget, text) })
}

fn seconds(millis: u64) -> u64 {
    millis.div_ceil(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::record;

    const S: u64 = 1000;

    fn repair(cooldown: u64, budget: Option<Budget>) -> Repair {
        Repair { run: vec!["/bin/true".into()], user: None, timeout: 60, cooldown, budget, diagnose: Vec::new() }
    }

    fn refusal(records: &[Record], repair: &Repair, seconds: u64) -> Option<Refusal> {
        may_run(records, &Name::new("httpd").unwrap(), repair, &Now { millis: seconds * S, boot: "b1" }).err()
    }

    #[test]
    fn without_records_it_may_run() {
        assert_eq!(refusal(&[], &repair(60, Some(Budget { count: 1, window: 60 })), 0), None);
    }

    #[test]
    fn the_cooldown_counts_from_the_end_and_is_each_repairs_own() {
        let done = record("20261123-aa", State::Done, 100 * S, Some(130 * S));
        let during = refusal(std::slice::from_ref(&done), &repair(60, None), 150).unwrap();
        assert_eq!((during.reason, during.retry_after), (Reason::Cooldown, Some(40)));
        assert_eq!(refusal(std::slice::from_ref(&done), &repair(60, None), 190), None);
        assert_eq!(refusal(std::slice::from_ref(&done), &repair(0, None), 130), None);
        let other = Record { repair: Name::new("other").unwrap(), ..done };
        assert_eq!(refusal(&[other], &repair(60, None), 150), None);
    }

    #[test]
    fn one_that_may_still_run_blocks_every_repair_until_its_deadline() {
        let lost = Record { repair: Name::new("other").unwrap(), ..record("20261123-aa", State::Running, 100 * S, None) };
        let busy = refusal(std::slice::from_ref(&lost), &repair(0, None), 175).unwrap();
        assert_eq!((busy.reason, busy.running.as_ref().map(|job| job.as_str())), (Reason::Busy, Some("20261123-aa")));
        assert_eq!(refusal(&[lost], &repair(0, None), 176), None);
        let own = record("20261123-aa", State::Running, 100 * S, None);
        assert_eq!(refusal(&[own], &repair(60, None), 176).unwrap().reason, Reason::Cooldown, "it counts as a run");
    }

    #[test]
    fn a_clock_that_went_back_never_makes_it_bolder() {
        let done = record("20261123-aa", State::Done, 1000 * S, Some(1001 * S));
        for cooldown in [0, 60] {
            let refused = refusal(std::slice::from_ref(&done), &repair(cooldown, None), 10).unwrap();
            assert_eq!(refused.reason, Reason::Cooldown);
            assert!(refused.text.contains("the clock has gone back"), "{}", refused.text);
        }
        let lost = record("20261123-bb", State::Running, 1000 * S, None);
        assert_eq!(refusal(&[lost], &repair(0, None), 10).unwrap().reason, Reason::Busy);
    }

    #[test]
    fn the_budget_is_a_sliding_window() {
        let runs: Vec<Record> = [100, 200, 300].map(|at| record("20261123-aa", State::Failed, at * S, Some(at * S))).into();
        let budget = |count| repair(0, Some(Budget { count, window: 1000 }));
        assert_eq!(refusal(&runs, &budget(4), 400), None);
        let spent = refusal(&runs, &budget(3), 400).unwrap();
        assert_eq!((spent.reason, spent.retry_after), (Reason::Budget, Some(700)), "when the first of three leaves");
        assert_eq!(refusal(&runs, &budget(2), 400).unwrap().retry_after, Some(800), "when two of three have left");
        assert_eq!(refusal(&runs, &budget(3), 1100), None);
    }

    #[test]
    fn beyond_the_most_records_nothing_runs() {
        let many =
            vec![Record { repair: Name::new("other").unwrap(), ..record("20261123-aa", State::Done, 1, Some(1)) }; MOST_RECORDS];
        assert_eq!(refusal(&many, &repair(0, None), 400).unwrap().reason, Reason::Budget);
    }
}
