//! The backend of the `ssh` program, for what libssh2 cannot do: certificates, security keys,
//! ProxyJump and the rest of ssh_config. Same requests, same framed answers, same deadline.

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

/// A gate behind the `ssh` program, which logs in anew for each request.
pub struct OpenSshGate {
    command: SshCommand,
}

impl OpenSshGate {
    /// Checks the route and its files. The first request connects.
    ///
    /// Without a configuration file in the route, ssh reads none at all, and only the host keys and
    /// certificate authorities in the known_hosts files of the route count.
    ///
    /// # Errors
    /// The route or one of its files cannot be used, or no key of the host is recorded.
    pub fn new(route: &HostRoute) -> Result<OpenSshGate, Error> {
        OpenSshGate::with_program(route, "/usr/bin/ssh")
    }

    /// The same with another program, by its absolute path.
    ///
    /// # Errors
    /// Those of [`OpenSshGate::new`].
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
