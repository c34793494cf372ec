//! Determines the result of a request from a finished run of `ssh`.
//!
//! Only three facts decide the result: whether ssh had logged in, the framed answer and the exit
//! code. ssh's own messages do not decide it, because an unauthenticated peer can put whole lines
//! into them (RFC 4253, 11.1). Errors only quote these messages. They have one other use: if ssh
//! did not log in, they decide whether to retry.

use policy_file::HostRoute;

use super::process::SshOutcome;
use crate::answer::Answer;
use crate::deadline::RequestDeadline;
use crate::error::{Error, Phase};
use crate::request::Request;
use crate::route::address_and_port;
use crate::text::quoted;

/// The prefix of the debug lines in ssh's log.
const DEBUG: &str = "debug1: ";

/// Returns the gate's answer, or an error that explains why there is none.
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
    if !outcome.logged_in && ended_before_version(&outcome) {
        let text = greeting(&outcome.log)
            .map(|text| format!("the host sent this unverified text: {text}"));
        let detail = text.unwrap_or_else(|| detail + &outcome.response.stderr_excerpt());
        return Err(Error::TurnedAway { host, detail });
    }
    if !outcome.logged_in {
        return Err(Error::NoLogin {
            host,
            address: address_and_port(route),
            detail: detail + &outcome.response.stderr_excerpt(),
        });
    }
    // Exit code 255 means that ssh itself failed, because a gate never exits with 255.
    if outcome.exit_code() == Some(255) {
        return Err(Error::Cut {
            host,
            phase,
            detail: detail + &outcome.response.stderr_excerpt(),
        });
    }
    (outcome.response.ending, outcome.response.exit) = (Some(detail), outcome.exit_code());
    outcome.response.answer(&host, request, phase)
}

/// Whether, according to ssh's log, the connection ended before the host had sent its version.
///
/// With a jump host or a ProxyCommand, the log looks the same if a hop before the host fails. Such
/// failures are recognized by their message on stderr and excluded.
fn ended_before_version(outcome: &SshOutcome) -> bool {
    let logged = |text| outcome.log.lines().any(|line| line.starts_with(text));
    // ssh logs "Connection established." if it connects through a socket, and "Local version
    // string" if it uses a ProxyCommand.
    let is_connected =
        logged("debug1: Connection established.") || logged("debug1: Local version string ");
    let was_reset = messages(&outcome.log).any(|line| {
        line.starts_with("ssh: connect to ") && line.ends_with(": Connection reset by peer")
    });
    let stderr = outcome.response.stderr_excerpt();
    let is_on_the_way = !stderr.is_empty() && !stderr.contains("exchange_identification: ");
    was_reset || (is_connected && !logged("debug1: Remote protocol version ") && !is_on_the_way)
}

/// Returns what the host sent instead of its version, on one line and in quotes. At debug level,
/// ssh logs each line that the host sent. Since version 8.0, ssh adds line numbers.
fn greeting(log: &str) -> Option<String> {
    let lines = log.lines().filter_map(|line| line.strip_prefix(DEBUG));
    let text: Vec<&str> = lines.filter_map(greeting_line).collect();
    (!text.is_empty()).then(|| quoted(text.join(" / ").as_bytes()))
}

/// Extracts what the host sent from a line of ssh's log. Returns `None` if the log line does not
/// quote the host.
fn greeting_line(line: &str) -> Option<&str> {
    let numbered = line.strip_prefix("kex_exchange_identification: banner line ");
    let numbered = numbered.and_then(|rest| Some(rest.split_once(": ")?.1));
    numbered.or_else(|| line.strip_prefix("ssh_exchange_identification: "))
}

/// Returns the lines of ssh's log without empty and debug lines.
fn messages(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter(|line| !line.trim().is_empty() && !line.starts_with(DEBUG))
}

fn ending(outcome: &SshOutcome) -> String {
    let how = outcome
        .exit_code()
        .map_or("ssh was killed".into(), |code| format!("ssh exited with code {code}"));
    let lines: Vec<&str> = messages(&outcome.log).collect();
    match lines.rchunks(2).next() {
        Some(last) => {
            format!("{how}; its unverified log: {}", quoted(last.join(" / ").as_bytes()))
        }
        None => how,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_hosts_text_in_old_and_new_ssh_logs() {
        for (log, text) in [
            ("debug1: kex_exchange_identification: banner line 0: a: b\r\ndebug1: x", "\"a: b\""),
            (
                "debug1: kex_exchange_identification: banner line 0: a\n\
                 debug1: kex_exchange_identification: banner line 1: b",
                "\"a / b\"",
            ),
            (
                "debug1: ssh_exchange_identification: Exceeded MaxStartups",
                "\"Exceeded MaxStartups\"",
            ),
        ] {
            assert_eq!(greeting(log).as_deref(), Some(text), "{log}");
        }
        let reset = "debug1: kex_exchange_identification: write: Connection reset by peer";
        assert_eq!(greeting(reset), None);
    }
}
