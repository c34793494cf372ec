//! The rules that need the history. These rules can refuse a repair, but never demand one. A rule
//! that refuses a repair would also refuse it if the history contained more records.

use crate::history::{count, ran};
use crate::{Fleet, History, Limits, ObjectNow, ObjectState, Pause, Reason, RecordedHistory};

words! {
    /// The rules, in the order in which they are applied. The first one that refuses provides the
    /// reason.
    pub enum Rule {
        /// The object has not recovered since the event.
        Recovery = "recovery",
        /// Neither the object nor its host is in scheduled downtime.
        Downtime = "downtime",
        /// Nobody has acknowledged the problem.
        Acknowledgement = "acknowledgement",
        /// The object is not flapping.
        Flapping = "flapping",
        /// No pause covers the object.
        Pause = "pause",
        /// No other job has answered this event.
        SameEvent = "answered",
        /// The clock has not been set back.
        Clock = "clock",
        /// No repair is running on the host.
        Running = "running",
        /// The cooldown of the last repair has ended.
        Cooldown = "cooldown",
        /// The incident's breaker is closed.
        Breaker = "breaker",
        /// The incident's repair budget is not used up.
        Incident = "incident",
        /// The window's repair budget is not used up.
        Window = "window",
        /// No other job has run for this problem.
        SameProblem = "problem",
        /// The fleet limit on running repairs is not reached.
        FleetRunning = "fleet",
        /// The fleet limit on started repairs is not reached.
        FleetStarted = "starts",
        /// The share of objects in trouble is within the limit.
        FleetShare = "share",
    }
}

impl Rule {
    /// The rules whose result can change between the event and the repair.
    pub(crate) const CHANGING: [Rule; 5] =
        [Rule::Recovery, Rule::Downtime, Rule::Acknowledgement, Rule::Flapping, Rule::Pause];
    /// The rules that limit the repairs of one object.
    pub(crate) const OF_OBJECT: [Rule; 4] =
        [Rule::Cooldown, Rule::Breaker, Rule::Incident, Rule::Window];

    /// Applies the rule.
    ///
    /// # Errors
    /// Returns why the rule refuses the repair.
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
            (Rule::Recovery, ObjectNow { unreachable: true, .. }) => {
                Err(Reason::HostNotUp(ObjectState::Unreachable))
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
            // A single object in trouble never counts as a wider outage, even if no other object
            // has opted in.
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
