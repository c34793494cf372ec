//! A tunnel through a jump host (RFC 4254, 7.2, direct-tcpip), in a session of its own, whose host
//! key is checked like any other. The jump host sees only the encrypted session with the host
//! behind it.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use policy_file::HostRoute;
use ssh2::Channel;

use super::connection::{Connection, code};
use super::relay::Remote;
use crate::error::{Error, Phase};
use crate::route::address_and_port;

/// The limit of bytes from a jump host: several times that of the host behind it.
const TUNNEL_LIMIT: usize = 256 * 1024 * 1024;

/// A channel through a jump host, with the session it belongs to.
pub(super) struct Tunnel {
    channel: Channel,
    jump_host: Connection,
}

impl Tunnel {
    /// Connects to the address of a route as the jump host sees it, which is logged in to.
    pub(super) fn open(mut jump_host: Connection, route: &HostRoute) -> Result<Tunnel, Error> {
        let opened = jump_host.drive(Phase::Connect, |session| {
            session.channel_direct_tcpip(&route.address, route.port, None)
        })?;
        let channel = opened.map_err(|e| match e.number {
            code::CHANNEL_FAILURE => {
                let through = jump_host.host();
                let tries = format!("{} through {through}: {e}", address_and_port(route));
                Error::Connect { host: route.host.clone(), tries }
            }
            _ => jump_host.error(Phase::Connect, &e),
        })?;
        // From now on the watchdog of the connection behind it ends the tunnel, by shutting its
        // side.
        jump_host.rest();
        jump_host.allow(TUNNEL_LIMIT);
        Ok(Tunnel { channel, jump_host })
    }
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

impl Remote for Tunnel {
    fn fd(&self) -> BorrowedFd<'_> {
        self.jump_host.socket().as_fd()
    }

    fn idle(&self) {
        let _ = self.jump_host.session.keepalive_send();
    }
}
