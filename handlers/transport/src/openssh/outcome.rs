//! Interprets a run of `ssh` by three facts: whether it had logged in, the framed answer and the
//! exit code. A peer that has proved nothing can put whole lines into its text (RFC 4253, 11.1), so
//! that is quoted, and interpreted for one thing only: whether another try is worth while when
//! nothing was run.

use policy_file::HostRoute;

use super::process::SshOutcome;
use crate::answer::Answer;
use crate::deadline::RequestDeadline;
use crate::error::{Error, Phase};
use crate::request::Request;
use crate::route::address_and_port;
use crate::text::quoted;

/// How a line of ssh's log for debugging begins.
const DEBUG: &str = "debug1: ";

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
    if !outcome.logged_in && ended_before_version(&outcome) {
        let said = greeting(&outcome.log).map(|said| format!("it says, unverified: {said}"));
        let detail = said.unwrap_or_else(|| detail + &outcome.response.stderr_excerpt());
        return Err(Error::TurnedAway { host, detail });
    }
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
    (outcome.response.ending, outcome.response.exit) = (Some(detail), outcome.exit_code());
    outcome.response.answer(&host, request, phase)
}

/// Whether the connection ended before the host had sent its version. Behind a jump host or a
/// ProxyCommand every failure on the way looks like this to ssh; what failed is then on stderr.
fn ended_before_version(outcome: &SshOutcome) -> bool {
    let logged = |text| outcome.log.lines().any(|line| line.starts_with(text));
    // The first for a socket, the second for a ProxyCommand.
    let is_connected =
        logged("debug1: Connection established.") || logged("debug1: Local version string ");
    let was_reset = messages(&outcome.log).any(|line| {
        line.starts_with("ssh: connect to ") && line.ends_with(": Connection reset by peer")
    });
    let stderr = outcome.response.stderr_excerpt();
    let is_on_the_way = !stderr.is_empty() && !stderr.contains("exchange_identification: ");
    was_reset || (is_connected && !logged("debug1: Remote protocol version ") && !is_on_the_way)
}

/// Returns what the host wrote instead of its version, on one line and in quotes. ssh logs such
/// lines only for debugging, since 8.0 with a number.
fn greeting(log: &str) -> Option<String> {
    let lines = log.lines().filter_map(|line| line.strip_prefix(DEBUG));
    let said: Vec<&str> = lines.filter_map(greeting_line).collect();
    (!said.is_empty()).then(|| quoted(said.join(" / ").as_bytes()))
}

/// Returns the host's part of such a line.
fn greeting_line(line: &str) -> Option<&str> {
    let numbered = line.strip_prefix("kex_exchange_identification: banner line ");
    let numbered = numbered.and_then(|rest| Some(rest.split_once(": ")?.1));
    numbered.or_else(|| line.strip_prefix("ssh_exchange_identification: "))
}

/// Returns the lines of ssh's log without those for debugging.
fn messages(log: &str) -> impl Iterator<Item = &str> {
    log.lines().filter(|line| !line.trim().is_empty() && !line.starts_with(DEBUG))
}

fn ending(outcome: &SshOutcome) -> String {
    let how = outcome
        .exit_code()
        .map_or("ssh was killed".into(), |code| format!("ssh ended with exit code {code}"));
    let lines: Vec<&str> = messages(&outcome.log).collect();
    match lines.rchunks(2).next() {
        Some(last) => {
            format!("{how} and says, unverified: {}", quoted(last.join(" / ").as_bytes()))
        }
        None => how,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_the_host_wrote_in_the_log_of_any_ssh() {
        for (log, said) in [
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
            assert_eq!(greeting(log).as_deref(), Some(said), "{log}");
        }
        let reset = "debug1: kex_exchange_identification: write: Connection reset by peer";
        assert_eq!(greeting(reset), None);
    }
}
