//! Time limits for commands, and formats for durations.

use std::time::Duration;

/// The time limit for a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeLimit {
    /// Time after which the command's process group gets SIGTERM.
    pub(crate) timeout: Duration,
    /// Time between SIGTERM and SIGKILL.
    pub(crate) grace: Duration,
}

/// Time for `repair_gate within` and sudo to exit after the command has ended.
const SLACK: Duration = Duration::from_secs(3);

impl TimeLimit {
    /// The limit for `diagnose` commands and queries, which change nothing.
    pub(crate) const DIAGNOSIS: TimeLimit =
        TimeLimit { timeout: Duration::from_secs(10), grace: Duration::from_secs(2) };

    /// Returns the limit for a repair, which has ten seconds to end after SIGTERM.
    pub(crate) fn of_repair(timeout: Duration) -> TimeLimit {
        TimeLimit { timeout, grace: Duration::from_secs(10) }
    }

    /// Returns the longest time for which the gate waits for the command.
    pub(crate) fn hard(self) -> Duration {
        self.timeout + self.grace + SLACK
    }

    /// Returns how long after its start the command has certainly been stopped.
    pub(crate) fn longest_run(self) -> Duration {
        self.hard() + Duration::from_secs(2)
    }

    /// Returns the command line that runs `argv` under this limit, with the gate installed at
    /// `gate`. The sudoers file contains the same command line.
    pub(crate) fn command_line(self, gate: &str, argv: &[String]) -> Vec<String> {
        let seconds = |time: Duration| time.as_secs().to_string();
        let within =
            [gate.to_owned(), "within".to_owned(), seconds(self.timeout), seconds(self.grace)];
        within.into_iter().chain(argv.iter().cloned()).collect()
    }
}

/// Converts a duration to whole seconds. Rounds up, so that a request made after this time is not
/// too early.
pub(crate) fn seconds_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Converts a duration to seconds, rounded to milliseconds.
pub(crate) fn fractional_seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}
