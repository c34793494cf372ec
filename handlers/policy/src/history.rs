//! The facts that a decision needs besides the event and the policy. Times are ages, measured back
//! from the time of the decision.

use alloc::string::String;
use alloc::vec::Vec;

use core::time::Duration;

use crate::{Limits, ObjectState};

/// How long to remember that a job has answered an event or a problem. Nagios repeats a call, if at
/// all, within seconds. Much later, the same problem ID may belong to a different problem, because
/// Nagios reuses its IDs when it is restarted without its retention file.
pub const SAME_EVENT_WITHIN: Duration = Duration::from_secs(3600);

/// How long refusals are kept and count in decisions. The ledger deletes older refusals. Repairs
/// must be kept for longer than this.
pub const REFUSALS_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// All facts for one decision: what the ledger recorded and what the engine shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// What the ledger recorded.
    pub recorded: RecordedHistory,
    /// What the engine shows, or `None` if the policy names neither a status file nor Icinga 2.
    pub observed: Option<Observation>,
}

impl From<RecordedHistory> for History {
    /// Creates a history without an observation.
    fn from(recorded: RecordedHistory) -> History {
        History { recorded, observed: None }
    }
}

/// What the ledger recorded about the object and about the whole fleet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordedHistory {
    /// The pause that covers the object. It may apply to everything, to the host or to the service.
    pub paused: Option<Pause>,
    /// The job that answered an event with the same problem ID, state type and attempt within
    /// [`SAME_EVENT_WITHIN`].
    pub same_event: Option<String>,
    /// The job that was started for the same problem within [`SAME_EVENT_WITHIN`], by this event or
    /// an earlier one. That job has finished its ladder, yet Nagios still reports the problem.
    pub same_problem: Option<String>,
    /// A job of this object that, according to its record, started or ended in the future, and how
    /// far in the future. Either the clock has been set back since the job was recorded, or the
    /// clock was ahead at that time.
    pub ahead: Option<(String, Duration)>,
    /// The job that is repairing the host or one of its services, and how long it has been running.
    pub running: Option<(String, Duration)>,
    /// Earlier repairs of this object within the [`Horizon`](crate::Horizon), newest first.
    pub repairs: Vec<PastRepair>,
    /// When repairs of this object were refused during a fault, newest first. Refusals between two
    /// repairs are listed only if they show whether the incident went on.
    pub refused: Vec<RefusalRun>,
    /// The age of the last manual reset of this object's breaker. Repairs that ended before the
    /// reset do not count towards the current incident.
    pub reset: Option<Duration>,
    /// How much of the fleet limits is used.
    pub fleet: FleetUsage,
}

/// A pause of repairs that an admin has set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// The user who set the pause.
    pub by: String,
    /// The reason that the user gave.
    pub reason: String,
    /// How long until the pause ends, or `None` if it lasts until somebody resumes repairs.
    pub left: Option<Duration>,
}

/// An earlier repair of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastRepair {
    /// ID of the job that ran the repair.
    pub job: String,
    /// How long ago the repair began.
    pub began: Duration,
    /// How long ago the repair ended or its lease ran out.
    pub ended: Duration,
    /// Whether the repair helped.
    pub outcome: PastOutcome,
}

/// A refusal, or a series of refusals without a gap of `healthy_for` between them. A fault can last
/// for months, so a series of any length is one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusalRun {
    /// How long ago the newest refusal was.
    pub newest: Duration,
    /// How long ago the oldest refusal was.
    pub oldest: Duration,
}

impl From<Duration> for RefusalRun {
    /// Creates a series that consists of a single refusal of this age.
    fn from(age: Duration) -> RefusalRun {
        RefusalRun { newest: age, oldest: age }
    }
}

/// Whether an earlier repair helped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PastOutcome {
    /// The repair ran, and the check after it succeeded.
    Healed,
    /// The repair ran and did not help, or its result is unknown.
    Failed,
    /// No rung was run.
    NotRun,
}

/// How many repairs in the whole fleet are running, and how many started recently.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FleetUsage {
    /// The number of repairs that are running.
    pub running: u32,
    /// The number of repairs that started within the window of [`Fleet::started`](crate::Fleet).
    pub started: u32,
    /// How long ago the oldest repair in `started` began.
    pub oldest_start: Duration,
}

/// What the monitoring engine shows at one point in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observation {
    /// The condition of the object that the event is about.
    pub object: ObjectNow,
    /// The number of opted-in objects in trouble, and the number of all opted-in objects.
    pub share: (u32, u32),
}

/// The current condition of the object, as the engine shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ObjectNow {
    /// The current state, or `None` if no check since the event is known. A very recent check may
    /// not be known yet, because Nagios writes its status file only every few seconds.
    pub state: Option<ObjectState>,
    /// Whether somebody has acknowledged the problem.
    pub acknowledged: bool,
    /// Whether Nagios considers the object flapping.
    pub flapping: bool,
    /// Whether the object itself is in scheduled downtime.
    pub downtime: bool,
    /// Whether the host is in scheduled downtime. For a host object, this equals `downtime`.
    pub host_downtime: bool,
    /// Whether the object cannot be reached because of a fault in another object that it depends
    /// on. Only Icinga 2 shows this; Nagios passes the state UNREACHABLE instead.
    pub unreachable: bool,
}

impl RecordedHistory {
    /// Returns the repairs of the current incident, newest first. The incident began after the most
    /// recent gap of at least `healthy_for` without a repair or a refusal. The result includes
    /// repairs that were reserved but not run.
    pub fn incident(&self, limits: &Limits) -> &[PastRepair] {
        let mut trouble = Duration::ZERO;
        let mut count = 0;
        for past in &self.repairs {
            let between = self.refused.iter().filter(|run| run.oldest <= past.ended);
            let quiet_since = between.fold(trouble, |from, run| {
                let goes_on = run.newest.saturating_sub(from) < limits.healthy_for;
                if goes_on { from.max(run.oldest) } else { from }
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

    /// Counts the repairs in the incident that did not help. These are failures, and successes
    /// after which the fault came back within `relapse`. Repairs that were not run do not count.
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
        let first_after = |run: &RefusalRun| past.ended.checked_sub(run.oldest);
        let is_soon = |after: Duration| !after.is_zero() && after < limits.relapse;
        self.refused.iter().filter_map(first_after).any(is_soon)
    }

    /// Counts the repairs in the incident that were run, or may have been run.
    pub fn spent(&self, limits: &Limits) -> u32 {
        count(self.incident(limits).iter())
    }

    /// Returns the repairs that count towards the window budget, newest first. A repair that did
    /// not run any rung changed nothing on the host, so it does not count.
    pub fn in_window<'a>(
        &'a self,
        limits: &Limits,
    ) -> impl Iterator<Item = &'a PastRepair> + Clone + use<'a> {
        let per = limits.window.per;
        self.repairs.iter().filter(move |past| ran(past) && past.began < per)
    }

    /// Returns how long ago the last repair or refusal was, or `None` if there was neither.
    pub fn last_trouble(&self) -> Option<Duration> {
        let repair = self.repairs.first().map(|past| past.ended);
        repair.into_iter().chain(self.refused.first().map(|run| run.newest)).min()
    }
}

/// Returns whether a repair was run, or may have been run.
pub(crate) fn ran(past: &PastRepair) -> bool {
    past.outcome != PastOutcome::NotRun
}

/// Counts the repairs that were run, or may have been run.
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
            refused: refused.iter().map(|ago| minutes(*ago).into()).collect(),
            ..RecordedHistory::default()
        }
    }

    #[test]
    fn ends_incident_after_an_hour_without_a_fault() {
        use PastOutcome::Healed;
        let limits = Limits::default();
        let count = |repairs: &[(u64, PastOutcome)], refused: &[u64]| {
            history(repairs, refused).incident(&limits).len()
        };
        assert_eq!(count(&[(59, Healed)], &[]), 1);
        assert_eq!(count(&[(60, Healed)], &[]), 0);
        assert_eq!(count(&[(30, Healed), (85, Healed), (200, Healed)], &[]), 2);
        // A refused event also shows that the fault is there, so the incident goes on.
        assert_eq!(count(&[(100, Healed)], &[50]), 1);
        assert_eq!(count(&[(100, Healed)], &[30]), 0);
        assert_eq!(count(&[(150, Healed)], &[50, 100]), 1);
        let run = RefusalRun { newest: minutes(50), oldest: minutes(5000) };
        let after_run = |ended: u64| {
            let refused = std::vec![run];
            let history = RecordedHistory { refused, ..history(&[(ended, Healed)], &[]) };
            history.incident(&limits).len()
        };
        assert_eq!((after_run(5059), after_run(5060)), (1, 0));
    }

    #[test]
    fn counts_relapses_as_ineffective_repairs() {
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
