//! Relays bytes between libssh2 and the network and counts the received bytes.
//!
//! libssh2 stores every packet that it does not recognize, and keeps reading while bytes arrive.
//! Without a limit, any host could fill the memory of the Nagios server, even before its key is
//! checked.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt;

use super::kexinit::HEAD;
use crate::error::Error;

/// The relay calls [`Remote::idle`] after this time without activity.
const TICK: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// The remote end of a relay: a TCP connection, or a channel through a jump host.
pub(super) trait Remote: Read + Write + Send + 'static {
    /// Returns the descriptor to poll.
    fn fd(&self) -> BorrowedFd<'_>;
    /// Called by the relay before each wait for data.
    fn before_wait(&self) {}
    /// Called by the relay after each [`TICK`] without activity.
    fn idle(&self) {}
}

impl Remote for TcpStream {
    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    /// Enables quick acknowledgements. Otherwise Nagle's algorithm on the host and our delayed
    /// acknowledgements would stall each other for 40 ms. The option is not permanent (tcp(7)), so
    /// it is set before each wait.
    fn before_wait(&self) {
        let _ = sockopt::set_tcp_quickack(self, true);
    }
}

/// How many bytes a host may still send, and the first bytes that it sent. The relay's thread and
/// the connection share this value.
#[derive(Clone, Default)]
pub(super) struct ReceiveLimit(Arc<(AtomicUsize, Mutex<Vec<u8>>)>);

impl ReceiveLimit {
    /// Sets how many bytes the host may still send.
    pub(super) fn allow(&self, bytes: usize) {
        self.0.0.store(bytes, Ordering::Relaxed);
    }

    /// Whether the host has used up its limit.
    pub(super) fn reached(&self) -> bool {
        self.0.0.load(Ordering::Relaxed) == 0
    }

    /// Returns the first bytes that the host sent, at most [`HEAD`].
    pub(super) fn head(&self) -> Vec<u8> {
        self.0.1.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, bytes: &[u8]) {
        let remaining = |left: usize| Some(left.saturating_sub(bytes.len()));
        let _ = self.0.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, remaining);
        let mut head = self.0.1.lock().unwrap_or_else(PoisonError::into_inner);
        let room = HEAD.saturating_sub(head.len()).min(bytes.len());
        head.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }
}

/// Starts a relay to `remote` and returns the local socket. The relay runs until one of the ends
/// closes or the limit is reached.
pub(super) fn start(remote: impl Remote, limit: &ReceiveLimit) -> Result<UnixStream, Error> {
    let failed = |e: io::Error| Error::Local {
        why: format!("cannot create a socket or thread for the connection: {e}"),
    };
    let (ours, local) = UnixStream::pair().map_err(failed)?;
    ours.set_nonblocking(true).and_then(|()| local.set_nonblocking(true)).map_err(failed)?;
    let (up, down, buffer, limit) = (Vec::new(), Vec::new(), vec![0; 32 * 1024], limit.clone());
    let relay = Relay { remote, local, up, down, buffer, limit };
    let builder = thread::Builder::new().name("ssh-relay".into()).stack_size(256 * 1024);
    builder.spawn(move || relay.run()).map_err(failed)?;
    Ok(ours)
}

/// Both ends of a relay, and the bytes in transit.
///
/// `up` holds bytes for the remote end, and `down` holds bytes for the local end. More is read from
/// one end only after the other end has accepted all bytes in transit.
struct Relay<R> {
    remote: R,
    local: UnixStream,
    up: Vec<u8>,
    down: Vec<u8>,
    buffer: Vec<u8>,
    limit: ReceiveLimit,
}

impl<R: Remote> Relay<R> {
    fn run(mut self) {
        while let Some(moved) = self.step() {
            if !moved && !self.wait() {
                break;
            }
        }
    }

    /// Moves bytes in both directions without blocking. Returns whether any were moved, or `None`
    /// if an end has closed or the limit is reached.
    fn step(&mut self) -> Option<bool> {
        let mut moved = false;
        if self.up.is_empty() {
            moved |= read(&mut self.local, &mut self.buffer, &mut self.up)?;
        }
        moved |= write(&mut self.remote, &mut self.up)?;
        if self.down.is_empty() {
            moved |= read(&mut self.remote, &mut self.buffer, &mut self.down)?;
            self.limit.count(&self.down);
            if self.limit.reached() {
                return None;
            }
        }
        moved |= write(&mut self.local, &mut self.down)?;
        Some(moved)
    }

    fn wait(&self) -> bool {
        let when =
            |condition: bool, flag: PollFlags| if condition { flag } else { PollFlags::empty() };
        self.remote.before_wait();
        let remote =
            when(self.down.is_empty(), PollFlags::IN) | when(!self.up.is_empty(), PollFlags::OUT);
        let local =
            when(self.up.is_empty(), PollFlags::IN) | when(!self.down.is_empty(), PollFlags::OUT);
        let mut watched =
            [PollFd::from_borrowed_fd(self.remote.fd(), remote), PollFd::new(&self.local, local)];
        match poll(&mut watched, Some(&TICK)) {
            Ok(0) => {
                self.remote.idle();
                true
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => true,
            Err(_) => false,
        }
    }
}

/// Appends available bytes to `into`. Returns whether there were any, or `None` if the stream has
/// ended.
fn read(from: &mut impl Read, buffer: &mut [u8], into: &mut Vec<u8>) -> Option<bool> {
    match from.read(buffer) {
        Ok(0) => None,
        Ok(n) => {
            into.extend_from_slice(buffer.get(..n)?);
            Some(true)
        }
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Some(false),
        Err(_) => None,
    }
}

/// Writes bytes from `from` and removes those that were written. Returns whether any were written,
/// or `None` if the other end has closed.
fn write(to: &mut impl Write, from: &mut Vec<u8>) -> Option<bool> {
    if from.is_empty() {
        return Some(false);
    }
    match to.write(from) {
        Ok(n) => {
            from.drain(..n);
            Some(n > 0)
        }
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Some(false),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener};
    use std::time::Duration;

    use super::*;

    fn relayed(allowed: usize) -> (UnixStream, TcpStream, ReceiveLimit) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let remote = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        remote.set_nonblocking(true).unwrap();
        let limit = ReceiveLimit::default();
        limit.allow(allowed);
        let local = start(remote, &limit).unwrap();
        local.set_nonblocking(false).unwrap();
        local.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        (local, listener.accept().unwrap().0, limit)
    }

    #[test]
    fn relays_bytes_and_close_in_both_directions() {
        let (mut local, mut host, _) = relayed(usize::MAX);
        let much: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        thread::scope(|scope| {
            let (mut from_local, mut from_host) =
                (local.try_clone().unwrap(), host.try_clone().unwrap());
            let much = &much;
            scope.spawn(move || from_local.write_all(much).unwrap());
            let mut received = vec![0; much.len()];
            host.read_exact(&mut received).unwrap();
            assert!(received == *much);
            scope.spawn(move || from_host.write_all(much).unwrap());
            local.read_exact(&mut received).unwrap();
            assert!(received == *much);
        });
        local.shutdown(Shutdown::Both).unwrap();
        host.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(host.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn closes_connection_of_host_that_sends_too_much() {
        let (mut local, mut host, limit) = relayed(1000);
        host.write_all(&[1; 999]).unwrap();
        local.read_exact(&mut [0; 999]).unwrap();
        assert!(!limit.reached());
        host.write_all(&[1; 2]).unwrap();
        assert_eq!(local.read(&mut [0]).unwrap(), 0);
        assert!(limit.reached());
    }
}
