//! TCP and Unix sockets that never block beyond the deadline.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    self, AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt,
};

use crate::deadline::Deadline;
use crate::fault::{Fault, is_shortage};
use crate::http::connection::stream::ByteStream;
use crate::text;

/// How long to wait for a connection before the next address is tried in parallel (RFC 8305,
/// section 8).
const HEAD_START: Duration = Duration::from_millis(250);

/// A connected socket with a deadline.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    deadline: Deadline,
}

impl ByteStream for Socket {}

impl Socket {
    /// Tries to connect to `addresses` in turn, and returns the first connection that succeeds.
    /// Each attempt starts a short time after the previous one, or as soon as an attempt fails.
    /// `source` is the local address to connect from.
    pub fn connect_any(
        addresses: &[SocketAddr],
        source: Option<IpAddr>,
        deadline: &Deadline,
    ) -> Result<Socket, Fault> {
        let mut waiting = alternate(addresses).into_iter();
        let mut pending: Vec<OwnedFd> = Vec::new();
        let mut last_error = Errno::HOSTUNREACH;
        let mut next_start = Instant::now();
        loop {
            while pending.is_empty() || Instant::now() >= next_start {
                let Some(address) = waiting.next() else { break };
                match start(&address, source) {
                    Ok(fd) => pending.push(fd),
                    Err(why) => last_error = why,
                }
                next_start = Instant::now() + HEAD_START;
            }
            if pending.is_empty() {
                return Err(unconnected(last_error));
            }
            let until_next =
                (waiting.len() > 0).then(|| next_start.saturating_duration_since(Instant::now()));
            let limit = [deadline.left()?, until_next].into_iter().flatten().min();
            let ready = wait(&pending, PollFlags::OUT, limit).map_err(unconnected)?;
            if let Some(at) = ready {
                let fd = pending.swap_remove(at);
                match sockopt::socket_error(&fd).unwrap_or_else(Err) {
                    Ok(()) => return Ok(Socket { fd, deadline: *deadline }),
                    Err(why) => {
                        last_error = why;
                        next_start = Instant::now();
                    }
                }
            }
        }
    }

    /// Connects to the Unix socket at `path`.
    pub fn connect_path(path: &str, deadline: &Deadline) -> Result<Socket, Fault> {
        let left = deadline.left()?;
        let connect = || {
            let address = SocketAddrUnix::new(path)?;
            let fd = net::socket_with(
                AddressFamily::UNIX,
                SocketType::STREAM,
                SocketFlags::CLOEXEC,
                None,
            )?;
            // Limit how long connect waits while the server's queue is full (unix(7)). poll(2)
            // cannot limit this wait, because it does not report when the queue has space again.
            sockopt::set_socket_timeout(&fd, sockopt::Timeout::Send, left)?;
            net::connect(&fd, &address)?;
            rustix::io::ioctl_fionbio(&fd, true)?;
            Ok(Socket { fd, deadline: *deadline })
        };
        connect().map_err(|why| if why == Errno::AGAIN { Fault::Timeout } else { unconnected(why) })
    }

    /// Returns the PROXY protocol line (version 1) that servers behind HAProxy expect.
    pub fn proxy_line(&self) -> String {
        let end = |address: Result<net::SocketAddrAny, Errno>| {
            address.ok().and_then(|end| SocketAddr::try_from(end).ok())
        };
        match (
            end(net::getsockname(&self.fd)),
            end(net::getpeername(&self.fd).and_then(|end| end.ok_or(Errno::NOTCONN))),
        ) {
            (Some(us), Some(them)) => {
                let family = if us.is_ipv4() { "TCP4" } else { "TCP6" };
                let (from, to) = (us.port(), them.port());
                format!("PROXY {family} {} {} {from} {to}\r\n", us.ip(), them.ip())
            }
            _ => "PROXY UNKNOWN\r\n".to_owned(),
        }
    }

    fn ready(&self, flags: PollFlags) -> io::Result<()> {
        while wait(std::slice::from_ref(&self.fd), flags, self.deadline.left()?)?.is_none() {}
        Ok(())
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.ready(PollFlags::IN)?;
        let (count, _) = net::recv(&self.fd, buffer, RecvFlags::empty())?;
        Ok(count)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match net::send(&self.fd, bytes, SendFlags::NOSIGNAL) {
                Err(Errno::AGAIN) => self.ready(PollFlags::OUT)?,
                result => return Ok(result?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts to connect to `address`. When the socket becomes writable, its SO_ERROR option holds the
/// result.
fn start(address: &SocketAddr, source: Option<IpAddr>) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = net::socket_with(family, SocketType::STREAM, flags, None)?;
    // Disable Nagle's algorithm. Otherwise every small write could wait 40 ms for the peer's
    // delayed acknowledgement.
    sockopt::set_tcp_nodelay(&fd, true)?;
    if let Some(source) = source {
        net::bind(&fd, &SocketAddr::new(source, 0))?;
    }
    match net::connect(&fd, address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(fd),
        Err(why) => Err(why),
    }
}

/// Waits until one of `fds` is ready and returns its index. Returns `None` if the time limit
/// passes or a signal interrupts the wait.
fn wait(
    fds: &[OwnedFd],
    flags: PollFlags,
    limit: Option<Duration>,
) -> Result<Option<usize>, Errno> {
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().map(|fd| PollFd::from_borrowed_fd(fd.as_fd(), flags)).collect();
    // Treat a limit that overflows a timespec as no limit.
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    match poll(&mut polled, limit.as_ref()) {
        Err(Errno::INTR) => Ok(None),
        result => result.map(|_| polled.iter().position(|fd| !fd.revents().is_empty())),
    }
}

/// Alternates IPv6 and IPv4 addresses, starting with the family that the system prefers (RFC 8305,
/// section 4).
fn alternate(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return Vec::new() };
    let (same, other): (Vec<_>, Vec<_>) =
        addresses.iter().partition(|address| address.is_ipv4() == first.is_ipv4());
    let mut other = other.into_iter();
    let mut mixed: Vec<SocketAddr> =
        same.into_iter().flat_map(|address| std::iter::once(address).chain(other.next())).collect();
    mixed.extend(other);
    mixed
}

/// Returns the fault for a failed connect. If this machine ran out of resources, the failure says
/// nothing about the server.
fn unconnected(why: Errno) -> Fault {
    if is_shortage(why) {
        Fault::OutOfResources(glibc_text(why))
    } else {
        Fault::Connect(glibc_text(why))
    }
}

/// Returns glibc's message for an error. Existing notifications and filters rely on these messages,
/// and those of musl are different.
fn glibc_text(why: Errno) -> String {
    let known = match why {
        Errno::CONNREFUSED => "Connection refused",
        Errno::HOSTUNREACH => "No route to host",
        Errno::NETUNREACH => "Network is unreachable",
        Errno::TIMEDOUT => "Connection timed out",
        Errno::CONNRESET => "Connection reset by peer",
        Errno::ACCESS => "Permission denied",
        Errno::PERM => "Operation not permitted",
        Errno::NOENT => "No such file or directory",
        Errno::ADDRNOTAVAIL => "Cannot assign requested address",
        Errno::AFNOSUPPORT => "Address family not supported by protocol",
        Errno::MFILE => "Too many open files",
        Errno::NAMETOOLONG => "File name too long",
        _ => return text::io_error(&why.into()),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn deadline(limit: Duration) -> Deadline {
        Deadline::start(Instant::now(), Duration::ZERO, Some(limit))
    }

    #[test]
    fn reports_lack_of_resources_as_unknown() {
        assert_eq!(unconnected(Errno::MFILE), Fault::OutOfResources("Too many open files".into()));
        assert_eq!(unconnected(Errno::CONNREFUSED), Fault::Connect("Connection refused".into()));
    }

    #[test]
    fn alternates_address_families() {
        let of = |texts: &[&str]| {
            texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>()
        };
        let mixed = alternate(&of(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "2.2.2.2:1", "3.3.3.3:1"]));
        assert_eq!(mixed, of(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "3.3.3.3:1"]));
    }

    #[test]
    fn tries_the_next_address_after_a_refusal() {
        let closed = "127.0.0.1:1".parse().unwrap();
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let addresses = [closed, server.local_addr().unwrap()];
        assert!(Socket::connect_any(&addresses, None, &deadline(Duration::from_secs(5))).is_ok());
        let refused = Socket::connect_any(&[closed], None, &deadline(Duration::from_secs(5)));
        assert_eq!(refused.err(), Some(Fault::Connect("Connection refused".into())));
    }

    #[test]
    fn read_from_silent_peer_times_out() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let deadline = deadline(Duration::from_secs(1));
        let mut socket =
            Socket::connect_any(&[server.local_addr().unwrap()], None, &deadline).unwrap();
        let error = socket.read(&mut [0; 10]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(deadline.elapsed() < Duration::from_secs(50));
    }
}
