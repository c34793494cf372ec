//! Through a bastion: a tunnel (RFC 4254, 7.2, direct-tcpip) in a session of its own, whose host
//! key is checked like any other. The bastion sees only the encrypted conversation with the host
//! behind it.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use ssh2::Channel;

use super::SshTarget;
use super::connection::{Wire, code};
use super::relay::Far;
use super::session::log_in;
use crate::deadline::Clock;
use crate::{Error, Phase};

/// What a bastion may send in all, which is what the host behind it may, several times over.
const MOST: usize = 256 * 1024 * 1024;

/// A channel through a bastion, with the session it belongs to.
pub(super) struct Tunnel {
    channel: Channel,
    wire: Wire,
}

/// A connection to the target's address as the bastion sees it.
pub(super) fn connect(
    clock: &Clock,
    bastion: &SshTarget,
    target: &SshTarget,
) -> Result<Tunnel, Error> {
    let mut wire = log_in(bastion, Clock::new(&bastion.host, clock.deadline()))?;
    let opened = wire.drive(Phase::Connect, |session| {
        session.channel_direct_tcpip(&target.address, target.port, None)
    })?;
    let channel = opened.map_err(|e| match e.number {
        code::CHANNEL_FAILURE => {
            let tries = format!("{} through {}: {e}", target.place(), bastion.host);
            Error::Connect { host: target.host.clone(), tries }
        }
        _ => wire.error(Phase::Connect, &e),
    })?;
    // From here on the target's own watchdog ends the tunnel, by shutting its side.
    wire.rest();
    wire.allow(MOST);
    Ok(Tunnel { channel, wire })
}

impl Read for Tunnel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.channel.read(buffer)
    }
}

impl Write for Tunnel {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.channel.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Far for Tunnel {
    fn fd(&self) -> BorrowedFd<'_> {
        self.wire.link().as_fd()
    }

    fn idle(&self) {
        let _ = self.wire.session.keepalive_send();
    }
}
