//! Logs to syslog in the format of RFC 3164, which `/dev/log` reads. A repair in the background
//! thus leaves a trace that does not depend on the ledger.

use std::os::unix::net::UnixDatagram;

use plugin_kit::clean;

/// Facility daemon (3), severity notice (5).
const PRIORITY: u8 = 3 * 8 + 5;

/// Logs one line. Ignores errors: without a syslog daemon the line is lost.
pub fn log(line: &str) {
    let message = format!("<{PRIORITY}>nagios-selfheal[{}]: {}", std::process::id(), clean(line));
    let _ = UnixDatagram::unbound().and_then(|socket| {
        socket.set_nonblocking(true)?;
        socket.send_to(message.as_bytes(), "/dev/log")
    });
}
