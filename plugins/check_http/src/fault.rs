//! What can keep a page from coming. Each is something seen of the server, and so a verdict, not an error of ours.

use crate::clock::TimedOut;

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The limit of -t passed.
    Timeout,
    /// The name has no address.
    Name(&'static str),
    /// No address of the name takes a connection; why the last one did not.
    Connect(String),
    /// TLS could not be agreed on.
    Tls(TlsFault),
    /// The connection ended before the first byte.
    NoData,
    /// Reading failed before the first byte.
    Receive(String),
    /// There is more of something than any server needs; what and how much.
    Endless(&'static str),
}

/// Why TLS could not be agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFault {
    /// In the words of the library.
    pub why: String,
    /// Whether OpenSSL may come to terms with this peer.
    pub worth_openssl: bool,
}

impl From<TimedOut> for Fault {
    fn from(_: TimedOut) -> Fault {
        Fault::Timeout
    }
}
