//! The built-in backend: libssh2, strict host keys, one deadline.

mod agent;
pub(crate) mod connection;
mod exec;
mod jump_host;
pub(crate) mod kexinit;
mod relay;
pub(crate) mod session;
mod watchdog;

use std::time::Instant;

use policy_file::HostRoute;

use self::connection::Connection;
use crate::answer::Answer;
use crate::deadline::RequestDeadline;
use crate::error::{Error, Phase};
use crate::gate::Gate;
use crate::request::Request;

/// A logged-in connection to a gate. Dropping it never waits for the host.
pub(crate) struct SshGate {
    route: HostRoute,
    /// `None` after the first request without an answer: what the host sends next would answer an
    /// unknown request.
    connection: Option<Connection>,
    /// Whether it has served a request, so that it may have died since.
    used: bool,
}

impl SshGate {
    /// Connects and logs in. Every step, from name lookup to login, is over by `deadline`.
    ///
    /// # Errors
    /// Nothing has been run on the host. A host whose key is not exactly a recorded one is not
    /// talked to.
    pub(crate) fn connect(route: &HostRoute, deadline: Instant) -> Result<SshGate, Error> {
        let connection = session::log_in(route, RequestDeadline::new(&route.host, deadline))?;
        connection.rest();
        Ok(SshGate { route: route.clone(), connection: Some(connection), used: false })
    }
}

impl Gate for SshGate {
    fn request_with_progress(
        &mut self,
        request: &Request,
        deadline: Instant,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Answer, Error> {
        let host = &self.route.host;
        let mut connection =
            self.connection.take().ok_or_else(|| Error::UsedUp { host: host.clone() })?;
        connection.begin(deadline);
        let answer = match exec::exec(&mut connection, request, progress) {
            // The connection ended while it was idle; nothing of this request was sent.
            Err(Error::Cut { phase: Phase::Open, .. }) if self.used => {
                connection = session::log_in(&self.route, RequestDeadline::new(host, deadline))?;
                exec::exec(&mut connection, request, progress)?
            }
            answer => answer?,
        };
        connection.rest();
        (self.connection, self.used) = (Some(connection), true);
        Ok(answer)
    }
}
