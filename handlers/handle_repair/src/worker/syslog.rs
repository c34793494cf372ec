//! Logs to syslog in RFC 3164 format, which `/dev/log` accepts, so that a repair in the background
//! leaves a trace even without the ledger.

use std::os::unix::net::UnixDatagram;

use plugin_kit::clean;

/// Facility daemon (3), severity notice (5).
const PRIORITY: u8 = 3 * 8 + 5;

/// Logs one line. Ignores errors, so the line is lost if there is no syslog daemon.
pub fn log(line: &str) {
    let message = format!("<{PRIORITY}>nagios-selfheal[{}]: {}", std::process::id(), clean(line));
    let _ = UnixDatagram::unbound().and_then(|socket| {
        socket.set_nonblocking(true)?;
        socket.send_to(message.as_bytes(), "/dev/log")
    });
}
