//! The reasons to do nothing. Each is a sentence for the admin who asks "why did it not repair?".

use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;

use core::fmt;
use core::time::Duration;

use crate::{ObjectState, ReasonCode, RepairName, Rounded, SAME_EVENT_WITHIN, StateType};

/// Why nothing is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The object did not opt in.
    NoRepairNamed,
    /// The policy has no repair of that name.
    UnknownRepair(RepairName),
    /// OK or UP.
    Recovered(ObjectState),
    /// A state that the rules do not repair.
    StateNotCovered(ObjectState, Vec<ObjectState>),
    /// Nagios has not confirmed the fault yet.
    TooEarly {
        /// The SOFT attempt of the event.
        attempt: u32,
        /// The SOFT attempt that is waited for; `None` when only HARD is left, for
        /// `max_check_attempts` is 1.
        needed: Option<u32>,
    },
    /// The result before this one does not call for the repair, and the rules want two in a row
    /// that do.
    NotInARow {
        /// The state now.
        state: ObjectState,
        /// SOFT or HARD.
        state_type: StateType,
        /// The result before; `None` when Nagios did not say.
        last: Option<ObjectState>,
    },
    /// The host itself is not there: a repair could not reach it and would not help.
    HostNotUp(ObjectState),
    /// The service is in a planned downtime.
    ServiceDowntime,
    /// The host is in a planned downtime.
    HostDowntime,
    /// Somebody is at it.
    Acknowledged,
    /// Nagios sees it flapping.
    Flapping,
    /// Somebody paused the system, the host or the service.
    Paused {
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// For how long still.
        left: Option<Duration>,
    },
    /// This very event was answered before: Nagios hands a dead worker's job to another one.
    SameEvent {
        /// The job that answered it.
        job: String,
    },
    /// This problem was repaired before, at another of its events, and is still the same problem.
    SameProblem {
        /// The job that did.
        job: String,
    },
    /// The ledger holds a time that has not come yet: the clock was set back, or was wrong then.
    ClockWentBack {
        /// The job of that time.
        job: String,
        /// How far ahead it is.
        ahead: Duration,
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
    /// The repairs of this object do not help.
    BreakerOpen {
        /// How many did not.
        ineffective: u32,
        /// When it closes, from now, if there is no more trouble until then.
        left: Duration,
    },
    /// This incident has had its repairs.
    IncidentBudget {
        /// How many.
        spent: u32,
        /// When the incident is over, from now, if there is no more trouble until then.
        left: Duration,
    },
    /// This object has had the repairs of its window.
    WindowBudget {
        /// How many.
        spent: u32,
        /// When another one is allowed, from now.
        left: Duration,
    },
    /// As many repairs run as may at once.
    FleetRunning(u32),
    /// As many repairs were started as may be.
    FleetStarted {
        /// How many.
        started: u32,
        /// When another one is allowed, from now.
        left: Duration,
    },
    /// So much is in trouble that the cause lies elsewhere.
    FleetShare {
        /// So many objects are in trouble.
        troubled: u32,
        /// Of so many.
        of: u32,
        /// The percentage that may be.
        allowed: u32,
    },
}

impl Reason {
    /// The code of this reason, the same for every occurrence.
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
    /// How long it holds still, where time alone ends it; for some reasons only if there is no more
    /// trouble until then.
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
                "no repair is named for it: add a line '_REPAIR \
                                               NAME' to its definition to opt in",
            ),
            Reason::UnknownRepair(name) => write!(f, "the policy has no repair '{name}'"),
            Reason::Recovered(state) => write!(f, "it is {state}, there is nothing to repair"),
            Reason::StateNotCovered(state, on) => {
                let on: Vec<String> = on.iter().map(ObjectState::to_string).collect();
                write!(f, "it is {state}, and the policy repairs only {}", on.join(", "))
            }
            Reason::TooEarly { attempt, needed: Some(needed) } => {
                write!(
                    f,
                    "SOFT attempt {attempt} is too early: it repairs from SOFT {needed} on, \
                           or when HARD"
                )
            }
            Reason::TooEarly { attempt, needed: None } => {
                write!(
                    f,
                    "SOFT attempt {attempt} is too early: with max_check_attempts 1 it \
                           repairs only when HARD"
                )
            }
            Reason::NotInARow { last: None, .. } => f.write_str(
                "the policy wants two results in a row, and the one before is not \
                             known: give it as --last-state",
            ),
            Reason::NotInARow { state, state_type, last: Some(last) } => {
                write!(f, "the result before was {last}, and the policy wants two in a row: ")?;
                match state_type {
                    StateType::Soft => write!(f, "allowed at the next {state}"),
                    StateType::Hard => {
                        write!(
                            f,
                            "allowed at the next {state} of which Nagios tells, or by \
                                   'repairctl sweep' if it stays so"
                        )
                    }
                }
            }
            Reason::HostNotUp(state) => {
                write!(f, "the host is {state}: a repair could not reach it")
            }
            Reason::ServiceDowntime => f.write_str("the service is in downtime, until that ends"),
            Reason::HostDowntime => f.write_str("the host is in downtime, until that ends"),
            Reason::Acknowledged => f.write_str(
                "the problem is acknowledged: somebody is at it, until the \
                             acknowledgement is removed",
            ),
            Reason::Flapping => {
                f.write_str("it is flapping, until Nagios says that it has stopped")
            }
            Reason::Paused { by, reason, left: Some(left) } => write!(
                f,
                "paused by {by} for another \
                {}: {reason}",
                Rounded(*left)
            ),
            Reason::Paused { by, reason, left: None } => write!(
                f,
                "paused by {by} until it is \
                resumed: {reason}"
            ),
            Reason::SameEvent { job } => write!(f, "job {job} has answered this very event"),
            Reason::SameProblem { job } => write!(
                f,
                "job {job} has repaired this very problem, and it is still there: people are \
                 needed; allowed again for a new \
                 problem, or after {}",
                Rounded(SAME_EVENT_WITHIN)
            ),
            Reason::ClockWentBack { job, ahead } => write!(
                f,
                "the clock is {} behind job {job} of the ledger: allowed again when it has caught \
                 up; if it was wrong then, \
                 delete that job's row",
                Rounded(*ahead)
            ),
            Reason::AlreadyRunning { job, since } => write!(
                f,
                "job {job} has been repairing on this \
                host for {}",
                Rounded(*since)
            ),
            Reason::CoolingDown { job, left } => write!(
                f,
                "cooling down after job {job}: allowed \
                                                         again in {}",
                Rounded(*left)
            ),
            Reason::BreakerOpen { ineffective, left } => write!(
                f,
                "the breaker is open, for {ineffective} repairs of this incident did not help: it \
                 closes after {} without a fault, or by repairctl reset",
                Rounded(*left)
            ),
            Reason::IncidentBudget { spent, left } => {
                write!(
                    f,
                    "this incident has had its {spent} repairs: it is over after {} without \
                           a fault",
                    Rounded(*left)
                )
            }
            Reason::WindowBudget { spent, left } => write!(
                f,
                "it has had its {spent} repairs: \
                                                            allowed again in {}",
                Rounded(*left)
            ),
            Reason::FleetRunning(running) => write!(
                f,
                "{running} repairs are running, as many as may \
                                                     at once"
            ),
            Reason::FleetStarted { started, left } => {
                write!(
                    f,
                    "{started} repairs have been started, as many as may be: allowed again \
                           in {}",
                    Rounded(*left)
                )
            }
            Reason::FleetShare { troubled, of, allowed } => write!(
                f,
                "{troubled} of {of} objects are in trouble, more than the {allowed} % that may be: \
                 the cause lies elsewhere"
            ),
        }
    }
}
