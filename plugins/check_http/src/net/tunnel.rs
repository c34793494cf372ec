//! Opens tunnels through a proxy with CONNECT (RFC 9110, section 9.3.6).

use std::io::{ErrorKind, Read, Write};

use super::socket::Socket;
use crate::fault::{Fault, TlsFault};
use crate::http::request::{RequestSpec, build_connect};
use crate::http::response::{ResponseHead, head_end};
use crate::http::target::HttpTarget;
use crate::text;

/// Maximum size of the header in a proxy's response, in bytes.
const MAX_HEADER: usize = 64 << 10;

/// Requests a tunnel to `target` from the proxy at the other end of `socket`.
pub fn open(socket: &mut Socket, request: &RequestSpec, target: &HttpTarget) -> Result<(), Fault> {
    socket.write_all(&build_connect(request, target)).map_err(|why| interrupted(&why))?;
    let mut response = Vec::new();
    // Read byte by byte and stop at the blank line, because the bytes after it come from the
    // target.
    let mut byte = [0];
    while head_end(&response, response.len().saturating_sub(4)).is_none() {
        match socket.read(&mut byte) {
            Ok(0) => break,
            Ok(_) if response.len() < MAX_HEADER => response.extend_from_slice(&byte),
            Ok(_) => return Err(refused("the header of the proxy's response is too large")),
            Err(why) => return Err(interrupted(&why)),
        }
    }
    let head = ResponseHead::new(&response);
    match head.code() {
        Some(200..300) => Ok(()),
        _ if response.is_empty() => Err(refused("the proxy closed the connection")),
        _ => Err(refused(&text::decode(&head.status_line))),
    }
}

fn interrupted(why: &std::io::Error) -> Fault {
    if why.kind() == ErrorKind::TimedOut { Fault::Timeout } else { refused(&text::io_error(why)) }
}

/// Returns the fault for a tunnel that the proxy refused. The result is the same as for a failed
/// TLS handshake, as in monitoring-plugins, but the message also contains the proxy's reason.
fn refused(why: &str) -> Fault {
    Fault::Tls(TlsFault {
        why: format!("the proxy refused CONNECT: {why}"),
        openssl_may_help: false,
    })
}
