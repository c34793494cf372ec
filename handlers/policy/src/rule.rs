//! The rules that history decides. Each can only say no: more history never makes it bolder.

use crate::history::{count, ran};
use crate::{Fleet, History, Limits, ObjectNow, Pause, Reason, RecordedHistory};

words! {
    /// A rule, in the order in which they are asked. The first that says no is the answer.
    pub enum Rule {
        /// Nagios has not seen it in order since the event.
        Recovery = "recovery",
        /// Neither it nor its host is in a downtime.
        Downtime = "downtime",
        /// Nobody has acknowledged the problem.
        Acknowledgement = "acknowledgement",
        /// It does not flap.
        Flapping = "flapping",
        /// Nobody has paused it.
        Pause = "pause",
        /// No job has answered this very event.
        SameEvent = "answered",
        /// The clock has not gone back.
        Clock = "clock",
        /// No repair runs on its host.
        Running = "running",
        /// Its last repair ended longer ago than the cooldown.
        Cooldown = "cooldown",
        /// Its repairs in this incident helped.
        Breaker = "breaker",
        /// The incident has repairs left.
        Incident = "incident",
        /// The window has repairs left.
        Window = "window",
        /// No job has repaired this very problem.
        SameProblem = "problem",
        /// Fewer repairs run than may.
        FleetRunning = "fleet",
        /// Fewer repairs were started than may be.
        FleetStarted = "starts",
        /// Few enough objects are in trouble.
        FleetShare = "share",
    }
}

impl Rule {
    /// What can change between the event and the repair.
    pub(crate) const CHANGING: [Rule; 5] =
        [Rule::Recovery, Rule::Downtime, Rule::Acknowledgement, Rule::Flapping, Rule::Pause];
    /// The limits of one object.
    pub(crate) const OF_OBJECT: [Rule; 4] =
        [Rule::Cooldown, Rule::Breaker, Rule::Incident, Rule::Window];

    /// Applies the rule.
    ///
    /// # Errors
    /// The reason why nothing is repaired.
    pub fn check(self, limits: &Limits, fleet: &Fleet, history: &History) -> Result<(), Reason> {
        let recorded = &history.recorded;
        match self {
            Rule::Recovery
            | Rule::Downtime
            | Rule::Acknowledgement
            | Rule::Flapping
            | Rule::Pause => self.check_now(history),
            Rule::Cooldown | Rule::Breaker | Rule::Incident | Rule::Window => {
                self.check_limit(limits, recorded)
            }
            Rule::FleetRunning | Rule::FleetStarted | Rule::FleetShare => {
                self.check_fleet(fleet, history)
            }
            Rule::SameEvent => {
                refuse(recorded.same_event.as_ref(), |job| Reason::SameEvent { job: job.clone() })
            }
            Rule::SameProblem => refuse(recorded.same_problem.as_ref(), |job| {
                Reason::SameProblem { job: job.clone() }
            }),
            Rule::Clock => refuse(recorded.ahead.as_ref(), |(job, ahead)| Reason::ClockWentBack {
                job: job.clone(),
                ahead: *ahead,
            }),
            Rule::Running => refuse(recorded.running.as_ref(), |(job, since)| {
                Reason::AlreadyRunning { job: job.clone(), since: *since }
            }),
        }
    }

    pub(crate) fn check_now(self, history: &History) -> Result<(), Reason> {
        let now = history.observed.map(|observed| observed.object).unwrap_or_default();
        match (self, now) {
            (Rule::Recovery, ObjectNow { state: Some(state), .. }) if state.is_good() => {
                Err(Reason::Recovered(state))
            }
            (Rule::Downtime, ObjectNow { host_downtime: true, .. }) => Err(Reason::HostDowntime),
            (Rule::Downtime, ObjectNow { downtime: true, .. }) => Err(Reason::ServiceDowntime),
            (Rule::Acknowledgement, ObjectNow { acknowledged: true, .. }) => {
                Err(Reason::Acknowledged)
            }
            (Rule::Flapping, ObjectNow { flapping: true, .. }) => Err(Reason::Flapping),
            (Rule::Pause, _) => {
                refuse(history.recorded.paused.as_ref(), |Pause { by, reason, left }| {
                    Reason::Paused { by: by.clone(), reason: reason.clone(), left: *left }
                })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn check_limit(
        self,
        limits: &Limits,
        history: &RecordedHistory,
    ) -> Result<(), Reason> {
        let until_healthy =
            || limits.healthy_for.saturating_sub(history.last_trouble().unwrap_or_default());
        match self {
            Rule::Cooldown => {
                let cools = |past: &&_| ran(past) && past.ended < limits.cooldown;
                refuse(history.repairs.iter().find(cools), |last| Reason::CoolingDown {
                    job: last.job.clone(),
                    left: limits.cooldown - last.ended,
                })
            }
            Rule::Breaker => {
                let ineffective = history.ineffective(limits);
                let left = (ineffective >= limits.breaker).then(until_healthy);
                refuse(left, |left| Reason::BreakerOpen { ineffective, left })
            }
            Rule::Incident => {
                let spent = history.spent(limits);
                let left = (spent >= limits.per_incident).then(until_healthy);
                refuse(left, |left| Reason::IncidentBudget { spent, left })
            }
            Rule::Window => {
                let window = history.in_window(limits);
                let spent = count(window.clone());
                let oldest = window.map(|past| past.began).max().unwrap_or_default();
                let left = limits.window.per.saturating_sub(oldest);
                let is_spent = spent >= limits.window.count;
                refuse(is_spent.then_some(left), |left| Reason::WindowBudget { spent, left })
            }
            _ => Ok(()),
        }
    }

    fn check_fleet(self, fleet: &Fleet, history: &History) -> Result<(), Reason> {
        let now = &history.recorded.fleet;
        match (self, history.observed.map(|observed| observed.share)) {
            (Rule::FleetRunning, _) if now.running >= fleet.running => {
                Err(Reason::FleetRunning(now.running))
            }
            (Rule::FleetStarted, _) if now.started >= fleet.started.count => {
                Err(Reason::FleetStarted {
                    started: now.started,
                    left: fleet.started.per.saturating_sub(now.oldest_start),
                })
            }
            // One object in trouble is never "too many", however few there are.
            (Rule::FleetShare, Some((troubled, of)))
                if troubled > 1
                    && u64::from(troubled) * 100 > u64::from(of) * u64::from(fleet.share) =>
            {
                Err(Reason::FleetShare { troubled, of, allowed: fleet.share })
            }
            _ => Ok(()),
        }
    }
}

fn refuse<T>(obstacle: Option<T>, reason: impl FnOnce(T) -> Reason) -> Result<(), Reason> {
    obstacle.map_or(Ok(()), |obstacle| Err(reason(obstacle)))
}
