//! The exit codes of the handler.

use plugin_kit::{Outcome, State};

/// How a call of the handler ends. Nagios takes every other code as CRITICAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandlerExit {
    /// 0: did what the policy says: repaired, dispatched, or no action.
    Done,
    /// 1: a repair ran and the fault remains.
    FaultRemains,
    /// 2: could not run, or could not find out.
    Failed,
    /// 3: bad arguments or configuration; nothing was run.
    Misconfigured,
}

impl HandlerExit {
    /// What the program prints and exits with.
    pub fn with(self, line: impl Into<String>) -> Outcome {
        let state = match self {
            HandlerExit::Done => State::Ok,
            HandlerExit::FaultRemains => State::Warning,
            HandlerExit::Failed => State::Critical,
            HandlerExit::Misconfigured => State::Unknown,
        };
        Outcome::new(state, line)
    }
}
