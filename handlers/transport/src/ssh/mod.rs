//! The built-in backend, based on libssh2. It refuses unrecorded host keys and applies one deadline
//! to each whole request.

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

/// A logged-in connection to a gate. Dropping the connection never waits for the host.
pub(crate) struct SshGate {
    route: HostRoute,
    /// `None` after a request has failed, because the next answer over the same connection could
    /// belong to the failed request.
    connection: Option<Connection>,
    /// Whether the connection has served a request. If so, it may have been cut while it was idle.
    used: bool,
}

impl SshGate {
    /// Connects and logs in. Every step, from the name lookup to the login, ends by `deadline`.
    ///
    /// # Errors
    /// Fails if any of the steps fails. In this case, nothing has been run on the host. If the
    /// host's key is not recorded byte for byte, no login is attempted.
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
            // The connection ended while it was idle. The request was not sent, so it can be sent
            // over a new connection.
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
