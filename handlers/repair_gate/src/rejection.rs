//! A "no" of the gate.

use crate::request::Job;

/// The kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
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

impl Reason {
    /// Returns the word of the answer.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Reason::BadRequest => "bad-request",
            Reason::UnknownRepair => "unknown-repair",
            Reason::Busy => "busy",
            Reason::Cooldown => "cooldown",
            Reason::Budget => "budget",
            Reason::Held => "held",
            Reason::Config => "config",
            Reason::State => "state",
            Reason::NoSuchJob => "no-such-job",
        }
    }
}

/// A "no", with one sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) reason: Reason,
    pub(crate) text: String,
    /// The job that is in the way.
    pub(crate) running: Option<Job>,
    /// Seconds until it may be asked again.
    pub(crate) retry_after: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(reason: Reason, text: impl Into<String>) -> Refusal {
        Refusal { reason, text: text.into(), running: None, retry_after: None }
    }
}
