//! The stream over which a request and its response are exchanged.

use std::fmt::Debug;
use std::io::{Read, Write};

use crate::fault::Fault;

/// A connected byte stream: a socket or a TLS connection.
pub trait ByteStream: Read + Write + Send + Sync + Debug {
    /// Sends the closing message of the protocol, if there is one. Ignores errors, because the peer
    /// may have closed the connection already.
    fn close(&mut self) {}

    /// Returns the fault to report if the connection ended before the first byte of a response.
    fn no_data(&self) -> Fault {
        Fault::NoData
    }
}
