//! A way through a proxy: CONNECT (RFC 9110, section 9.3.6), and what the proxy says to it.

use std::io::{ErrorKind, Read, Write};

use crate::fault::{Fault, TlsFault};
use crate::http::request;
use crate::http::response::{Head, head_end};
use crate::http::target::Place;
use crate::net::socket::Socket;
use crate::spec::Request;

/// A proxy that says more than this before its blank line has lost its mind.
const MAX_ANSWER: usize = 64 << 10;

/// Has the proxy at the other end of `socket` connect to `place`.
pub fn open(socket: &mut Socket, request: &Request, place: &Place) -> Result<(), Fault> {
    socket.write_all(&request::connect(request, place)).map_err(|why| broken(&why))?;
    let mut answer = Vec::new();
    // Byte by byte: what follows the blank line is the other side's, and the first bytes of TLS are
    // ours to send.
    let mut byte = [0];
    while head_end(&answer, answer.len().saturating_sub(4)).is_none() {
        match socket.read(&mut byte) {
            Ok(0) => break,
            Ok(_) if answer.len() < MAX_ANSWER => answer.extend_from_slice(&byte),
            Ok(_) => return Err(refused("it never ends its answer")),
            Err(why) => return Err(broken(&why)),
        }
    }
    let head = Head::new(&answer);
    match head.code() {
        Some(200..300) => Ok(()),
        _ if answer.is_empty() => Err(refused("it closed the connection")),
        _ => Err(refused(&crate::text::of(&head.status_line))),
    }
}

fn broken(why: &std::io::Error) -> Fault {
    if why.kind() == ErrorKind::TimedOut {
        Fault::Timeout
    } else {
        refused(&crate::text::plain(why))
    }
}

/// In the words a refused tunnel has always had, and the proxy's own behind them.
fn refused(why: &str) -> Fault {
    Fault::Tls(TlsFault { why: format!("the proxy refused CONNECT: {why}"), worth_openssl: false })
}
