//! The built-in way to a gate: libssh2, strict host keys, one deadline.

mod agent;
pub(crate) mod connection;
mod exec;
mod jump_host;
pub(crate) mod kexinit;
mod relay;
pub(crate) mod session;
pub(crate) mod target;
mod watchdog;

use std::time::Instant;

pub use target::SshTarget;

use crate::deadline::Clock;
use crate::{Answer, Error, Gate, Phase, Request};

/// A logged-in connection to a gate. Dropping it never waits for the host.
pub struct SshGate {
    target: SshTarget,
    /// Gone after the first question that was not answered: what the other side sends next belongs
    /// to nobody knows what.
    wire: Option<connection::Wire>,
    /// Whether it has served a question, so that it may have died since.
    used: bool,
}

/// Reaches the host and logs in. Every step, from name lookup to login, is over by `deadline`; a
/// host whose key is not exactly one on file is not talked to. No repair can have been started when
/// this fails.
pub fn connect(target: &SshTarget, deadline: Instant) -> Result<SshGate, Error> {
    let wire = session::log_in(target, Clock::new(&target.host, deadline))?;
    wire.rest();
    Ok(SshGate { target: target.clone(), wire: Some(wire), used: false })
}

impl Gate for SshGate {
    fn ask_and_watch(
        &mut self,
        request: &Request,
        deadline: Instant,
        watch: &mut dyn FnMut(&str),
    ) -> Result<Answer, Error> {
        let mut wire =
            self.wire.take().ok_or_else(|| Error::UsedUp { host: self.target.host.clone() })?;
        wire.begin(deadline);
        let answer = match exec::ask(&mut wire, request, watch) {
            // The connection ended while it was idle; nothing of this question was sent.
            Err(Error::Cut { phase: Phase::Open, .. }) if self.used => {
                wire = session::log_in(&self.target, Clock::new(&self.target.host, deadline))?;
                exec::ask(&mut wire, request, watch)?
            }
            answer => answer?,
        };
        wire.rest();
        (self.wire, self.used) = (Some(wire), true);
        Ok(answer)
    }
}
