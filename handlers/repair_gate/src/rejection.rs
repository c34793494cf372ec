//! How the gate refuses requests.

use std::time::Duration;

use crate::ownership::UnusablePath;
use crate::request::Job;

/// Why the gate refuses a request, as a code for the server.
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
    /// Returns the word that stands for this reason in an answer.
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

/// A refusal, with its reason and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) reason: RejectionReason,
    pub(crate) text: String,
    /// The running job, if it is the reason for the refusal.
    pub(crate) running: Option<Job>,
    /// How long until another request can succeed; `None` if the refusal does not depend on time.
    pub(crate) retry_after: Option<Duration>,
}

/// Converts an error about a path in the state directory.
impl From<UnusablePath> for Rejection {
    fn from(e: UnusablePath) -> Rejection {
        RejectionReason::State.because(format!("the gate cannot use its state directory: {e}"))
    }
}
