//! Opens a TCP connection before the deadline. If a name has several addresses, tries each of them.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt;

use crate::deadline::RequestDeadline;
use crate::error::{Error, Phase};

/// Tries the addresses of the host in turn and returns the first connection that succeeds.
pub(crate) fn connect(
    deadline: &RequestDeadline,
    address: &str,
    port: u16,
) -> Result<TcpStream, Error> {
    let all = addresses(deadline, address, port)?;
    let (mut tries, mut was_reset) = (Vec::new(), false);
    for (tried, address) in all.iter().enumerate() {
        let left = deadline.left(Phase::Connect)?;
        // Give each address an equal share of the time. Otherwise an address that drops packets
        // would use up all of it.
        let share = left / u32::try_from(all.len() - tried).unwrap_or(u32::MAX);
        match TcpStream::connect_timeout(address, share.max(Duration::from_millis(1))) {
            Ok(socket) => return prepared(socket),
            Err(e) => {
                was_reset |= e.kind() == ErrorKind::ConnectionReset;
                tries.push(format!("{address}: {e}"));
            }
        }
    }
    deadline.left(Phase::Connect)?;
    let (host, tries) = (deadline.host().into(), tries.join("; "));
    // A reset means that a program was listening on the port but turned us away.
    if was_reset {
        return Err(Error::TurnedAway { host, detail: tries });
    }
    Err(Error::Connect { host, tries })
}

/// Disables Nagle's algorithm and enables TCP keepalive, so that the kernel detects a dead link
/// even while no data is sent.
fn prepared(socket: TcpStream) -> Result<TcpStream, Error> {
    let failed =
        |e: std::io::Error| Error::Local { why: format!("cannot set socket options: {e}") };
    socket.set_nodelay(true).map_err(failed)?;
    socket.set_nonblocking(true).map_err(failed)?;
    // Ignore errors, because an old kernel may not support these options. A dead link is detected
    // in any case, because the SSH session has its own keepalive and deadline.
    let _ = sockopt::set_socket_keepalive(&socket, true);
    let _ = sockopt::set_tcp_keepidle(&socket, Duration::from_secs(15));
    let _ = sockopt::set_tcp_keepintvl(&socket, Duration::from_secs(10));
    let _ = sockopt::set_tcp_keepcnt(&socket, 3);
    Ok(socket)
}

fn addresses(
    deadline: &RequestDeadline,
    address: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(ip) = address.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, port)]);
    }
    let failed =
        |why: String| Error::Resolve { host: deadline.host().into(), address: address.into(), why };
    let (sender, receiver) = sync_channel(1);
    let name = address.to_owned();
    // getaddrinfo(3) has no timeout, so the lookup runs in a thread. If the lookup hangs, the
    // thread is abandoned.
    thread::Builder::new()
        .name("resolve".into())
        .spawn(move || sender.send((name.as_str(), port).to_socket_addrs().map(Vec::from_iter)))
        .map_err(|e| Error::Local {
            why: format!("cannot start a thread for the name lookup: {e}"),
        })?;
    match receiver.recv_timeout(deadline.left(Phase::Resolve)?) {
        Ok(Ok(found)) if found.is_empty() => Err(failed("the name has no address".into())),
        Ok(Ok(found)) => Ok(found),
        Ok(Err(e)) => Err(failed(e.to_string())),
        Err(RecvTimeoutError::Timeout) => Err(deadline.timeout(Phase::Resolve)),
        Err(RecvTimeoutError::Disconnected) => {
            Err(failed("the lookup ended without a result".into()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn deadline(limit: Duration) -> RequestDeadline {
        RequestDeadline::new("web1", Instant::now() + limit)
    }

    #[test]
    fn reports_unknown_name() {
        let error =
            connect(&deadline(Duration::from_secs(20)), "no-such-host.invalid", 22).unwrap_err();
        assert_eq!(error.code(), "resolve", "{error}");
        assert!(error.nothing_was_run());
    }

    #[test]
    fn names_address_of_closed_port() {
        let error = connect(&deadline(Duration::from_secs(5)), "127.0.0.1", 1).unwrap_err();
        assert_eq!(error.code(), "connect");
        assert!(error.to_string().contains("127.0.0.1:1:"), "{error}");
    }

    #[test]
    fn tries_every_address_of_a_name() {
        // On most systems localhost is ::1 and 127.0.0.1. The test listens only on 127.0.0.1, so
        // one of the addresses fails.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(connect(&deadline(Duration::from_secs(5)), "localhost", port).is_ok());
    }

    #[test]
    fn does_not_connect_after_the_deadline() {
        let past = RequestDeadline::new("web1", Instant::now());
        assert_eq!(connect(&past, "127.0.0.1", 22).unwrap_err().code(), "timeout");
    }
}
