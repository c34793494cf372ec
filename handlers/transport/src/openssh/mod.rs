//! The backend that runs the `ssh` program.
//!
//! It supports certificates, security keys, ProxyJump and everything else in ssh_config that
//! libssh2 lacks. Requests, framed answers and deadlines are the same as in the libssh2 backend.

mod command;
mod outcome;
mod process;

use std::path::PathBuf;
use std::time::Instant;

use policy_file::HostRoute;

use self::command::SshCommand;
use crate::answer::Answer;
use crate::deadline::RequestDeadline;
use crate::error::Error;
use crate::gate::Gate;
use crate::request::Request;

/// A gate that is reached through the `ssh` program. Each request runs `ssh` and logs in again.
pub struct OpenSshGate {
    command: SshCommand,
}

impl OpenSshGate {
    /// Checks the route and its files. No connection is made before the first request.
    ///
    /// If the route has no configuration file, ssh reads no configuration file at all. It then
    /// trusts only the host keys and certificate authorities in the known_hosts files of the route.
    ///
    /// # Errors
    /// Fails if the route or one of its files cannot be used, or if no key of the host is recorded.
    pub fn new(route: &HostRoute) -> Result<OpenSshGate, Error> {
        OpenSshGate::with_program(route, "/usr/bin/ssh")
    }

    /// Checks the route and its files like [`OpenSshGate::new`]. Each request then runs `program`
    /// instead of `/usr/bin/ssh`. `program` must be an absolute path.
    ///
    /// # Errors
    /// Returns the same errors as [`OpenSshGate::new`].
    pub fn with_program(
        route: &HostRoute,
        program: impl Into<PathBuf>,
    ) -> Result<OpenSshGate, Error> {
        Ok(OpenSshGate { command: SshCommand::new(program.into(), route)? })
    }
}

impl Gate for OpenSshGate {
    fn request_with_progress(
        &mut self,
        request: &Request,
        deadline: Instant,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Answer, Error> {
        let route = self.command.route();
        let deadline = RequestDeadline::new(&route.host, deadline);
        let outcome = process::run(&self.command, request, &deadline, progress)?;
        outcome::answer(outcome, route, request, &deadline)
    }
}
