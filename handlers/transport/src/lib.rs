//! How a repaired host's gate is asked: one conversation, one login, several questions, one answer
//! that can be believed.
//!
//! This crate knows the way to the gate and what a well-formed answer is. It does not know when a
//! repair is due, what came of earlier ones, or what is done with the answer.

mod answer;
mod deadline;
mod error;
mod frame;
mod glob;
mod key;
pub mod known_hosts;
mod lines;
mod openssh;
pub mod probe;
mod request;
mod resolve;
mod response_buffer;
pub mod route;
mod ssh;
mod text;

use std::time::Instant;

pub use answer::{
    Answer, Diagnosis, GateReason, JobReport, JobState, Obstacle, Refusal, Report, Usage,
};
pub use error::{Error, Phase};
pub use frame::read_answer;
pub use lines::Lines;
pub use openssh::{Backend, OpenSsh, OpenSshGate};
pub use request::Request;
pub use ssh::{SshGate, SshTarget, connect};
pub use text::in_quotes;

/// The gate of one host, ready to be asked.
///
/// Made for several ways of reaching it: libssh2 ([`SshGate`]), the `ssh` program, and whatever a
/// test wants to pretend.
pub trait Gate {
    /// Asks one question and returns the gate's answer. Nothing but a framed answer that fits the
    /// question is one: not an exit status, not other text.
    ///
    /// The deadline is absolute and holds for the whole question, whatever the other side does. A
    /// gate that failed to answer must not be asked again over the same connection: implementors
    /// answer every further question with an error of which [`Error::nothing_was_run`] is true.
    fn ask(&mut self, request: &Request, deadline: Instant) -> Result<Answer, Error> {
        self.ask_and_watch(request, deadline, &mut |_| ())
    }

    /// The same, for a person who watches: `watch` is given the lines that the repair prints, as
    /// they come and before the answer. They are safe to print, at most 200, and part of no answer;
    /// a gate may send none.
    fn ask_and_watch(
        &mut self,
        request: &Request,
        deadline: Instant,
        watch: &mut dyn FnMut(&str),
    ) -> Result<Answer, Error>;
}
