//! The result of a run: the words that the program prints, and its exit code.

use plugin_kit::{Outcome, State};
use policy::words;

words! {
    /// The first words of every line that the programs print, log or write into a Nagios comment.
    /// Scripts match these words, so they must never change.
    pub enum Verdict {
        /// The handler queued the call for a worker, which reserves the repair and runs it in the
        /// background.
        Dispatched = "DISPATCHED",
        /// No repair was run. The reason follows.
        NoAction = "NO ACTION",
        /// The repair would be run now. Printed only with --dry-run.
        WouldRepair = "WOULD REPAIR",
        /// A repair ran and its check is OK.
        Repaired = "REPAIRED",
        /// Every rung was tried, but the fault is still there.
        NotRepaired = "NOT REPAIRED",
        /// No rung could be run, or the ledger or Nagios' files could not be read.
        CouldNotRepair = "COULD NOT REPAIR",
        /// A repair may have run, and its outcome is unknown.
        OutcomeUnknown = "OUTCOME UNKNOWN",
    }
}

/// The exit code of the handler. Nagios treats any other code as CRITICAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandlerExit {
    /// Exit code 0. The repair was successful, the call was queued for a worker, or the policy
    /// calls for no action.
    Done,
    /// Exit code 1. A repair ran, but the fault is still there.
    FaultRemains,
    /// Exit code 2. No repair could be run, or the outcome is unknown.
    Failed,
    /// Exit code 3. The arguments or the configuration are wrong. Nothing was run.
    Misconfigured,
}

impl Verdict {
    /// Returns the exit code of a program that ends with this verdict.
    pub fn exit(self) -> HandlerExit {
        match self {
            Verdict::Dispatched | Verdict::NoAction | Verdict::WouldRepair | Verdict::Repaired => {
                HandlerExit::Done
            }
            Verdict::NotRepaired => HandlerExit::FaultRemains,
            Verdict::CouldNotRepair | Verdict::OutcomeUnknown => HandlerExit::Failed,
        }
    }

    /// Returns the outcome with this verdict. Its line consists of the verdict and `rest`.
    pub fn with(self, rest: &str) -> Outcome {
        self.exit().with(format!("{self} {rest}"))
    }
}

impl HandlerExit {
    /// Returns an outcome that prints `line` and exits with this code.
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
