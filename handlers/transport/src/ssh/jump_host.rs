//! A tunnel through a jump host (direct-tcpip, RFC 4254, 7.2).
//!
//! The connection to the jump host is a separate SSH session. The jump host's key is checked like
//! any other host key. The jump host sees only encrypted traffic to and from the target host.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use policy_file::HostRoute;
use ssh2::Channel;

use super::connection::{Connection, code};
use super::relay::Remote;
use crate::error::{Error, Phase};
use crate::route::address_and_port;

/// Maximum number of bytes that a jump host may send. This is several times the limit for the
/// target host.
const TUNNEL_LIMIT: usize = 256 * 1024 * 1024;

/// A channel through a jump host, and the session that carries it.
pub(super) struct Tunnel {
    channel: Channel,
    jump_host: Connection,
}

impl Tunnel {
    /// Opens a channel through `jump_host`, which is already logged in, to the address of `route`.
    /// The jump host resolves that address.
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
        // Remove the deadline of the connection to the jump host. From now on, the watchdog of the
        // connection to the target host enforces the deadline. At the deadline, that watchdog shuts
        // down the socket of its connection, and then the tunnel ends as well.
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
