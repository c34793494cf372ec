//! What can keep a page from coming. Each but [`Fault::Starved`] is something seen of the server,
//! and so a verdict.

use rustix::io::Errno;

use crate::deadline::TimedOut;

/// Why there is no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The limit of -t passed.
    Timeout,
    /// The name has no address.
    Name(&'static str),
    /// No address of the name takes a connection; why the last one did not.
    Connect(String),
    /// This process or machine has no more descriptors or memory: nothing was seen of the server.
    Starved(String),
    /// TLS could not be agreed on.
    Tls(TlsFault),
    /// The certificate is not to be trusted, and that was asked.
    Untrusted(TlsFault),
    /// Our own certificate (-J) or its key (-K) is no use; in the words of the original.
    Client(&'static str),
    /// A file that the command line names cannot be used. No fault of the server's.
    File(String),
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

/// Whether it is this process, or this machine, that has no more of something.
pub fn is_shortage(why: Errno) -> bool {
    matches!(why, Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS)
}

impl Fault {
    /// The key of -K is not the one of -J.
    pub const OTHER_KEY: Fault = Fault::Client("Private key does not seem to match certificate!");
    /// Asks OpenSSL where that may help. It comes back only if it cannot be asked, with the reason,
    /// which is added.
    pub fn openssl_missing(self, why: impl FnOnce() -> String) -> Fault {
        match self {
            Fault::Tls(tls) if tls.worth_openssl => {
                let why = format!("{} ({})", tls.why, why());
                Fault::Tls(TlsFault { why, worth_openssl: false })
            }
            Fault::Untrusted(tls) if tls.worth_openssl => {
                // Only a second opinion, which may be missing without a word.
                let _ = why();
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
