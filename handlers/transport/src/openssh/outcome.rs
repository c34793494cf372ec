//! What a run of `ssh` means, decided from three facts: whether it had logged in, the framed answer
//! and the exit code. Its text is quoted, never read: a peer that has proved nothing can put whole
//! lines into it (RFC 4253, 11.1).

use crate::deadline::Clock;
use crate::text::quoted;
use crate::{Answer, Error, Phase, Request, SshTarget};

use super::process::Ran;

/// The answer, or why none came.
pub(super) fn judge(
    mut ran: Ran,
    target: &SshTarget,
    request: &Request,
    clock: &Clock,
) -> Result<Answer, Error> {
    let host = target.host.clone();
    let phase = if ran.logged_in { request.phase() } else { Phase::Login };
    if ran.heard.answered() {
        return ran.heard.answer(&host, request, phase);
    }
    if ran.timed_out {
        return Err(clock.timeout(phase));
    }
    let detail = ending(&ran);
    if !ran.logged_in {
        return Err(Error::NoLogin {
            host,
            address: target.place(),
            detail: detail + &ran.heard.said(),
        });
    }
    // ssh's own failures end with 255; a gate never does.
    if ran.exit_code() == Some(255) {
        return Err(Error::Cut { host, phase, detail: detail + &ran.heard.said() });
    }
    ran.heard.ending = Some(detail);
    ran.heard.answer(&host, request, phase)
}

fn ending(ran: &Ran) -> String {
    let how = ran
        .exit_code()
        .map_or("ssh was killed".into(), |code| format!("ssh ended with exit code {code}"));
    let lines: Vec<&str> = ran.log.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines.rchunks(2).next() {
        Some(last) => {
            format!("{how} and says, unverified: {}", quoted(last.join(" / ").as_bytes()))
        }
        None => how,
    }
}
