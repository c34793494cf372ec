//! What a run of `ssh` means. Its exit code does not tell: 255 is a refused connection, an unknown host key, a remote
//! command that was killed, or one that exited with 255. Its own log does.

use crate::clock::Clock;
use crate::text::{clean, excerpt};
use crate::{Answer, Error, Phase, Request, SshTarget};

use super::run::Ran;

/// The answer, or the error that fits ssh's log.
pub(super) fn judge(mut ran: Ran, target: &SshTarget, request: &Request, clock: &Clock) -> Result<Answer, Error> {
    let phase = if logged_in(&ran.log) { request.phase() } else { Phase::Login };
    if ran.heard.answered() {
        return ran.heard.answer(&target.host, request, phase);
    }
    if ran.timed_out {
        return Err(clock.timeout(phase));
    }
    if phase == Phase::Login {
        return Err(before_login(&ran.log, &ran.heard.said(), target, clock));
    }
    if let Some(error) = after_login(&ran.log, target, phase) {
        return Err(error);
    }
    // ssh says this on stderr, where a host may say it too: either way nobody knows.
    if ran.status.and_then(|status| status.code()) == Some(255) && ran.heard.said().contains("closed by remote host") {
        return Err(Error::Cut { host: target.host.clone(), phase, detail: ran.heard.said() });
    }
    ran.heard.ending = ran.status.map(|status| match status.code() {
        Some(code) => format!("ssh ended with exit code {code}"),
        None => "ssh was killed".into(),
    });
    ran.heard.answer(&target.host, request, phase)
}

/// ssh says so at this log level, and only once a question may have been sent.
fn logged_in(log: &str) -> bool {
    log.lines().any(|line| line.starts_with("Authenticated to "))
}

fn before_login(log: &str, said: &str, target: &SshTarget, clock: &Clock) -> Error {
    let (host, address) = (target.host.clone(), target.place());
    let has = |words: &[&str]| words.iter().any(|word| log.contains(word));
    let last = excerpt(log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().as_bytes());
    if has(&["REVOKED HOST KEY", "revoked"]) {
        Error::HostKeyRevoked { host, place: target.files() }
    } else if has(&["REMOTE HOST IDENTIFICATION HAS CHANGED", "differs from the key for"]) {
        Error::HostKeyMismatch {
            host,
            address,
            presented: log.split_whitespace().find(|word| word.starts_with("SHA256:")).map_or("another one".into(), clean),
            recorded: "another key".into(),
            files: target.files(),
        }
    } else if has(&["Host key verification failed"]) {
        Error::HostKeyUnknown { host, files: target.files(), keyscan: target.keyscan() }
    } else if has(&["Permission denied", "Too many authentication failures"]) {
        let key = format!("key {}", target.key.display());
        Error::AuthRefused { host, address, user: target.user.clone(), key }
    } else if has(&["Could not resolve hostname"]) {
        Error::Resolve { host, address: target.address.clone(), why: last }
    } else if has(&["Unable to negotiate", "no matching"]) {
        Error::NoCommonAlgorithm { host, address, wanted: "those of ssh".into(), detail: last }
    } else if has(&["timed out"]) {
        clock.timeout(Phase::Connect)
    } else if has(&["Connection refused", "No route to host", "unreachable"]) {
        Error::Connect { host, tries: last }
    } else if log.trim().is_empty() {
        Error::Local { why: format!("ssh did not begin to connect; it says '{said}'") }
    } else {
        // A bastion's ssh writes to stderr.
        Error::Cut { host, phase: Phase::Login, detail: if said.is_empty() { last } else { format!("{last}; {said}") } }
    }
}

/// An error when the log says that the question was not taken or the connection ended; none when the command just ended.
fn after_login(log: &str, target: &SshTarget, phase: Phase) -> Option<Error> {
    let host = target.host.clone();
    let line = |words: &[&str]| log.lines().find(|line| words.iter().any(|word| line.contains(word))).map(clean);
    if let Some(detail) = line(&["open failed:"]) {
        return Some(Error::Denied { host, what: "a channel", detail });
    }
    if let Some(detail) = line(&["exec request failed"]) {
        return Some(Error::Denied { host, what: "the command", detail });
    }
    let cut = line(&["closed by remote host", "Broken pipe", "reset by peer", "not responding"]);
    cut.map(|detail| Error::Cut { host, phase, detail })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn each_of_sshs_complaints_is_its_own_error() {
        let target = SshTarget::new("web1", "192.0.2.1", "repair", "/key".into(), vec!["/known".into()]);
        let clock = Clock::new("web1", Instant::now() + Duration::from_secs(5));
        for (log, code) in [
            ("@    WARNING: REVOKED HOST KEY DETECTED!", "host-key-revoked"),
            ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.", "host-key-mismatch"),
            ("No ED25519 host key is known for x.\r\nHost key verification failed.\r\n", "host-key-unknown"),
            ("repair@192.0.2.1: Permission denied (publickey).\r\n", "auth-refused"),
            ("ssh: Could not resolve hostname x: Name or service not known\r\n", "resolve"),
            ("ssh: connect to host 192.0.2.1 port 22: Connection refused\r\n", "connect"),
            ("ssh: connect to host 192.0.2.1 port 22: Connection timed out\r\n", "timeout"),
            ("Unable to negotiate with 192.0.2.1 port 22: no matching host key type found.", "no-common-algorithm"),
            ("kex_exchange_identification: Connection closed by remote host\r\n", "cut"),
            ("", "local"),
        ] {
            let error = before_login(log, "", &target, &clock);
            assert_eq!(error.code(), code, "{log}");
            assert!(error.nothing_was_run() && !error.to_string().contains(char::is_control), "{error}");
        }
        let cut = after_login("Connection to 192.0.2.1 closed by remote host.\r\n", &target, Phase::Repair).unwrap();
        assert_eq!((cut.code(), cut.nothing_was_run()), ("cut", false));
        let normal = "Authenticated to 192.0.2.1 ([192.0.2.1]:22) using \"publickey\".\nTransferred: sent 1, received 2\n";
        assert_eq!(after_login(normal, &target, Phase::Repair), None);
    }
}
