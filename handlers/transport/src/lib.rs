//! Connects to the gate of a host by the route in the policy, sends requests, and accepts only
//! framed answers that match the request.
//!
//! This crate does not decide when a repair is due. It does not know the results of earlier
//! repairs or what the caller does with an answer.

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

/// Connects to the gate of a host with the backend that the route names.
///
/// The libssh2 backend connects and logs in before this function returns, at the latest by
/// `deadline`. The `ssh` backend only checks the route and its files, because the `ssh` program
/// logs in for each request.
///
/// # Errors
/// Nothing has been run on the host. No login is attempted at a host whose key is not recorded.
pub fn connect(route: &HostRoute, deadline: Instant) -> Result<Box<dyn Gate>, Error> {
    Ok(match route.backend {
        Backend::Ssh2 => Box::new(SshGate::connect(route, deadline)?),
        Backend::OpenSsh => Box::new(OpenSshGate::new(route)?),
    })
}
