//! Between libssh2 and the network: carries bytes both ways, and counts those that come.
//!
//! libssh2 keeps every packet it does not know for later, and reads as long as there is something
//! to read: without a limit any host could fill this machine's memory, even before it has proved
//! who it is.

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
use crate::Error;

/// How often an idle carrier looks after its far end.
const TICK: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// The end the host is at: TCP, or a channel through a bastion.
pub(super) trait Far: Read + Write + Send + 'static {
    /// What is polled.
    fn fd(&self) -> BorrowedFd<'_>;
    /// Called before each wait.
    fn before_wait(&self) {}
    /// Called when nothing has happened for a while.
    fn idle(&self) {}
}

impl Far for TcpStream {
    fn fd(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    /// Nagle's algorithm at the host and our delayed acknowledgement would stall each other for 40
    /// ms. The kernel forgets this after a while (tcp(7)), so it is said each time.
    fn before_wait(&self) {
        let _ = sockopt::set_tcp_quickack(self, true);
    }
}

/// How many bytes a host may still send, and how it began; shared with whoever decides.
#[derive(Clone, Default)]
pub(super) struct Intake(Arc<(AtomicUsize, Mutex<Vec<u8>>)>);

impl Intake {
    /// From now on so many, whatever was left.
    pub(super) fn allow(&self, bytes: usize) {
        self.0.0.store(bytes, Ordering::Relaxed);
    }

    /// Whether the host has sent all it may.
    pub(super) fn spent(&self) -> bool {
        self.0.0.load(Ordering::Relaxed) == 0
    }

    /// The first bytes the host sent.
    pub(super) fn head(&self) -> Vec<u8> {
        self.0.1.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, bytes: &[u8]) {
        let rest = |left: usize| Some(left.saturating_sub(bytes.len()));
        let _ = self.0.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        let mut head = self.0.1.lock().unwrap_or_else(PoisonError::into_inner);
        let room = HEAD.saturating_sub(head.len()).min(bytes.len());
        head.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }
}

/// A socket that leads to `far` until it is shut, the host ends, or has sent more than it is
/// allowed.
pub(super) fn start(far: impl Far, intake: &Intake) -> Result<UnixStream, Error> {
    let failed = |e: io::Error| Error::Local {
        why: format!("no socket or thread to carry the connection: {e}"),
    };
    let (ours, near) = UnixStream::pair().map_err(failed)?;
    ours.set_nonblocking(true).and_then(|()| near.set_nonblocking(true)).map_err(failed)?;
    let (up, down, buffer, intake) = (Vec::new(), Vec::new(), vec![0; 32 * 1024], intake.clone());
    let pump = Pump { far, near, up, down, buffer, intake };
    let builder = thread::Builder::new().name("ssh-carrier".into()).stack_size(256 * 1024);
    builder.spawn(move || pump.run()).map_err(failed)?;
    Ok(ours)
}

/// What one side does not take is held, and no more is read for it.
struct Pump<F> {
    far: F,
    near: UnixStream,
    up: Vec<u8>,
    down: Vec<u8>,
    buffer: Vec<u8>,
    intake: Intake,
}

impl<F: Far> Pump<F> {
    fn run(mut self) {
        while let Some(moved) = self.step() {
            if !moved && !self.wait() {
                break;
            }
        }
    }

    /// Moves what can be moved; none when it is over.
    fn step(&mut self) -> Option<bool> {
        let mut moved = false;
        if self.up.is_empty() {
            moved |= read(&mut self.near, &mut self.buffer, &mut self.up)?;
        }
        moved |= write(&mut self.far, &mut self.up)?;
        if self.down.is_empty() {
            moved |= read(&mut self.far, &mut self.buffer, &mut self.down)?;
            self.intake.take(&self.down);
            if self.intake.spent() {
                return None;
            }
        }
        moved |= write(&mut self.near, &mut self.down)?;
        Some(moved)
    }

    fn wait(&self) -> bool {
        let when =
            |condition: bool, flag: PollFlags| if condition { flag } else { PollFlags::empty() };
        self.far.before_wait();
        let far =
            when(self.down.is_empty(), PollFlags::IN) | when(!self.up.is_empty(), PollFlags::OUT);
        let near =
            when(self.up.is_empty(), PollFlags::IN) | when(!self.down.is_empty(), PollFlags::OUT);
        let mut watched =
            [PollFd::from_borrowed_fd(self.far.fd(), far), PollFd::new(&self.near, near)];
        match poll(&mut watched, Some(&TICK)) {
            Ok(0) => {
                self.far.idle();
                true
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => true,
            Err(_) => false,
        }
    }
}

/// Whether something came; none at the end.
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

/// Whether something was taken; none when nothing ever will be.
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

    fn carried(allowed: usize) -> (UnixStream, TcpStream, Intake) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        far.set_nonblocking(true).unwrap();
        let intake = Intake::default();
        intake.allow(allowed);
        let near = start(far, &intake).unwrap();
        near.set_nonblocking(false).unwrap();
        near.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        (near, listener.accept().unwrap().0, intake)
    }

    #[test]
    fn bytes_come_through_both_ways_and_so_does_the_end() {
        let (mut near, mut host, _) = carried(usize::MAX);
        let much: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        thread::scope(|scope| {
            let (mut from_near, mut from_host) =
                (near.try_clone().unwrap(), host.try_clone().unwrap());
            let much = &much;
            scope.spawn(move || from_near.write_all(much).unwrap());
            let mut heard = vec![0; much.len()];
            host.read_exact(&mut heard).unwrap();
            assert!(heard == *much);
            scope.spawn(move || from_host.write_all(much).unwrap());
            near.read_exact(&mut heard).unwrap();
            assert!(heard == *much);
        });
        near.shutdown(Shutdown::Both).unwrap();
        host.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(host.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_host_that_sends_more_than_it_may_is_hung_up_on() {
        let (mut near, mut host, intake) = carried(1000);
        host.write_all(&[1; 999]).unwrap();
        near.read_exact(&mut [0; 999]).unwrap();
        assert!(!intake.spent());
        host.write_all(&[1; 2]).unwrap();
        assert_eq!(near.read(&mut [0]).unwrap(), 0);
        assert!(intake.spent());
    }
}
