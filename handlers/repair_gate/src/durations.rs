//! Time limits of commands, and formats for durations.

use std::time::Duration;

/// The time limit of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeLimit {
    /// Time until the command's process group gets SIGTERM.
    pub(crate) timeout: Duration,
    /// Time from SIGTERM to SIGKILL.
    pub(crate) grace: Duration,
}

/// Additional time for `repair_gate within` and sudo to end.
const SLACK: Duration = Duration::from_secs(3);

impl TimeLimit {
    /// Limit of `diagnose` commands and queries, which change nothing.
    pub(crate) const DIAGNOSIS: TimeLimit =
        TimeLimit { timeout: Duration::from_secs(10), grace: Duration::from_secs(2) };

    /// Returns the limit of a repair, which has ten seconds to end after SIGTERM.
    pub(crate) fn of_repair(timeout: Duration) -> TimeLimit {
        TimeLimit { timeout, grace: Duration::from_secs(10) }
    }

    /// Returns the time after which the gate stops waiting for the command.
    pub(crate) fn hard(self) -> Duration {
        self.timeout + self.grace + SLACK
    }

    /// Returns the time after which the command has certainly been stopped.
    pub(crate) fn longest_run(self) -> Duration {
        self.hard() + Duration::from_secs(2)
    }

    /// Returns the command line with which the gate at path `gate` runs `argv` under this limit.
    /// The sudoers file contains the same command line.
    pub(crate) fn command_line(self, gate: &str, argv: &[String]) -> Vec<String> {
        let seconds = |time: Duration| time.as_secs().to_string();
        let within =
            [gate.to_owned(), "within".to_owned(), seconds(self.timeout), seconds(self.grace)];
        within.into_iter().chain(argv.iter().cloned()).collect()
    }
}

/// Returns whole seconds, rounded up, so that a request after this time is not too early.
pub(crate) fn seconds_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Returns seconds, rounded to milliseconds.
pub(crate) fn fractional_seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}
