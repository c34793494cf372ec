//! What a session runs over: a TCP connection, or a tunnel through another session.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::sockopt;

/// A connected, non-blocking socket.
pub(crate) enum Link {
    Tcp(TcpStream),
    Tunnel(UnixStream),
}

impl Link {
    /// A second handle on the same socket.
    pub(crate) fn handle(&self) -> io::Result<OwnedFd> {
        self.as_fd().try_clone_to_owned()
    }

    pub(crate) fn try_clone(&self) -> io::Result<Link> {
        match self {
            Link::Tcp(socket) => socket.try_clone().map(Link::Tcp),
            Link::Tunnel(socket) => socket.try_clone().map(Link::Tunnel),
        }
    }

    /// Ends all reading and writing, whoever is at it.
    pub(crate) fn shutdown(&self) {
        let _ = match self {
            Link::Tcp(socket) => socket.shutdown(Shutdown::Both),
            Link::Tunnel(socket) => socket.shutdown(Shutdown::Both),
        };
    }

    /// Nagle's algorithm at the host and our delayed acknowledgement would stall each other for 40 ms. The kernel forgets
    /// this after a while (tcp(7)), so it is said before each wait.
    pub(crate) fn quickack(&self) {
        if let Link::Tcp(socket) = self {
            let _ = sockopt::set_tcp_quickack(socket, true);
        }
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Link::Tcp(socket) => socket.as_fd(),
            Link::Tunnel(socket) => socket.as_fd(),
        }
    }
}
