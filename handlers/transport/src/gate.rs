//! What every backend offers: requests to the gate of one host.

use std::time::Instant;

use crate::answer::Answer;
use crate::error::Error;
use crate::request::Request;

/// The gate of one host: libssh2's, the `ssh` program's, or one that a test pretends.
pub trait Gate {
    /// Sends one request and returns the gate's answer. Only a framed answer that fits the request
    /// is one: an exit status is not, nor is other text.
    ///
    /// The deadline is absolute and holds for the whole request, even if the host keeps sending.
    ///
    /// # Errors
    /// A gate that failed to answer must not be used again over the same connection: implementors
    /// answer every further request with an error of which [`Error::nothing_was_run`] is true.
    fn request(&mut self, request: &Request, deadline: Instant) -> Result<Answer, Error> {
        self.request_with_progress(request, deadline, &mut |_| ())
    }

    /// The same, and passes the lines that the repair prints to `progress` as they come, before
    /// the answer. They are safe to print, at most 200, and not part of the answer. A gate may
    /// send none.
    ///
    /// # Errors
    /// Those of [`Gate::request`].
    fn request_with_progress(
        &mut self,
        request: &Request,
        deadline: Instant,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Answer, Error>;
}
