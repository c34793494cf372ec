//! Reasons why there is no response. [`Fault::OutOfResources`] and [`Fault::File`] are problems on
//! this machine and say nothing about the server. All other faults are treated as results of the
//! check.

use rustix::io::Errno;

use crate::deadline::TimedOut;

/// Why a request got no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The time limit passed before the response was complete.
    Timeout,
    /// The name lookup failed or found no usable address. Holds the message.
    Name(&'static str),
    /// None of the host's addresses accepted a connection. Holds the reason for the last failure.
    Connect(String),
    /// This process or machine has run out of file descriptors or memory, so the server could not
    /// be contacted.
    OutOfResources(String),
    /// The TLS handshake failed.
    Tls(TlsFault),
    /// The server's certificate failed the verification that the user requested.
    Untrusted(TlsFault),
    /// The client certificate or its key is unusable. Holds the message that monitoring-plugins
    /// prints.
    ClientCertificate(&'static str),
    /// A file named on the command line is unusable. Holds the message.
    File(String),
    /// The connection ended before the first byte of a response.
    NoData,
    /// Reading failed before the first byte of a response. Holds the reason.
    Receive(String),
    /// The response exceeds a limit. Holds the message, which names the limit.
    LimitExceeded(&'static str),
}

/// Why a TLS handshake failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFault {
    /// Reason given by the TLS library.
    pub why: String,
    /// Whether OpenSSL may be able to connect to this peer.
    pub openssl_may_help: bool,
}

/// Message for a peer that does not speak TLS.
pub const NOT_TLS: &str = "the server does not speak TLS on this port";
/// Message for a server that does not know the host name, or to which no host name was sent.
pub const UNRECOGNIZED_NAME: &str = "unrecognized name";

/// Whether `why` means that this process or machine ran out of a resource.
pub fn is_shortage(why: Errno) -> bool {
    matches!(why, Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)
}

impl Fault {
    /// Fault for a private key that does not belong to the client certificate.
    pub const KEY_MISMATCH: Fault =
        Fault::ClientCertificate("Private key does not seem to match certificate!");

    /// Adds a suggestion to use --sni if the handshake failed in the way that is typical of servers
    /// that need the host name.
    pub fn suggest_sni(self) -> Fault {
        // Texts in which rustls and OpenSSL report the TLS alerts 112 and 40 (RFC 8446, section
        // 6.2).
        const NAME_NEEDED: [&str; 3] =
            [UNRECOGNIZED_NAME, "HandshakeFailure", "alert handshake failure"];
        match self {
            Fault::Tls(TlsFault { mut why, openssl_may_help })
                if NAME_NEEDED.iter().any(|words| why.contains(words)) =>
            {
                why.push_str(" (try --sni)");
                Fault::Tls(TlsFault { why, openssl_may_help })
            }
            other => other,
        }
    }

    /// Retries with OpenSSL if that might help. `exec` replaces this process with
    /// check_http_openssl. If that fails, `exec` returns the reason, which is added to the message
    /// of a failed handshake.
    pub fn retry_with_openssl(self, exec: impl FnOnce() -> String) -> Fault {
        match self {
            Fault::Tls(tls) if tls.openssl_may_help => {
                let why = format!("{} ({})", tls.why, exec());
                Fault::Tls(TlsFault { why, openssl_may_help: false })
            }
            Fault::Untrusted(tls) if tls.openssl_may_help => {
                // Ignore the reason why check_http_openssl did not start. The message from rustls
                // is complete without it.
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
