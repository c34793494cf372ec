//! The four states of a Nagios service.

use std::fmt;
use std::str::FromStr;

/// The state of a service, as plugins report it. The type deliberately does not implement `Ord`.
/// [`State::worst`] is the only way to compare two states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The service works. Exit code 0.
    Ok,
    /// The warning threshold was crossed. Exit code 1.
    Warning,
    /// The critical threshold was crossed, or the service is down. Exit code 2.
    Critical,
    /// The plugin could not check the service, or its command line is wrong. Exit code 3.
    Unknown,
}

impl State {
    /// Returns the exit code from the plugin guidelines, which is between 0 and 3.
    pub fn code(self) -> u8 {
        match self {
            State::Ok => 0,
            State::Warning => 1,
            State::Critical => 2,
            State::Unknown => 3,
        }
    }

    /// Returns the state for a plugin's exit code, or `None` if the code is not between 0 and 3.
    pub fn from_code(code: i32) -> Option<State> {
        match code {
            0 => Some(State::Ok),
            1 => Some(State::Warning),
            2 => Some(State::Critical),
            3 => Some(State::Unknown),
            _ => None,
        }
    }

    /// Returns the worse of two states. The order is OK < UNKNOWN < WARNING < CRITICAL.
    #[must_use]
    pub fn worst(self, other: State) -> State {
        if other.severity() > self.severity() { other } else { self }
    }

    fn severity(self) -> u8 {
        match self {
            State::Ok => 0,
            State::Unknown => 1,
            State::Warning => 2,
            State::Critical => 3,
        }
    }

    /// Returns Nagios' name for the state: `OK`, `WARNING`, `CRITICAL` or `UNKNOWN`.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Ok => "OK",
            State::Warning => "WARNING",
            State::Critical => "CRITICAL",
            State::Unknown => "UNKNOWN",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The error for a word that does not name a state. It contains this word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a service state; use OK, WARNING, CRITICAL or UNKNOWN")]
pub struct UnknownState(pub String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(word: &str) -> Result<State, UnknownState> {
        [State::Ok, State::Warning, State::Critical, State::Unknown]
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or_else(|| UnknownState(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_worse_than_ok_and_better_than_warning() {
        assert_eq!(State::Ok.worst(State::Unknown), State::Unknown);
        assert_eq!(State::Unknown.worst(State::Warning), State::Warning);
        assert_eq!(State::Critical.worst(State::Unknown), State::Critical);
    }

    #[test]
    fn uses_names_and_codes_of_the_plugin_guidelines() {
        for (state, word, code) in [
            (State::Ok, "OK", 0),
            (State::Warning, "WARNING", 1),
            (State::Critical, "CRITICAL", 2),
            (State::Unknown, "UNKNOWN", 3),
        ] {
            assert_eq!(word.parse(), Ok(state));
            assert_eq!(State::from_code(code), Some(state));
            assert_eq!(i32::from(state.code()), code);
        }
        assert!("critical".parse::<State>().is_err());
        assert_eq!(State::from_code(42), None);
    }
}
