//! The interface for sending requests to the gate of one host. Both backends implement it.

use std::time::Instant;

use crate::answer::Answer;
use crate::error::Error;
use crate::request::Request;

/// The gate of one host, reached through libssh2 or the `ssh` program, or simulated by a test.
pub trait Gate {
    /// Sends one request and returns the gate's answer. Only a framed answer that matches the
    /// request is accepted. An exit status or any other output does not count as an answer.
    ///
    /// The deadline is absolute and applies to the whole request, even if the host keeps sending.
    ///
    /// # Errors
    /// After an error, the connection must not be used again. Implementations refuse every further
    /// request over that connection with an error for which [`Error::nothing_was_run`] is true.
    fn request(&mut self, request: &Request, deadline: Instant) -> Result<Answer, Error> {
        self.request_with_progress(request, deadline, &mut |_| ())
    }

    /// Sends a request like [`Gate::request`], and passes each line that the repair prints to
    /// `progress` as soon as the line arrives. `progress` gets at most 200 lines, which are safe to
    /// print. The lines are not part of the answer, and some gates send none.
    ///
    /// # Errors
    /// Returns the same errors as [`Gate::request`].
    fn request_with_progress(
        &mut self,
        request: &Request,
        deadline: Instant,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Answer, Error>;
}
