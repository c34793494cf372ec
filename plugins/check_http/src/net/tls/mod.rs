//! What the two TLS libraries have in common. `rustls` is fast and strict, `openssl` talks to
//! everything.

pub mod ca_bundle;
#[cfg(feature = "openssl-tls")]
pub mod openssl;
pub mod pem;
#[cfg(feature = "rustls")]
pub mod rustls;

use crate::fault::Fault;
use crate::net::socket::{Socket, Stream};
use crate::spec::TlsWish;

/// A TLS connection.
#[derive(Debug)]
pub struct Secured {
    /// What is said over it.
    pub stream: Box<dyn Stream>,
    /// The certificates the peer sent, in DER, its own first.
    pub chain: Vec<Vec<u8>>,
    /// Version and cipher, for -v.
    pub agreed: String,
}

/// Shakes hands on a socket; the name is what SNI says, if anything.
pub type Handshake = fn(Socket, &TlsWish, Option<&str>) -> Result<Secured, Fault>;
