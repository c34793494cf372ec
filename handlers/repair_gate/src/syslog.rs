//! Logs one line to syslog for each request, with the client's address. Ignores errors, because
//! repairs must work without a syslog daemon, and never waits for a slow syslog daemon.

use std::net::IpAddr;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::output::clean;

/// RFC 3164 priorities: facility authpriv (10) * 8 + severity.
const INFO: u8 = 86;
const WARNING: u8 = 84;

/// Logs a request that was answered.
pub(crate) fn info(text: &str) {
    send(Path::new("/dev/log"), INFO, text);
}

/// Logs a refusal or an error.
pub(crate) fn warn(text: &str) {
    send(Path::new("/dev/log"), WARNING, text);
}

fn send(log: &Path, priority: u8, text: &str) {
    let line = format!("<{priority}>repair_gate[{}]: {}", std::process::id(), clean(text, 900));
    let Ok(socket) = UnixDatagram::unbound() else { return };
    if socket.set_nonblocking(true).is_ok() {
        let _ = socket.send_to(line.as_bytes(), log);
    }
}

/// Returns the client's address from SSH_CONNECTION, for the log only. The variable contains the
/// client's address and port, followed by the server's, see ssh(1).
pub(crate) fn peer(connection: Option<&str>) -> String {
    let first = connection.unwrap_or_default().split(' ').next().unwrap_or_default();
    let (address, _zone) = first.split_once('%').unwrap_or((first, ""));
    address.parse::<IpAddr>().map_or("unknown".to_owned(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_line_without_control_characters() {
        let dir = tempfile::tempdir().unwrap();
        let log = UnixDatagram::bind(dir.path().join("log")).unwrap();
        send(&dir.path().join("log"), WARNING, "a\nb\x1b[1m");
        let mut line = [0; 200];
        let n = log.recv(&mut line).unwrap();
        let expected = format!("<84>repair_gate[{}]: a b?[1m", std::process::id());
        assert_eq!(String::from_utf8_lossy(&line[..n]), expected);
    }

    #[test]
    fn does_not_wait_for_syslog_daemon_that_does_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let _deaf = UnixDatagram::bind(dir.path().join("log")).unwrap();
        (0..5000).for_each(|_| send(&dir.path().join("log"), INFO, "line"));
        send(&dir.path().join("nowhere"), INFO, "line");
    }

    #[test]
    fn peer_is_an_address_or_unknown() {
        assert_eq!(peer(Some("192.0.2.1 50000 192.0.2.2 22")), "192.0.2.1");
        assert_eq!(peer(Some("fe80::1%eth0 50000 fe80::2 22")), "fe80::1");
        for odd in [None, Some(""), Some("x\n1 2 3"), Some("$(id) 1 2 3")] {
            assert_eq!(peer(odd), "unknown");
        }
    }
}
