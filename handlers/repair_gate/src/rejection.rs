//! A "no" of the gate.

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
}

/// A "no", with one sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) reason: RejectionReason,
    pub(crate) text: String,
    /// The job that is in the way.
    pub(crate) running: Option<Job>,
    /// Seconds until it may be asked again.
    pub(crate) retry_after: Option<u64>,
}

impl Rejection {
    pub(crate) fn new(reason: RejectionReason, text: impl Into<String>) -> Rejection {
        Rejection { reason, text: text.into(), running: None, retry_after: None }
    }
}
