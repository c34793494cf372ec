//! Connects to a host's gate over the route defined in the policy, sends requests, and accepts only
//! framed answers that match the request.
//!
//! This crate does not decide when a repair is due. It knows neither the results of earlier repairs
//! nor what the caller does with an answer.

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
pub use frame::{InvalidAnswer, read_answer, read_forwarded_answer};
pub use gate::Gate;
pub use lines::OutputLines;
pub use openssh::OpenSshGate;
pub use request::Request;
pub use retry::while_turned_away;
pub use text::in_quotes;

/// Connects to a host's gate with the backend named in the route.
///
/// The libssh2 backend connects and logs in before `deadline`. The `ssh` backend only checks the
/// route and its files, because the `ssh` program logs in for each request.
///
/// # Errors
/// Fails if the route cannot be used or the login fails. In both cases, nothing has been run on the
/// host. If the host's key is not recorded, no login is attempted.
pub fn connect(route: &HostRoute, deadline: Instant) -> Result<Box<dyn Gate>, Error> {
    Ok(match route.backend {
        Backend::Ssh2 => Box::new(SshGate::connect(route, deadline)?),
        Backend::OpenSsh => Box::new(OpenSshGate::new(route)?),
    })
}
