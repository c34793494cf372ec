//! Interprets a run of `ssh` by three facts: whether it had logged in, the framed answer and the
//! exit code. Its text is quoted, never interpreted: a peer that has proved nothing can put whole
//! lines into it (RFC 4253, 11.1).

use policy_file::HostRoute;

use super::process::SshOutcome;
use crate::answer::Answer;
use crate::deadline::RequestDeadline;
use crate::error::{Error, Phase};
use crate::request::Request;
use crate::route::address_and_port;
use crate::text::quoted;

/// Returns the answer, or why there is none.
pub(super) fn answer(
    mut outcome: SshOutcome,
    route: &HostRoute,
    request: &Request,
    deadline: &RequestDeadline,
) -> Result<Answer, Error> {
    let host = route.host.clone();
    let phase = if outcome.logged_in { request.phase() } else { Phase::Login };
    if outcome.response.answered() {
        return outcome.response.answer(&host, request, phase);
    }
    if outcome.timed_out {
        return Err(deadline.timeout(phase));
    }
    let detail = ending(&outcome);
    if !outcome.logged_in {
        return Err(Error::NoLogin {
            host,
            address: address_and_port(route),
            detail: detail + &outcome.response.stderr_excerpt(),
        });
    }
    // ssh's own failures end with 255; a gate never does.
    if outcome.exit_code() == Some(255) {
        return Err(Error::Cut {
            host,
            phase,
            detail: detail + &outcome.response.stderr_excerpt(),
        });
    }
    outcome.response.ending = Some(detail);
    outcome.response.answer(&host, request, phase)
}

fn ending(outcome: &SshOutcome) -> String {
    let how = outcome
        .exit_code()
        .map_or("ssh was killed".into(), |code| format!("ssh ended with exit code {code}"));
    let lines: Vec<&str> = outcome.log.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines.rchunks(2).next() {
        Some(last) => {
            format!("{how} and says, unverified: {}", quoted(last.join(" / ").as_bytes()))
        }
        None => how,
    }
}
