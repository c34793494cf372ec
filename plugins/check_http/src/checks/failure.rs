//! Builds the result of a check that got no response.

use std::time::Duration;

use plugin_kit::{Outcome, State};

use super::link::linked;
use super::perfdata;
use crate::fault::{Fault, TlsFault};
use crate::http::redirect::BadRedirect;
use crate::http::target::HttpTarget;
use crate::spec::CheckSpec;

/// Returns the result of a check that ended with `fault` before a response arrived.
pub fn fault(spec: &CheckSpec, target: &HttpTarget, fault: &Fault, elapsed: Duration) -> Outcome {
    let outcome = described(spec, target, fault);
    if spec.output.always_perfdata {
        perfdata::of_failure(spec, elapsed).into_iter().fold(outcome, Outcome::perfdata)
    } else {
        outcome
    }
}

/// Returns the result for a redirect that cannot be followed.
pub fn redirect(spec: &CheckSpec, why: &BadRedirect) -> Outcome {
    let state = why.state();
    Outcome::new(state, linked(spec, format!("HTTP {state} - {why}")))
}

fn described(spec: &CheckSpec, target: &HttpTarget, fault: &Fault) -> Outcome {
    const NO_SOCKET: &str = "HTTP CRITICAL - Unable to open TCP socket";
    let outcome = |state, line| Outcome::new(state, linked(spec, line));
    let critical = |line| outcome(State::Critical, line);
    match fault {
        Fault::Timeout => {
            let seconds = spec.timeout.unwrap_or_default().as_secs();
            let state = spec.timeout_state;
            outcome(state, format!("{state} - Socket timeout after {seconds} seconds"))
        }
        Fault::Name(why) => critical((*why).into()).line(NO_SOCKET),
        Fault::Connect(why) => {
            let HttpTarget { address, port, .. } = target;
            critical(match target.socket_path() {
                Some(path) => format!("connect to file socket {path}: {why}"),
                None => format!("connect to address {address} and port {port}: {why}"),
            })
            .line(NO_SOCKET)
        }
        // Return UNKNOWN, because the problem is on this machine, not on the server. CRITICAL could
        // start a repair of a healthy server.
        Fault::OutOfResources(why) => {
            let advice = "check_http could not check the server; raise the limits on open files \
                          and memory";
            Outcome::new(State::Unknown, format!("HTTP UNKNOWN - {why}: {advice}"))
        }
        Fault::Tls(tls) => critical("CRITICAL - Cannot make SSL connection.".into()).line(&tls.why),
        Fault::Untrusted(TlsFault { why, .. }) => {
            let name = target.name();
            critical(format!("CRITICAL - Certificate of '{name}' is not trusted: {why}"))
        }
        Fault::ClientCertificate(what) => critical(format!("CRITICAL - {what}")),
        Fault::File(why) => outcome(State::Unknown, format!("HTTP UNKNOWN - {why}")),
        Fault::NoData => critical("HTTP CRITICAL - No data received from host".into()),
        Fault::Receive(_) => critical("HTTP CRITICAL - Error on receive".into()),
        Fault::LimitExceeded(what) => critical(format!("HTTP CRITICAL - {what}")),
    }
}
