//! What is known at the moment of the decision. All times are ages: how long ago, seen from now.

use alloc::string::String;
use alloc::vec::Vec;

use core::time::Duration;

use crate::{Limits, ObjectState};

/// How long an event, and a problem, is remembered as answered. Nagios repeats a call within
/// seconds; a problem id, however, comes again once Nagios was restarted without its retention
/// file.
pub const SAME_EVENT_WITHIN: Duration = Duration::from_secs(3600);

/// Everything a decision needs to know: what the ledger has recorded and what the monitoring engine
/// shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// What the ledger has recorded.
    pub recorded: RecordedHistory,
    /// What the engine shows; `None` when the policy names no source for it.
    pub observed: Option<Observation>,
}

impl From<RecordedHistory> for History {
    /// A history without an engine.
    fn from(recorded: RecordedHistory) -> History {
        History { recorded, observed: None }
    }
}

/// What the ledger has recorded of the object and of all repairs together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordedHistory {
    /// A pause of the system, the host or the service.
    pub paused: Option<Pause>,
    /// The job that, within [`SAME_EVENT_WITHIN`], answered an event with the same problem id,
    /// state type and attempt.
    pub same_event: Option<String>,
    /// The job that, within [`SAME_EVENT_WITHIN`], repaired the same problem at any event. Its
    /// ladder was climbed, and the problem is still the same one.
    pub same_problem: Option<String>,
    /// A repair of this object that began or ended after now, and how far ahead that is.
    pub ahead: Option<(String, Duration)>,
    /// The repair that runs on the host, of any of its services, and for how long.
    pub running: Option<(String, Duration)>,
    /// Earlier repairs of this object within the [`Horizon`](crate::Horizon), the newest first.
    pub repairs: Vec<PastRepair>,
    /// How long ago this object was in trouble and refused a repair, the newest first. Of the
    /// refusals between two repairs only those are here that show whether an incident went on.
    pub refused: Vec<Duration>,
    /// How long ago an admin closed the breaker of this object by hand: what ended before belongs
    /// to no incident any more.
    pub reset: Option<Duration>,
    /// What all repairs together do.
    pub fleet: FleetUsage,
}

/// A pause and who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// For how long still; `None` until it is resumed.
    pub left: Option<Duration>,
}

/// One earlier repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRepair {
    /// Its job.
    pub job: String,
    /// How long ago it began.
    pub began: Duration,
    /// How long ago it ended, or its lease did.
    pub ended: Duration,
    /// How it ended.
    pub outcome: PastOutcome,
}

/// How an earlier repair ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastOutcome {
    /// Its check was good.
    Healed,
    /// It ran and did not help, or nobody knows.
    Failed,
    /// Nothing was run.
    NotRun,
}

/// All repairs together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FleetUsage {
    /// How many run.
    pub running: u32,
    /// How many were started within the policy's window.
    pub started: u32,
    /// How long ago the oldest of these was started.
    pub oldest_start: Duration,
}

/// What the monitoring engine shows at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The object itself.
    pub object: ObjectNow,
    /// Of how many objects with a repair how many are in trouble: `(troubled, of)`.
    pub share: (u32, u32),
}

/// What the engine shows of the object now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ObjectNow {
    /// Its state, if it was checked since the event; the file is only written every few seconds.
    pub state: Option<ObjectState>,
    /// Somebody has acknowledged the problem.
    pub acknowledged: bool,
    /// Nagios sees it flapping.
    pub flapping: bool,
    /// It is in a downtime of its own.
    pub downtime: bool,
    /// Its host is in a downtime; for a host the same as `downtime`.
    pub host_downtime: bool,
}

impl RecordedHistory {
    /// The repairs of the incident that is still going on: back in time, as long as no gap between
    /// two signs of trouble is as long as `healthy_for`. Some of them may not have been run.
    pub fn incident(&self, limits: &Limits) -> &[PastRepair] {
        let mut trouble = Duration::ZERO;
        let mut count = 0;
        for past in &self.repairs {
            let between = self.refused.iter().filter(|at| **at <= past.ended);
            let quiet_since = between.fold(trouble, |from, at| {
                if at.saturating_sub(from) < limits.healthy_for { from.max(*at) } else { from }
            });
            if past.ended.saturating_sub(quiet_since) >= limits.healthy_for
                || self.reset.is_some_and(|reset| past.ended >= reset)
            {
                break;
            }
            trouble = past.began;
            count += 1;
        }
        self.repairs.get(..count).unwrap_or_default()
    }

    /// How many repairs of the incident did not help: those that failed, and the successes after
    /// which the fault came back within `relapse`. A repair that could not be run does not count.
    pub fn ineffective(&self, limits: &Limits) -> u32 {
        let mut next_trouble = Duration::ZERO;
        let mut count = 0;
        for past in self.incident(limits) {
            let relapsed = past.ended.saturating_sub(next_trouble) < limits.relapse
                || self.refused_soon_after(past, limits);
            match past.outcome {
                PastOutcome::Failed => count += 1,
                PastOutcome::Healed if relapsed => count += 1,
                PastOutcome::Healed | PastOutcome::NotRun => {}
            }
            next_trouble = past.began;
        }
        count
    }

    fn refused_soon_after(&self, past: &PastRepair, limits: &Limits) -> bool {
        self.refused.iter().any(|at| *at < past.ended && past.ended - *at < limits.relapse)
    }

    /// How many repairs of the incident were run, or may have been.
    pub fn spent(&self, limits: &Limits) -> u32 {
        count(self.incident(limits).iter())
    }

    /// The repairs that count for the window, the newest first. What could not be run has changed
    /// nothing: it starts no cooldown and spends no budget.
    pub fn in_window<'a>(
        &'a self,
        limits: &Limits,
    ) -> impl Iterator<Item = &'a PastRepair> + Clone + use<'a> {
        let per = limits.window.per;
        self.repairs.iter().filter(move |past| ran(past) && past.began < per)
    }

    /// How long ago the last sign of trouble was.
    pub fn last_trouble(&self) -> Option<Duration> {
        let repair = self.repairs.first().map(|past| past.ended);
        repair.into_iter().chain(self.refused.first().copied()).min()
    }
}

/// Whether it was run, or may have been.
pub(crate) fn ran(past: &PastRepair) -> bool {
    past.outcome != PastOutcome::NotRun
}

/// How many of these were run, or may have been.
pub(crate) fn count<'a>(repairs: impl Iterator<Item = &'a PastRepair>) -> u32 {
    u32::try_from(repairs.filter(|past| ran(past)).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;

    fn minutes(n: u64) -> Duration {
        Duration::from_secs(60 * n)
    }

    fn past(ended: u64, outcome: PastOutcome) -> PastRepair {
        PastRepair {
            job: format!("job-{ended:04}"),
            began: minutes(ended + 1),
            ended: minutes(ended),
            outcome,
        }
    }

    fn history(repairs: &[(u64, PastOutcome)], refused: &[u64]) -> RecordedHistory {
        RecordedHistory {
            repairs: repairs.iter().map(|(ended, outcome)| past(*ended, *outcome)).collect(),
            refused: refused.iter().map(|ago| minutes(*ago)).collect(),
            ..RecordedHistory::default()
        }
    }

    #[test]
    fn an_incident_ends_after_an_hour_without_a_fault() {
        use PastOutcome::Healed;
        let limits = Limits::default();
        let count = |repairs: &[(u64, PastOutcome)], refused: &[u64]| {
            history(repairs, refused).incident(&limits).len()
        };
        assert_eq!(count(&[(59, Healed)], &[]), 1);
        assert_eq!(count(&[(60, Healed)], &[]), 0);
        assert_eq!(count(&[(30, Healed), (85, Healed), (200, Healed)], &[]), 2);
        // Trouble that was refused is trouble all the same: it keeps the incident going.
        assert_eq!(count(&[(100, Healed)], &[50]), 1);
        assert_eq!(count(&[(100, Healed)], &[30]), 0);
        assert_eq!(count(&[(150, Healed)], &[50, 100]), 1);
    }

    #[test]
    fn a_success_after_which_the_fault_comes_back_did_not_help() {
        use PastOutcome::{Failed, Healed, NotRun};
        let limits = Limits::default();
        let count = |repairs: &[(u64, PastOutcome)], refused: &[u64]| {
            history(repairs, refused).ineffective(&limits)
        };
        assert_eq!(count(&[(14, Healed)], &[]), 1);
        assert_eq!(count(&[(15, Healed)], &[]), 0);
        assert_eq!(count(&[(14, Healed), (27, Healed), (40, Healed)], &[]), 3);
        assert_eq!(count(&[(14, Healed), (40, Healed)], &[]), 1);
        assert_eq!(count(&[(20, Healed)], &[10]), 1);
        assert_eq!(count(&[(50, Failed), (20, NotRun)], &[]), 1);
        assert_eq!(count(&[(20, Healed), (22, Failed)], &[]), 1);
    }
}
