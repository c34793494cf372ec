//! What Nagios says when it calls the event handler.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;

use core::fmt;
use core::str::FromStr;

/// The state of a service (`$SERVICESTATE$`) or of a host (`$HOSTSTATE$`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ObjectState {
    /// A service in order.
    Ok,
    /// A service past its warning threshold.
    Warning,
    /// A service past its critical threshold, and what Nagios makes of a plugin that dies.
    Critical,
    /// A service whose check could not measure.
    Unknown,
    /// A host in order.
    Up,
    /// A host that does not answer.
    Down,
    /// A host behind another one that is down.
    Unreachable,
}

impl ObjectState {
    const SERVICE: [ObjectState; 4] =
        [ObjectState::Ok, ObjectState::Warning, ObjectState::Critical, ObjectState::Unknown];
    const HOST: [ObjectState; 3] = [ObjectState::Up, ObjectState::Down, ObjectState::Unreachable];

    /// Reads a service's state, in Nagios' own capitals.
    pub fn of_service(word: &str) -> Result<ObjectState, BadWord> {
        one_of(word, "a service state", &ObjectState::SERVICE)
    }

    /// Reads a host's state, in Nagios' own capitals.
    pub fn of_host(word: &str) -> Result<ObjectState, BadWord> {
        one_of(word, "a host state", &ObjectState::HOST)
    }

    /// Whether there is nothing to repair.
    pub fn is_good(self) -> bool {
        matches!(self, ObjectState::Ok | ObjectState::Up)
    }

    fn as_str(self) -> &'static str {
        match self {
            ObjectState::Ok => "OK",
            ObjectState::Warning => "WARNING",
            ObjectState::Critical => "CRITICAL",
            ObjectState::Unknown => "UNKNOWN",
            ObjectState::Up => "UP",
            ObjectState::Down => "DOWN",
            ObjectState::Unreachable => "UNREACHABLE",
        }
    }
}

impl fmt::Display for ObjectState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// `$SERVICESTATETYPE$` or `$HOSTSTATETYPE$`: whether Nagios still rechecks (SOFT) or is sure
/// (HARD).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StateType {
    /// Still being rechecked.
    Soft,
    /// Confirmed by as many checks as `max_check_attempts`.
    Hard,
}

impl StateType {
    fn as_str(self) -> &'static str {
        match self {
            StateType::Soft => "SOFT",
            StateType::Hard => "HARD",
        }
    }
}

impl fmt::Display for StateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for StateType {
    type Err = BadWord;

    fn from_str(word: &str) -> Result<StateType, BadWord> {
        one_of(word, "a state type", &[StateType::Soft, StateType::Hard])
    }
}

/// A word that Nagios never says in this place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadWord {
    given: String,
    wanted: &'static str,
    known: String,
}

impl fmt::Display for BadWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' is not {}: one of {}", self.given.escape_debug(), self.wanted, self.known)
    }
}

impl core::error::Error for BadWord {}

fn one_of<T: Copy + fmt::Display>(
    word: &str,
    wanted: &'static str,
    all: &[T],
) -> Result<T, BadWord> {
    let words: Vec<String> = all.iter().map(T::to_string).collect();
    match all.iter().zip(&words).find(|(_, known)| *known == word) {
        Some((found, _)) => Ok(*found),
        None => Err(BadWord { given: word.to_owned(), wanted, known: words.join(", ") }),
    }
}

/// One call of the event handler. What Nagios did not say is `None`, or 0 for the depths of
/// downtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The state the object is in now.
    pub state: ObjectState,
    /// SOFT or HARD.
    pub state_type: StateType,
    /// The number of the check attempt, from 1.
    pub attempt: u32,
    /// `max_check_attempts` of the object.
    pub max_attempts: Option<u32>,
    /// The host's name in Nagios, spelled as [`spell`](crate::spell) does.
    pub host: String,
    /// The service's description, spelled as well; `None` for an event of the host itself.
    pub service: Option<String>,
    /// The state of the host the service runs on.
    pub host_state: Option<ObjectState>,
    /// The result of the check before this one, whatever it was (`$LASTSERVICESTATE$`,
    /// `$LASTHOSTSTATE$`).
    pub last_state: Option<ObjectState>,
    /// How many downtimes the service (or, for a host event, the host) is in.
    pub downtime: u32,
    /// How many downtimes the host is in.
    pub host_downtime: u32,
    /// Constant over one incident.
    pub problem_id: Option<String>,
    /// The repair the object opts in to, by `_REPAIR`.
    pub repair: Option<crate::RepairName>,
}

impl Event {
    /// An event of which no more is known than this.
    pub fn new(
        host: &str,
        service: Option<&str>,
        state: ObjectState,
        state_type: StateType,
        attempt: u32,
    ) -> Event {
        Event {
            state,
            state_type,
            attempt,
            max_attempts: None,
            host: host.to_owned(),
            service: service.map(ToOwned::to_owned),
            host_state: None,
            last_state: None,
            downtime: 0,
            host_downtime: 0,
            problem_id: None,
            repair: None,
        }
    }

    /// State, type and attempt as Nagios' log writes them: `CRITICAL;SOFT;3`.
    pub fn change(&self) -> String {
        format!("{};{};{}", self.state, self.state_type, self.attempt)
    }

    /// `host` or `host/service`, for people.
    pub fn object(&self) -> String {
        match &self.service {
            Some(service) => format!("{}/{service}", self.host),
            None => self.host.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_hosts_have_their_own_words() {
        assert_eq!(ObjectState::of_service("CRITICAL"), Ok(ObjectState::Critical));
        assert_eq!(ObjectState::of_host("DOWN"), Ok(ObjectState::Down));
        for bad in ["critical", "DOWN", "$SERVICESTATE$", ""] {
            assert!(ObjectState::of_service(bad).is_err(), "{bad}");
        }
        assert_eq!(
            ObjectState::of_service("CRIT\n").unwrap_err().to_string(),
            "'CRIT\\n' is not a service state: one of OK, WARNING, CRITICAL, UNKNOWN"
        );
        assert!("FIRM".parse::<StateType>().is_err());
    }
}
