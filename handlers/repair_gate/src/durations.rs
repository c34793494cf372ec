//! How long a command may take, and what a thread may need.

use std::time::Duration;

/// A time limit, and how long after it SIGKILL follows SIGTERM. Seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeLimit {
    pub(crate) seconds: u64,
    pub(crate) grace: u64,
}

/// Beyond limit and grace, what `within` and sudo may need to end.
const SLACK: u64 = 3;

impl TimeLimit {
    /// Of a repair: ten seconds to end cleanly once it is asked to.
    pub(crate) fn of_repair(seconds: u64) -> TimeLimit {
        TimeLimit { seconds, grace: 10 }
    }

    /// Of a command that only looks.
    pub(crate) const DIAGNOSIS: TimeLimit = TimeLimit { seconds: 10, grace: 2 };

    /// When the gate itself stops waiting.
    pub(crate) fn hard(self) -> Duration {
        Duration::from_secs(self.seconds + self.grace + SLACK)
    }

    /// When the command has certainly been stopped, in milliseconds from its start.
    pub(crate) fn deadline(self) -> u64 {
        (self.seconds + self.grace + SLACK + 2).saturating_mul(1000)
    }

    /// `argv` under `within`, as the gate at `gate` has it run. This is the text that stands in
    /// sudoers.
    pub(crate) fn around(self, gate: &str, argv: &[String]) -> Vec<String> {
        let within = [
            gate.to_owned(),
            "within".to_owned(),
            self.seconds.to_string(),
            self.grace.to_string(),
        ];
        within.into_iter().chain(argv.iter().cloned()).collect()
    }
}

/// The stack of a thread, in bytes. Given outright, for the default can be set through the
/// environment (RUST_MIN_STACK).
pub(crate) const STACK: usize = 256 * 1024;
