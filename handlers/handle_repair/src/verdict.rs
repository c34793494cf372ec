//! How a call of the handler ends: in words and as an exit code.

use plugin_kit::{Outcome, State};
use policy::words;

words! {
    /// The first words of what the handler prints, logs and writes into comments. Scripts match
    /// them, so they never change.
    pub enum Verdict {
        /// The worker was started: it reserves and repairs in the background.
        Dispatched = "DISPATCHED",
        /// Nothing is done, for the reason that follows.
        NoAction = "NO ACTION",
        /// With --dry-run: this would be repaired now.
        WouldRepair = "WOULD REPAIR",
        /// A repair ran and its check is OK.
        Repaired = "REPAIRED",
        /// Every rung was tried and the fault is still there.
        NotRepaired = "NOT REPAIRED",
        /// No rung could be run, or the ledger or Nagios' files could not be read.
        CouldNotRepair = "COULD NOT REPAIR",
        /// A repair may have run, and nobody knows how it ended.
        OutcomeUnknown = "OUTCOME UNKNOWN",
    }
}

/// The exit code of the handler. Nagios takes every other code as CRITICAL.
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

impl Verdict {
    /// The exit code that goes with it.
    pub fn exit(self) -> HandlerExit {
        match self {
            Verdict::Dispatched | Verdict::NoAction | Verdict::WouldRepair | Verdict::Repaired => {
                HandlerExit::Done
            }
            Verdict::NotRepaired => HandlerExit::FaultRemains,
            Verdict::CouldNotRepair | Verdict::OutcomeUnknown => HandlerExit::Failed,
        }
    }

    /// What the program prints, with its exit code: the verdict, then `rest`.
    pub fn with(self, rest: &str) -> Outcome {
        self.exit().with(format!("{self} {rest}"))
    }
}

impl HandlerExit {
    /// What the program prints, with this exit code.
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
