//! TLS by one of two libraries: `rustls` is fast and strict, `openssl` accepts legacy peers.

pub mod ca_bundle;
#[cfg(feature = "openssl-tls")]
pub mod openssl;
pub mod pem;
#[cfg(feature = "rustls")]
pub mod rustls;

use crate::fault::Fault;
use crate::http::connection::stream::ByteStream;
use crate::net::socket::Socket;
use pem::PemFile;

/// A version of TLS. SSL 2 and 3 are not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.0
    V1_0,
    /// TLS 1.1
    V1_1,
    /// TLS 1.2
    V1_2,
    /// TLS 1.3
    V1_3,
}

/// How to use TLS.
#[derive(Debug, Default)]
pub struct TlsSpec {
    /// Oldest version allowed, if limited.
    pub oldest: Option<TlsVersion>,
    /// Newest version allowed, if limited.
    pub newest: Option<TlsVersion>,
    /// Whether the handshake names the host (SNI).
    pub sni: bool,
    /// Client certificate and key.
    pub client: Option<(PemFile, PemFile)>,
    /// Certificates of the authorities to verify against, if the server's certificate is verified.
    pub ca_bundle: Option<PemFile>,
}

/// A TLS connection.
#[derive(Debug)]
pub struct TlsConnection {
    /// The encrypted stream.
    pub stream: Box<dyn ByteStream>,
    /// The peer's certificates in DER, its own first.
    pub chain: Vec<Vec<u8>>,
    /// Version and cipher, for -v.
    pub agreed: String,
}

/// Performs a handshake on a socket. The name is for SNI and verification.
pub type Handshake = fn(Socket, &TlsSpec, Option<&str>) -> Result<TlsConnection, Fault>;
