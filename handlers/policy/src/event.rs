//! The data that Nagios passes to the event handler.

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
    /// The service works.
    Ok,
    /// The service has crossed its warning threshold.
    Warning,
    /// The service has crossed its critical threshold, or its plugin died.
    Critical,
    /// The check could not determine the state of the service.
    Unknown,
    /// The host responds.
    Up,
    /// The host does not respond.
    Down,
    /// A host on the network path to this host is down.
    Unreachable,
}

impl ObjectState {
    const SERVICE: [ObjectState; 4] =
        [ObjectState::Ok, ObjectState::Warning, ObjectState::Critical, ObjectState::Unknown];
    const HOST: [ObjectState; 3] = [ObjectState::Up, ObjectState::Down, ObjectState::Unreachable];

    /// Parses the state of a service, in capitals as Nagios writes it.
    pub fn of_service(word: &str) -> Result<ObjectState, BadWord> {
        one_of(word, "a service state", &ObjectState::SERVICE)
    }

    /// Parses the state of a host, in capitals as Nagios writes it.
    pub fn of_host(word: &str) -> Result<ObjectState, BadWord> {
        one_of(word, "a host state", &ObjectState::HOST)
    }

    /// Whether the state is OK or UP.
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

/// The state type (`$SERVICESTATETYPE$` or `$HOSTSTATETYPE$`): whether Nagios has confirmed the
/// state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StateType {
    /// Nagios is still rechecking the object.
    Soft,
    /// `max_check_attempts` checks have confirmed the state.
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

/// A word that Nagios never uses for this kind of value, for example DOWN for a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadWord {
    given: String,
    wanted: &'static str,
    known: String,
}

impl fmt::Display for BadWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "'{}' is not {}; use one of {}",
            self.given.escape_debug(),
            self.wanted,
            self.known
        )
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

/// One call to the event handler. A value that Nagios did not pass is `None`, except that a missing
/// downtime count is 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The state that this event reports.
    pub state: ObjectState,
    /// Whether the state is SOFT or HARD.
    pub state_type: StateType,
    /// The number of the check attempt, counted from 1.
    pub attempt: u32,
    /// The object's `max_check_attempts`.
    pub max_attempts: Option<u32>,
    /// The name of the host in Nagios, as encoded by [`spell`](crate::spell).
    pub host: String,
    /// The description of the service, encoded like the name of the host, or `None` if the event is
    /// about the host itself.
    pub service: Option<String>,
    /// The state of the host the service runs on.
    pub host_state: Option<ObjectState>,
    /// The result of the previous check (`$LASTSERVICESTATE$` or `$LASTHOSTSTATE$`).
    pub last_state: Option<ObjectState>,
    /// How many downtimes are in effect for the object itself.
    pub downtime: u32,
    /// How many downtimes are in effect for the host.
    pub host_downtime: u32,
    /// The problem ID that Nagios assigned, which stays the same from the first bad result to the
    /// recovery.
    pub problem_id: Option<String>,
    /// The repair named in the object's custom variable `_REPAIR`, or `None` if the object did not
    /// opt in to a repair.
    pub repair: Option<crate::RepairName>,
}

impl Event {
    /// Creates an event from the values that every event has. The other fields are left empty.
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

    /// Returns the state, the state type and the attempt in the Nagios log format, for example
    /// `CRITICAL;SOFT;3`.
    pub fn change(&self) -> String {
        format!("{};{};{}", self.state, self.state_type, self.attempt)
    }

    /// Returns the name of the object for messages: `host`, or `host/service`.
    pub fn object(&self) -> String {
        object_name(&self.host, self.service.as_deref())
    }
}

/// Returns the name of an object for messages: `host`, or `host/service`.
pub fn object_name(host: &str, service: Option<&str>) -> String {
    match service {
        Some(service) => format!("{host}/{service}"),
        None => host.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_state_names_for_the_object_type() {
        assert_eq!(ObjectState::of_service("CRITICAL"), Ok(ObjectState::Critical));
        assert_eq!(ObjectState::of_host("DOWN"), Ok(ObjectState::Down));
        for bad in ["critical", "DOWN", "$SERVICESTATE$", ""] {
            assert!(ObjectState::of_service(bad).is_err(), "{bad}");
        }
        assert_eq!(
            ObjectState::of_service("CRIT\n").unwrap_err().to_string(),
            "'CRIT\\n' is not a service state; use one of OK, WARNING, CRITICAL, UNKNOWN"
        );
        assert!("FIRM".parse::<StateType>().is_err());
    }
}
