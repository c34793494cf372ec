//! Through a bastion: a tunnel (RFC 4254, 7.2, direct-tcpip) in a session of its own, whose host key is checked like any
//! other. The bastion sees only the encrypted conversation with the host behind it.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ssh2::Channel;

use super::SshTarget;
use super::deadline::Clock;
use super::io::{Wire, code};
use super::session::log_in;
use crate::{Error, Phase};

/// How often an idle tunnel looks whether a keepalive is due.
const TICK: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// A connection to the target's address as the bastion sees it.
pub(crate) fn connect(clock: &Clock, bastion: &SshTarget, target: &SshTarget) -> Result<UnixStream, Error> {
    let mut wire = log_in(bastion, Clock::new(&bastion.host, clock.deadline()))?;
    let opened = wire.drive(Phase::Connect, |session| session.channel_direct_tcpip(&target.address, target.port, None))?;
    let channel = opened.map_err(|e| match e.number {
        code::CHANNEL_FAILURE => {
            let tries = format!("{} through {}: {e}", target.place(), bastion.host);
            Error::Connect { host: target.host.clone(), tries }
        }
        _ => wire.error(Phase::Connect, &e),
    })?;
    // From here on the target's own watchdog ends the tunnel, by shutting its side.
    wire.rest();
    let failed = |e: std::io::Error| Error::Local { why: format!("no tunnel through {}: {e}", bastion.host) };
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    ours.set_nonblocking(true).and_then(|()| theirs.set_nonblocking(true)).map_err(failed)?;
    thread::Builder::new().name("ssh-via".into()).spawn(move || Pump::new(wire, channel, theirs).run()).map_err(failed)?;
    Ok(ours)
}

/// Carries bytes both ways until either side ends. What one side does not take is held, and no more is read for it.
struct Pump {
    channel: Channel,
    wire: Wire,
    socket: UnixStream,
    up: Vec<u8>,
    down: Vec<u8>,
    buffer: Vec<u8>,
}

impl Pump {
    fn new(wire: Wire, channel: Channel, socket: UnixStream) -> Pump {
        Pump { channel, wire, socket, up: Vec::new(), down: Vec::new(), buffer: vec![0; 32 * 1024] }
    }

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
            moved |= read(&mut self.socket, &mut self.buffer, &mut self.up)?;
        }
        if self.down.is_empty() {
            moved |= read(&mut self.channel, &mut self.buffer, &mut self.down)?;
        }
        moved |= write(&mut self.channel, &mut self.up)?;
        moved |= write(&mut self.socket, &mut self.down)?;
        Some(moved)
    }

    fn wait(&self) -> bool {
        let when = |condition: bool, flag: PollFlags| if condition { flag } else { PollFlags::empty() };
        let link = self.wire.link();
        link.quickack();
        let far = PollFlags::IN | when(!self.up.is_empty(), PollFlags::OUT);
        let near = when(self.up.is_empty(), PollFlags::IN) | when(!self.down.is_empty(), PollFlags::OUT);
        let mut watched = [PollFd::from_borrowed_fd(link.as_fd(), far), PollFd::new(&self.socket, near)];
        match poll(&mut watched, Some(&TICK)) {
            Ok(0) => {
                let _ = self.wire.session.keepalive_send();
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
