//! Refusals of the gate.

use std::time::Duration;

use crate::ownership::UnusablePath;
use crate::request::Job;

/// The reason for a refusal, as the server evaluates it.
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
    /// Returns the word for this reason in an answer.
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

    /// Returns a refusal for this reason, with `text` as its message.
    pub(crate) fn because(self, text: impl Into<String>) -> Rejection {
        Rejection { reason: self, text: text.into(), running: None, retry_after: None }
    }
}

/// A refusal with its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) reason: RejectionReason,
    pub(crate) text: String,
    /// The running job, if it is the reason for the refusal.
    pub(crate) running: Option<Job>,
    /// Time after which another request can succeed; `None` if the refusal does not depend on time.
    pub(crate) retry_after: Option<Duration>,
}

/// For errors of paths in the state directory.
impl From<UnusablePath> for Rejection {
    fn from(e: UnusablePath) -> Rejection {
        RejectionReason::State.because(format!("the state of the gate: {e}"))
    }
}
