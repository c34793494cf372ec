//! The stream of bytes that an exchange runs over.

use std::fmt::Debug;
use std::io::{Read, Write};

/// A connected stream of bytes: a socket, or TLS on one.
pub trait ByteStream: Read + Write + Send + Sync + Debug {
    /// Sends the protocol's closing message, if it has one. Errors are ignored: the peer may be
    /// gone.
    fn close(&mut self) {}
}
