//! Why no response came. Each fault but [`Fault::OutOfResources`] and [`Fault::File`] was observed
//! on the server, and so is a result.

use rustix::io::Errno;

use crate::deadline::TimedOut;

/// Why no response came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The time limit passed.
    Timeout,
    /// The name has no address.
    Name(&'static str),
    /// No address of the name accepted a connection; the reason of the last one.
    Connect(String),
    /// This process or machine is out of descriptors or memory: the server was not tried.
    OutOfResources(String),
    /// The TLS handshake failed.
    Tls(TlsFault),
    /// Verification was requested, and the certificate failed it.
    Untrusted(TlsFault),
    /// Our client certificate or its key is unusable; in monitoring-plugins' words.
    ClientCertificate(&'static str),
    /// A file that the command line names is unusable.
    File(String),
    /// The connection ended before the first byte.
    NoData,
    /// Reading failed before the first byte.
    Receive(String),
    /// The response exceeds a limit; the text says which.
    LimitExceeded(&'static str),
}

/// Why a TLS handshake failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFault {
    /// The library's reason.
    pub why: String,
    /// Whether OpenSSL may succeed with this peer.
    pub openssl_may_help: bool,
}

/// Whether this process or machine ran out of a resource.
pub fn is_shortage(why: Errno) -> bool {
    matches!(why, Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)
}

impl Fault {
    /// The private key does not belong to the client certificate.
    pub const KEY_MISMATCH: Fault =
        Fault::ClientCertificate("Private key does not seem to match certificate!");

    /// Retries with OpenSSL where that may help. `exec` replaces this process; it returns the
    /// reason only if it cannot, and the reason is added to a failed handshake.
    pub fn retry_with_openssl(self, exec: impl FnOnce() -> String) -> Fault {
        match self {
            Fault::Tls(tls) if tls.openssl_may_help => {
                let why = format!("{} ({})", tls.why, exec());
                Fault::Tls(TlsFault { why, openssl_may_help: false })
            }
            Fault::Untrusted(tls) if tls.openssl_may_help => {
                // A second opinion only: the first is complete without it.
                let _ = exec();
                Fault::Untrusted(tls)
            }
            other => other,
        }
    }
}

impl From<TimedOut> for Fault {
    fn from(_: TimedOut) -> Fault {
        Fault::Timeout
    }
}
