//! Results without a response. Pure.

use std::time::Duration;

use plugin_kit::{Outcome, State};

use super::link::linked;
use super::perfdata;
use crate::fault::Fault;
use crate::http::redirect::BadRedirect;
use crate::http::target::HttpTarget;
use crate::spec::CheckSpec;

/// The result of a fault.
pub fn fault(spec: &CheckSpec, target: &HttpTarget, fault: &Fault, elapsed: Duration) -> Outcome {
    let outcome = described(spec, target, fault);
    if spec.output.always_perfdata {
        perfdata::of_failure(spec, elapsed).into_iter().fold(outcome, Outcome::perfdata)
    } else {
        outcome
    }
}

/// The result of a redirect that is not followed.
pub fn redirect(spec: &CheckSpec, why: &BadRedirect) -> Outcome {
    let state = why.state();
    Outcome::new(state, linked(spec, format!("HTTP {state} - {why}")))
}

fn described(spec: &CheckSpec, target: &HttpTarget, fault: &Fault) -> Outcome {
    let critical = |line: String| Outcome::new(State::Critical, linked(spec, line));
    const NO_SOCKET: &str = "HTTP CRITICAL - Unable to open TCP socket";
    match fault {
        Fault::Timeout => {
            let seconds = spec.timeout.unwrap_or_default().as_secs();
            let state = spec.timeout_state;
            Outcome::new(
                state,
                linked(spec, format!("{state} - Socket timeout after {seconds} seconds")),
            )
        }
        Fault::Name(why) => critical((*why).into()).line(NO_SOCKET),
        Fault::Connect(why) => match target.socket_path() {
            Some(path) => critical(format!("connect to file socket {path}: {why}")),
            None => critical(format!(
                "connect to address {} and port {}: {why}",
                target.address, target.port
            )),
        }
        .line(NO_SOCKET),
        // CRITICAL would get a healthy server repaired.
        Fault::OutOfResources(why) => Outcome::new(
            State::Unknown,
            format!(
                "HTTP UNKNOWN - {why}: the server was not looked at; raise this plugin's limits"
            ),
        ),
        Fault::Tls(tls) => critical("CRITICAL - Cannot make SSL connection.".into()).line(&tls.why),
        Fault::Untrusted(tls) => critical(format!(
            "CRITICAL - Certificate of '{}' is not to be trusted: {}",
            target.name(),
            tls.why
        )),
        Fault::ClientCertificate(what) => critical(format!("CRITICAL - {what}")),
        Fault::File(why) => {
            Outcome::new(State::Unknown, linked(spec, format!("HTTP UNKNOWN - {why}")))
        }
        Fault::NoData => critical("HTTP CRITICAL - No data received from host".into()),
        Fault::Receive(_) => critical("HTTP CRITICAL - Error on receive".into()),
        Fault::LimitExceeded(what) => critical(format!("HTTP CRITICAL - {what}")),
    }
}
