//! The rules themselves, in the order in which a person would ask them. The first that says no is the answer.

use std::fmt;
use std::time::Duration;

use crate::{Event, Policy, RepairName, Rules, State, StateType};

/// What is to be done about an event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Climb the ladder of this repair, from its first rung.
    Repair(RepairName),
    /// Do nothing, for this reason.
    Stand(Why),
}

/// Why nothing is done. Each is a sentence for the admin who asks "why did it not repair?".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// The object did not opt in.
    NoRepairNamed,
    /// The policy has no repair of that name.
    UnknownRepair(RepairName),
    /// OK or UP.
    Recovered(State),
    /// A state that the rules do not repair.
    StateNotCovered(State, Vec<State>),
    /// Nagios is not sure enough yet.
    TooEarly {
        /// The SOFT attempt of the event.
        attempt: u32,
        /// The SOFT attempt that is waited for; `None` when only HARD is left, for `max_check_attempts` is 1.
        needed: Option<u32>,
    },
    /// The host itself is not there: a repair could not reach it and would not help.
    HostNotUp(State),
    /// The service is in a planned downtime.
    ServiceDowntime,
    /// The host is in a planned downtime.
    HostDowntime,
    /// This very event was answered before: Nagios hands a dead worker's job to another one.
    SameEvent {
        /// The job that answered it.
        job: String,
    },
    /// A repair is running on this host.
    AlreadyRunning {
        /// Its job.
        job: String,
        /// How long it has been running.
        since: Duration,
    },
    /// This object was repaired a short time ago.
    CoolingDown {
        /// The job of that repair.
        job: String,
        /// When another one is allowed, from now.
        left: Duration,
    },
}

/// How long an event is remembered as answered. Nagios repeats a call within seconds; a problem id, however, comes again
/// once Nagios was restarted without its retention file.
pub const SAME_EVENT_WITHIN: Duration = Duration::from_secs(3600);

/// What is known of earlier repairs at the moment of the decision, for the event's own object and host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// The job that, within [`SAME_EVENT_WITHIN`], answered an event with the same problem id, state type and attempt.
    pub same_event: Option<String>,
    /// The repair that runs on the host, whatever its service, and for how long.
    pub running: Option<(String, Duration)>,
    /// The last repair of this host and service, and how long ago it ended.
    pub last: Option<(String, Duration)>,
}

/// The whole decision.
pub fn decide(event: &Event, policy: &Policy, history: &History) -> Decision {
    match consider(event, policy).and_then(|(name, rules)| admit(rules, history).map(|()| name)) {
        Ok(name) => Decision::Repair(name.clone()),
        Err(why) => Decision::Stand(why),
    }
}

/// The part that needs no history: whether this event calls for a repair at all. Nearly all events end here.
pub fn consider<'a>(event: &'a Event, policy: &'a Policy) -> Result<(&'a RepairName, &'a Rules), Why> {
    let name = event.repair.as_ref().ok_or(Why::NoRepairNamed)?;
    if event.state.is_good() {
        return Err(Why::Recovered(event.state));
    }
    let rules = policy.repairs.get(name).ok_or_else(|| Why::UnknownRepair(name.clone()))?;
    if !rules.on.contains(&event.state) {
        return Err(Why::StateNotCovered(event.state, rules.on.clone()));
    }
    if let Some(host_state) = event.host_state
        && event.service.is_some()
        && host_state != State::Up
    {
        return Err(Why::HostNotUp(host_state));
    }
    if event.host_downtime > 0 || (event.service.is_none() && event.downtime > 0) {
        return Err(Why::HostDowntime);
    }
    if event.downtime > 0 {
        return Err(Why::ServiceDowntime);
    }
    confirmed(event, rules)?;
    Ok((name, rules))
}

/// HARD is always sure enough. SOFT is from the wanted attempt on, or from the last one before HARD when
/// `max_check_attempts` is so small that the wanted one never comes.
fn confirmed(event: &Event, rules: &Rules) -> Result<(), Why> {
    let needed = match event.max_attempts {
        Some(0 | 1) => None,
        Some(max) => Some(rules.soft_attempt.min(max - 1)),
        None => Some(rules.soft_attempt),
    };
    match (event.state_type, needed) {
        (StateType::Hard, _) => Ok(()),
        (StateType::Soft, Some(needed)) if event.attempt >= needed => Ok(()),
        (StateType::Soft, needed) => Err(Why::TooEarly { attempt: event.attempt, needed }),
    }
}

/// The part that history decides. It can only say no: more history never makes it bolder.
pub fn admit(rules: &Rules, history: &History) -> Result<(), Why> {
    if let Some(job) = &history.same_event {
        return Err(Why::SameEvent { job: job.clone() });
    }
    if let Some((job, since)) = &history.running {
        return Err(Why::AlreadyRunning { job: job.clone(), since: *since });
    }
    match &history.last {
        Some((job, ago)) if *ago < rules.cooldown => Err(Why::CoolingDown { job: job.clone(), left: rules.cooldown - *ago }),
        _ => Ok(()),
    }
}

impl Why {
    /// A short word for the record, the same for every occurrence.
    pub fn code(&self) -> &'static str {
        match self {
            Why::NoRepairNamed => "no-repair-named",
            Why::UnknownRepair(_) => "unknown-repair",
            Why::Recovered(_) => "recovered",
            Why::StateNotCovered(..) => "state-not-covered",
            Why::TooEarly { .. } => "too-early",
            Why::HostNotUp(_) => "host-not-up",
            Why::ServiceDowntime => "service-downtime",
            Why::HostDowntime => "host-downtime",
            Why::SameEvent { .. } => "same-event",
            Why::AlreadyRunning { .. } => "already-running",
            Why::CoolingDown { .. } => "cooling-down",
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::NoRepairNamed => f.write_str("no repair is named for it: add a line '_REPAIR NAME' to its definition to opt in"),
            Why::UnknownRepair(name) => write!(f, "the policy has no repair '{name}'"),
            Why::Recovered(state) => write!(f, "it is {state}, there is nothing to repair"),
            Why::StateNotCovered(state, on) => {
                let on: Vec<String> = on.iter().map(State::to_string).collect();
                write!(f, "it is {state}, and the policy repairs only {}", on.join(", "))
            }
            Why::TooEarly { attempt, needed: Some(needed) } => {
                write!(f, "SOFT attempt {attempt} is too early: it repairs from SOFT {needed} on, or when HARD")
            }
            Why::TooEarly { attempt, needed: None } => {
                write!(f, "SOFT attempt {attempt} is too early: with max_check_attempts 1 it repairs only when HARD")
            }
            Why::HostNotUp(state) => write!(f, "the host is {state}: a repair could not reach it"),
            Why::ServiceDowntime => f.write_str("the service is in downtime, until that ends"),
            Why::HostDowntime => f.write_str("the host is in downtime, until that ends"),
            Why::SameEvent { job } => write!(f, "job {job} has answered this very event"),
            Why::AlreadyRunning { job, since } => {
                write!(f, "job {job} has been repairing on this host for {} s", since.as_secs())
            }
            Why::CoolingDown { job, left } => {
                write!(f, "cooling down after job {job}: allowed again in {} s", left.as_secs_f64().ceil())
            }
        }
    }
}
