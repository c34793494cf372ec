//! A refusal of the gate.

use std::time::Duration;

use crate::ownership::UnusablePath;
use crate::request::Job;

/// The kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RejectionReason {
    BadRequest,
    UnknownRepair,
    Busy,
    Cooldown,
    Budget,
    Held,
    Config,
    State,
    NoSuchJob,
}

impl RejectionReason {
    /// Returns the word of the answer.
    pub(crate) fn word(self) -> &'static str {
        match self {
            RejectionReason::BadRequest => "bad-request",
            RejectionReason::UnknownRepair => "unknown-repair",
            RejectionReason::Busy => "busy",
            RejectionReason::Cooldown => "cooldown",
            RejectionReason::Budget => "budget",
            RejectionReason::Held => "held",
            RejectionReason::Config => "config",
            RejectionReason::State => "state",
            RejectionReason::NoSuchJob => "no-such-job",
        }
    }

    /// Returns a refusal for this reason, explained to a person by `text`.
    pub(crate) fn because(self, text: impl Into<String>) -> Rejection {
        Rejection { reason: self, text: text.into(), running: None, retry_after: None }
    }
}

/// A refusal, with one sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) reason: RejectionReason,
    pub(crate) text: String,
    /// The job that is in the way.
    pub(crate) running: Option<Job>,
    /// Time after which another request may succeed; `None` if it does not depend on time.
    pub(crate) retry_after: Option<Duration>,
}

/// A path of the state directory.
impl From<UnusablePath> for Rejection {
    fn from(e: UnusablePath) -> Rejection {
        RejectionReason::State.because(format!("the state of the gate: {e}"))
    }
}
