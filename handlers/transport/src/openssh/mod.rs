//! The other way to a gate: the `ssh` program, for what libssh2 cannot do (certificates, security
//! keys, ProxyJump and the rest of ssh_config). Same questions, same framed answers, same deadline.

mod command;
mod outcome;
mod process;

use std::path::PathBuf;
use std::time::Instant;

use crate::deadline::Clock;
use crate::known_hosts::Standing;
use crate::ssh::session::{algorithms, read_known_hosts};
use crate::ssh::target;
use crate::{Answer, Error, Gate, Request, SshTarget, key};

/// Which `ssh` to use, and how.
#[derive(Debug, Clone)]
pub struct OpenSsh {
    /// The program, by its absolute path.
    pub program: PathBuf,
    /// A configuration file for it. Without one, no configuration file is read at all, and only
    /// host keys and certificate authorities in the target's known_hosts files count.
    pub config: Option<PathBuf>,
}

impl Default for OpenSsh {
    fn default() -> OpenSsh {
        OpenSsh { program: "/usr/bin/ssh".into(), config: None }
    }
}

/// A gate reached by the `ssh` program, which logs in anew for each question.
pub struct OpenSshGate {
    how: OpenSsh,
    target: SshTarget,
    words: Vec<String>,
}

impl OpenSsh {
    /// Checks what can be checked on this side; the host is reached with the first question.
    pub fn gate(&self, target: &SshTarget) -> Result<OpenSshGate, Error> {
        let words = self.prepare(target)?;
        Ok(OpenSshGate { how: self.clone(), target: target.clone(), words })
    }

    /// The options for this target, once its names, key and host keys are in order.
    fn prepare(&self, target: &SshTarget) -> Result<Vec<String>, Error> {
        target::check(target)?;
        if !target.agent {
            key::check(target)?;
        }
        let alias = self.alias(target)?;
        let bastion = target
            .via
            .as_deref()
            .map(|bastion| self.prepare(bastion).map(|words| (bastion, words)))
            .transpose()?;
        command::options(self, target, alias.as_deref(), bastion)
    }

    /// The name to look the host's key up under: the one it is recorded under, by the rules of the
    /// built-in transport.
    fn alias(&self, target: &SshTarget) -> Result<Option<String>, Error> {
        let on_file = match read_known_hosts(target) {
            // A configuration may name other sources of host keys (KnownHostsCommand,
            // VerifyHostKeyDNS).
            Err(Error::KnownHostsEmpty { .. }) if self.config.is_some() => return Ok(None),
            on_file => on_file?,
        };
        // ssh looks under one name only and would not see a key revoked under the other.
        if let Some(place) = on_file.any_revoked() {
            return Err(Error::HostKeyRevoked { host: target.host.clone(), place: place.into() });
        }
        match on_file.standing() {
            Standing::Known => Ok(on_file.name().map(str::to_owned)),
            // A certificate is for a name, never for a port.
            Standing::AuthorityOnly(_) => Ok(Some(target.host.to_lowercase())),
            Standing::Unknown if self.config.is_some() => Ok(None),
            Standing::Unknown | Standing::Revoked(_) => algorithms(target, &on_file).map(|_| None),
        }
    }
}

/// The ways to a host's gate: what `"transport"` chooses.
#[derive(Debug, Clone, Default)]
pub enum Backend {
    /// libssh2, in this process.
    #[default]
    BuiltIn,
    /// The `ssh` program.
    OpenSsh(OpenSsh),
}

impl Backend {
    /// Reaches the target this way; for the `ssh` program, gets ready to.
    pub fn connect(&self, target: &SshTarget, deadline: Instant) -> Result<Box<dyn Gate>, Error> {
        Ok(match self {
            Backend::BuiltIn => Box::new(crate::connect(target, deadline)?),
            Backend::OpenSsh(how) => Box::new(how.gate(target)?),
        })
    }
}

impl Gate for OpenSshGate {
    fn ask_and_watch(
        &mut self,
        request: &Request,
        deadline: Instant,
        watch: &mut dyn FnMut(&str),
    ) -> Result<Answer, Error> {
        let clock = Clock::new(&self.target.host, deadline);
        let ran = process::run(self, request, &clock, watch)?;
        outcome::judge(ran, &self.target, request, &clock)
    }
}
