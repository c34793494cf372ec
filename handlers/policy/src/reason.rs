//! The reasons for doing nothing. Each is displayed as a sentence for an admin who wonders why
//! nothing was repaired.

use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;

use core::fmt;
use core::time::Duration;

use crate::{ObjectState, ReasonCode, RepairName, Rounded, SAME_EVENT_WITHIN, StateType};

/// Why an event is not repaired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The object names no repair, so it has not opted in.
    NoRepairNamed,
    /// The policy has no repair with this name.
    UnknownRepair(RepairName),
    /// The object is OK or UP.
    Recovered(ObjectState),
    /// The policy does not allow repairs for this state, but only for the states in the list.
    StateNotCovered(ObjectState, Vec<ObjectState>),
    /// Nagios has not confirmed the fault yet.
    TooEarly {
        /// The SOFT attempt of the event.
        attempt: u32,
        /// The first SOFT attempt at which a repair is allowed, or `None` if it is allowed only in
        /// a HARD state, because `max_check_attempts` is 1.
        needed: Option<u32>,
    },
    /// The policy requires two results in a row, but the previous result did not call for the
    /// repair.
    NotInARow {
        /// The state that the event reports.
        state: ObjectState,
        /// Whether the reported state is SOFT or HARD.
        state_type: StateType,
        /// The previous result, or `None` if Nagios did not pass it.
        last: Option<ObjectState>,
    },
    /// The host is down or unreachable, so a repair could neither reach it nor help.
    HostNotUp(ObjectState),
    /// The service is in scheduled downtime.
    ServiceDowntime,
    /// The host is in scheduled downtime.
    HostDowntime,
    /// Somebody has acknowledged the problem.
    Acknowledged,
    /// Nagios considers the object flapping.
    Flapping,
    /// Somebody has paused all repairs, or those of the host or the service.
    Paused {
        /// The user who set the pause.
        by: String,
        /// The reason that the user gave.
        reason: String,
        /// How long until the pause ends, or `None` if it lasts until somebody resumes repairs.
        left: Option<Duration>,
    },
    /// Another job has already answered this event. If a worker process of Nagios dies, Nagios
    /// gives its work to another worker process, which calls the handler a second time.
    SameEvent {
        /// The job that answered the event.
        job: String,
    },
    /// A job has already run for an earlier event of this problem, and the problem is still there.
    SameProblem {
        /// The job that has already run.
        job: String,
    },
    /// The ledger holds a time in the future. The clock was set back, or was ahead when that time
    /// was recorded.
    ClockWentBack {
        /// The job for which the time was recorded.
        job: String,
        /// How far that time is ahead of the clock.
        ahead: Duration,
    },
    /// The fault was found so long ago that it may be over, and the engine shows no newer check
    /// result. Holds the age of the event.
    WaitedTooLong(Duration),
    /// A repair is running on this host.
    AlreadyRunning {
        /// The job that is running.
        job: String,
        /// How long ago the job began.
        since: Duration,
    },
    /// The cooldown of the last repair has not ended.
    CoolingDown {
        /// The job of the last repair.
        job: String,
        /// How long until another repair is allowed.
        left: Duration,
    },
    /// Too many repairs in this incident did not help.
    BreakerOpen {
        /// The number of repairs that did not help.
        ineffective: u32,
        /// How long until the breaker closes if no fault occurs before then.
        left: Duration,
    },
    /// The repair budget of the incident is used up.
    IncidentBudget {
        /// The number of repairs in the incident.
        spent: u32,
        /// How long until the incident ends if no fault occurs before then.
        left: Duration,
    },
    /// The repair budget of the window is used up.
    WindowBudget {
        /// The number of repairs in the window.
        spent: u32,
        /// How long until another repair is allowed.
        left: Duration,
    },
    /// The fleet limit on running repairs is reached. Holds the number of running repairs.
    FleetRunning(u32),
    /// The fleet limit on started repairs is reached.
    FleetStarted {
        /// The number of repairs that started within the policy's window.
        started: u32,
        /// How long until another repair is allowed.
        left: Duration,
    },
    /// Too many objects are in trouble, so the cause is probably a wider outage.
    FleetShare {
        /// The number of objects in trouble.
        troubled: u32,
        /// The number of objects that opted in.
        of: u32,
        /// The limit in the policy, in percent.
        allowed: u32,
    },
}

impl Reason {
    /// Returns the code for this reason.
    pub fn code(&self) -> ReasonCode {
        match self {
            Reason::NoRepairNamed => ReasonCode::NoRepairNamed,
            Reason::UnknownRepair(_) => ReasonCode::UnknownRepair,
            Reason::Recovered(_) => ReasonCode::Recovered,
            Reason::StateNotCovered(..) => ReasonCode::StateNotCovered,
            Reason::TooEarly { .. } => ReasonCode::TooEarly,
            Reason::NotInARow { .. } => ReasonCode::NotInARow,
            Reason::HostNotUp(_) => ReasonCode::HostNotUp,
            Reason::ServiceDowntime => ReasonCode::ServiceDowntime,
            Reason::HostDowntime => ReasonCode::HostDowntime,
            Reason::Acknowledged => ReasonCode::Acknowledged,
            Reason::Flapping => ReasonCode::Flapping,
            Reason::Paused { .. } => ReasonCode::Paused,
            Reason::SameEvent { .. } => ReasonCode::SameEvent,
            Reason::SameProblem { .. } => ReasonCode::SameProblem,
            Reason::ClockWentBack { .. } => ReasonCode::ClockWentBack,
            Reason::WaitedTooLong(_) => ReasonCode::WaitedTooLong,
            Reason::AlreadyRunning { .. } => ReasonCode::AlreadyRunning,
            Reason::CoolingDown { .. } => ReasonCode::CoolingDown,
            Reason::BreakerOpen { .. } => ReasonCode::BreakerOpen,
            Reason::IncidentBudget { .. } => ReasonCode::IncidentBudget,
            Reason::WindowBudget { .. } => ReasonCode::WindowBudget,
            Reason::FleetRunning(_) => ReasonCode::FleetRunning,
            Reason::FleetStarted { .. } => ReasonCode::FleetStarted,
            Reason::FleetShare { .. } => ReasonCode::FleetShare,
        }
    }
}

impl Reason {
    /// Returns the time until the reason no longer applies, or `None` if it does not end by itself.
    /// For the breaker and the incident budget, a fault in the meantime makes the wait longer.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Reason::Paused { left, .. } => *left,
            Reason::CoolingDown { left, .. }
            | Reason::BreakerOpen { left, .. }
            | Reason::IncidentBudget { left, .. }
            | Reason::WindowBudget { left, .. }
            | Reason::FleetStarted { left, .. } => Some(*left),
            Reason::ClockWentBack { ahead, .. } => Some(*ahead),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::NoRepairNamed => f.write_str(
                "the object names no repair: to opt in, add a line '_REPAIR NAME' to its \
                 definition",
            ),
            Reason::UnknownRepair(name) => write!(f, "the policy has no repair '{name}'"),
            Reason::Recovered(state) => {
                write!(f, "the object is {state}, so there is nothing to repair")
            }
            Reason::StateNotCovered(state, on) => {
                let on: Vec<String> = on.iter().map(ObjectState::to_string).collect();
                write!(
                    f,
                    "the object is {state}, but the policy allows repairs only for {}",
                    on.join(", ")
                )
            }
            Reason::TooEarly { attempt, needed: Some(needed) } => write!(
                f,
                "SOFT attempt {attempt} is too early: the policy allows repairs from SOFT attempt \
                 {needed} on, or in a HARD state"
            ),
            Reason::TooEarly { attempt, needed: None } => write!(
                f,
                "SOFT attempt {attempt} is too early: because max_check_attempts is 1, repairs are \
                 allowed only in a HARD state"
            ),
            Reason::NotInARow { last: None, .. } => f.write_str(
                "the policy requires two results in a row, but the previous result is unknown: \
                 pass it with --last-state",
            ),
            Reason::NotInARow { state, state_type, last: Some(last) } => {
                write!(
                    f,
                    "the previous result was {last}, but the policy requires two results in a \
                     row: "
                )?;
                match state_type {
                    StateType::Soft => write!(f, "a repair is allowed at the next {state}"),
                    StateType::Hard => write!(
                        f,
                        "a repair is allowed at the next {state} event, or when 'repairctl sweep' \
                         finds that the fault persists"
                    ),
                }
            }
            Reason::HostNotUp(state) => {
                write!(f, "the host is {state}: a repair could not reach it")
            }
            Reason::ServiceDowntime => f.write_str(
                "the service is in downtime: repairs are allowed again when the downtime ends",
            ),
            Reason::HostDowntime => f.write_str(
                "the host is in downtime: repairs are allowed again when the downtime ends",
            ),
            Reason::Acknowledged => f.write_str(
                "the problem is acknowledged: repairs are allowed again when the acknowledgement \
                 is removed",
            ),
            Reason::Flapping => f.write_str(
                "the object is flapping: repairs are allowed again when Nagios reports that it has \
                 stopped",
            ),
            Reason::Paused { by, reason, left: Some(left) } => {
                write!(f, "paused by {by} for another {}: {reason}", Rounded(*left))
            }
            Reason::Paused { by, reason, left: None } => {
                write!(f, "paused by {by} until repairs are resumed: {reason}")
            }
            Reason::SameEvent { job } => write!(f, "job {job} has already answered this event"),
            Reason::SameProblem { job } => write!(
                f,
                "job {job} has already run for this problem, and the problem is still there: \
                 somebody has to look at it; repairs are allowed again for a new problem, or after \
                 {}",
                Rounded(SAME_EVENT_WITHIN)
            ),
            Reason::ClockWentBack { job, ahead } => write!(
                f,
                "the clock is {} behind the time that the ledger holds for job {job}: repairs are \
                 allowed again when the clock has caught up; if the clock was wrong when the job \
                 ran, delete that job's row from the ledger",
                Rounded(*ahead)
            ),
            Reason::WaitedTooLong(age) => write!(
                f,
                "the fault was seen {} ago, longer than max_event_age in the policy allows, and no \
                 later check result is known: a repair is allowed at the next event, or when \
                 'repairctl sweep' finds that the fault persists",
                Rounded(*age)
            ),
            Reason::AlreadyRunning { job, since } => write!(
                f,
                "another repair is already running on this host (job {job}, started {} ago)",
                Rounded(*since)
            ),
            Reason::CoolingDown { job, left } => {
                write!(
                    f,
                    "cooling down after job {job}: repairs are allowed again in {}",
                    Rounded(*left)
                )
            }
            Reason::BreakerOpen { ineffective, left } => write!(
                f,
                "the breaker is open because {ineffective} repairs in this incident did not help: \
                 it closes after {} without a fault, or when an admin runs 'repairctl reset'",
                Rounded(*left)
            ),
            Reason::IncidentBudget { spent, left } => write!(
                f,
                "the repair budget is used up ({spent} repairs in this incident): the incident \
                 ends after {} without a fault",
                Rounded(*left)
            ),
            Reason::WindowBudget { spent, left } => write!(
                f,
                "the repair budget is used up ({spent} repairs in the policy's window): repairs \
                 are allowed again in {}",
                Rounded(*left)
            ),
            Reason::FleetRunning(running) => {
                write!(f, "the fleet limit is reached: {running} repairs are already running")
            }
            Reason::FleetStarted { started, left } => write!(
                f,
                "the fleet limit is reached ({started} repairs have started): repairs are allowed \
                 again in {}",
                Rounded(*left)
            ),
            Reason::FleetShare { troubled, of, allowed } => write!(
                f,
                "{troubled} of {of} objects are in trouble, above the limit of {allowed} %: \
                 probably a wider outage"
            ),
        }
    }
}
