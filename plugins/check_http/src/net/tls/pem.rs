//! Certificates and keys that the command line names: opened with it, read when TLS is first
//! spoken.
//!
//! Not before, because a pipe can be read only once, and check_http_openssl may be the one that
//! needs it.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Instant;

use safe_file::{Error, Input};

use crate::fault::Fault;
use crate::text;

/// No bundle of authorities is larger.
const MAX_FILE: u64 = 16 << 20;

type Content = Result<Vec<u8>, Error>;

/// A file in PEM.
#[derive(Debug)]
pub struct Pem {
    /// Where it is.
    pub path: PathBuf,
    content: LazyLock<Content, Box<dyn FnOnce() -> Content + Send>>,
}

impl Pem {
    /// Opens a file, or a descriptor of ours.
    pub fn open(path: &Path, deadline: Option<Instant>) -> Result<Pem, Error> {
        let input = Input::open(path, MAX_FILE, deadline)?;
        Ok(Pem { path: path.to_owned(), content: LazyLock::new(Box::new(|| input.read_all())) })
    }

    /// Certificates. OpenSSL would ask a person for the pass phrase of one that is encrypted.
    pub fn certificates(&self) -> Result<&[u8], Fault> {
        let content = self.bytes()?;
        // RFC 1421, section 4.6.1.1: behind the line that begins a block.
        let not_of_a_key = |at| {
            content.get(..at).is_some_and(|before| !before.trim_ascii_end().ends_with(b" KEY-----"))
        };
        let encrypted = memchr::memmem::find_iter(content, "Proc-Type:").any(not_of_a_key);
        if encrypted { Err(self.encrypted("certificate")) } else { Ok(content) }
    }

    /// What `read` makes of a private key; `None` if it is no key, or none that goes with its
    /// certificate.
    pub fn key<T>(&self, read: impl FnOnce(&[u8]) -> Option<T>) -> Result<Option<T>, Fault> {
        let content = self.bytes()?;
        let key = read(content);
        let encrypted = key.is_none() && text::contains(content, b"ENCRYPTED");
        if encrypted { Err(self.encrypted("private key")) } else { Ok(key) }
    }

    fn bytes(&self) -> Result<&[u8], Fault> {
        self.content.as_deref().map_err(|why| Fault::File(why.to_string()))
    }

    fn encrypted(&self, what: &str) -> Fault {
        let path = self.path.display();
        Fault::File(format!(
            "{path}: the {what} is encrypted; name a file that needs no pass phrase"
        ))
    }
}
