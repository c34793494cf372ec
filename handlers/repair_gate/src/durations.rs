//! How long a command may run, and how a duration is printed.

use std::time::Duration;

/// The time a command may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeLimit {
    /// Time until its process group gets SIGTERM.
    pub(crate) timeout: Duration,
    /// Time from SIGTERM to SIGKILL.
    pub(crate) grace: Duration,
}

/// Beyond timeout and grace, what `repair_gate within` and sudo may need to end.
const SLACK: Duration = Duration::from_secs(3);

impl TimeLimit {
    /// The limit of a command that only looks.
    pub(crate) const DIAGNOSIS: TimeLimit =
        TimeLimit { timeout: Duration::from_secs(10), grace: Duration::from_secs(2) };

    /// The limit of a repair: ten seconds to end cleanly after SIGTERM.
    pub(crate) fn of_repair(timeout: Duration) -> TimeLimit {
        TimeLimit { timeout, grace: Duration::from_secs(10) }
    }

    /// Time after which the gate itself stops waiting.
    pub(crate) fn hard(self) -> Duration {
        self.timeout + self.grace + SLACK
    }

    /// Time after which the command has certainly been stopped.
    pub(crate) fn longest_run(self) -> Duration {
        self.hard() + Duration::from_secs(2)
    }

    /// Returns `argv` behind `within`, as the gate at `gate` runs it. This is the text of the
    /// sudoers file.
    pub(crate) fn command_line(self, gate: &str, argv: &[String]) -> Vec<String> {
        let seconds = |time: Duration| time.as_secs().to_string();
        let within =
            [gate.to_owned(), "within".to_owned(), seconds(self.timeout), seconds(self.grace)];
        within.into_iter().chain(argv.iter().cloned()).collect()
    }
}

/// Returns whole seconds, rounded up: a request after them is not too early.
pub(crate) fn seconds_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Returns seconds with milliseconds.
pub(crate) fn fractional_seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}
