//! The four states of a Nagios service and how two of them merge.

use std::fmt;
use std::str::FromStr;

/// The state of a service, as plugins report it. Deliberately not `Ord`: states are merged by
/// [`State::worst`] only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Exit code 0.
    Ok,
    /// Exit code 1.
    Warning,
    /// Exit code 2.
    Critical,
    /// Exit code 3: nothing could be measured, or the command line is wrong.
    Unknown,
}

impl State {
    /// The exit code of the plugin guidelines: 0 to 3.
    pub fn code(self) -> u8 {
        match self {
            State::Ok => 0,
            State::Warning => 1,
            State::Critical => 2,
            State::Unknown => 3,
        }
    }

    /// The state for a plugin's exit code; `None` outside 0..=3.
    pub fn from_code(code: i32) -> Option<State> {
        match code {
            0 => Some(State::Ok),
            1 => Some(State::Warning),
            2 => Some(State::Critical),
            3 => Some(State::Unknown),
            _ => None,
        }
    }

    /// The worse of two states in the order OK < UNKNOWN < WARNING < CRITICAL.
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

    /// Nagios' name of the state: `OK`, `WARNING`, `CRITICAL`, `UNKNOWN`.
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

/// A word that does not name a state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a service state: one of OK, WARNING, CRITICAL, UNKNOWN")]
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
    fn names_and_codes_are_those_of_the_guidelines() {
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
