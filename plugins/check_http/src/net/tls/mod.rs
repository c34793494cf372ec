//! TLS with one of two libraries: `rustls`, which is fast and strict, or `openssl`, which accepts
//! legacy peers.

pub mod ca_bundle;
#[cfg(feature = "openssl-tls")]
pub mod openssl;
pub mod pem;
pub mod pin;
#[cfg(feature = "rustls")]
pub mod rustls;

use crate::fault::Fault;
use crate::http::connection::stream::ByteStream;
use crate::net::socket::Socket;
use pem::PemFile;
use pin::PublicKeyPin;

/// A TLS version. SSL 2 and 3 are not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    V1_0,
    V1_1,
    V1_2,
    V1_3,
}

/// TLS settings of a check.
#[derive(Debug, Default)]
pub struct TlsSpec {
    /// Oldest allowed version, or `None` for no limit.
    pub oldest: Option<TlsVersion>,
    /// Newest allowed version, or `None` for no limit.
    pub newest: Option<TlsVersion>,
    /// Whether to send the host name in the handshake (SNI).
    pub sni: bool,
    /// Client certificate and its private key.
    pub client: Option<(PemFile, PemFile)>,
    /// File whose first line is the passphrase of the private key.
    pub passphrase: Option<PemFile>,
    /// CA certificates to verify the server's certificate against, or `None` to accept every
    /// issuer.
    pub ca_bundle: Option<PemFile>,
    /// Whether to verify the names in the certificate even if there is no `ca_bundle`.
    pub verify_host: bool,
    /// Public keys that the server may have. Empty if every key is accepted.
    pub pins: Vec<PublicKeyPin>,
}

impl TlsSpec {
    /// Whether the server's certificate must be valid for the name or the address of the server.
    pub fn verifies_name(&self) -> bool {
        self.verify_host || self.ca_bundle.is_some()
    }

    /// Whether the server must prove its identity. In that case, weak encryption is not acceptable.
    #[cfg(feature = "openssl-tls")]
    pub fn authenticates_server(&self) -> bool {
        self.ca_bundle.is_some() || !self.pins.is_empty()
    }
}

/// A TLS connection after its handshake.
#[derive(Debug)]
pub struct TlsConnection {
    /// Stream that encrypts what is written and decrypts what is read.
    pub stream: Box<dyn ByteStream>,
    /// Certificate chain in DER, which starts with the peer's own certificate.
    pub chain: Vec<Vec<u8>>,
    /// Negotiated TLS version and cipher, for -v.
    pub agreed: String,
}

/// Function that performs a TLS handshake on a socket. The last argument is the host name for SNI
/// and verification.
pub type Handshake = fn(Socket, &TlsSpec, Option<&str>) -> Result<TlsConnection, Fault>;
