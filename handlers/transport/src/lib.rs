//! Connects to the gate of a host by the route that the policy has for it, sends requests, and
//! believes only framed answers that fit them.
//!
//! This crate knows the way to a gate and what a well-formed answer is. It does not know when a
//! repair is due, what came of earlier ones, or what is done with the answer.

mod answer;
mod deadline;
mod error;
mod frame;
mod gate;
mod glob;
mod key;
pub mod known_hosts;
mod lines;
mod openssh;
pub mod probe;
mod request;
mod resolve;
mod response_buffer;
mod retry;
mod route;
mod ssh;
mod text;

use std::time::Instant;

use policy_file::{Backend, HostRoute};
use ssh::SshGate;

pub use answer::{
    Answer, Diagnosis, GateReason, GateRefusal, JobReport, JobState, Obstacle, Report, Usage,
};
pub use error::{Error, Phase};
pub use frame::{InvalidAnswer, read_answer};
pub use gate::Gate;
pub use lines::OutputLines;
pub use openssh::OpenSshGate;
pub use request::Request;
pub use retry::while_turned_away;
pub use text::in_quotes;

/// Connects to the gate of a host by the backend that its route names.
///
/// libssh2 connects and logs in now, which ends by `deadline`. The `ssh` program is only checked
/// and prepared here: it logs in anew for each request.
///
/// # Errors
/// Nothing has been run on the host. A host whose key is not recorded is not talked to.
pub fn connect(route: &HostRoute, deadline: Instant) -> Result<Box<dyn Gate>, Error> {
    Ok(match route.backend {
        Backend::Ssh2 => Box::new(SshGate::connect(route, deadline)?),
        Backend::OpenSsh => Box::new(OpenSshGate::new(route)?),
    })
}
