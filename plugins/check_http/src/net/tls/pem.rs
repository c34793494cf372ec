//! Certificate and key files named on the command line.
//!
//! A file is opened when the command line is parsed, but it is read only before the first
//! handshake. The reason is that a file may be a pipe, which can be read only once. If check_http
//! read it early and then executed check_http_openssl, that program could no longer read it.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Instant;

use safe_file::{Error, Input};

use crate::fault::Fault;
use crate::text;

/// Largest file to read, in bytes. CA bundles are smaller.
const MAX_FILE: u64 = 16 << 20;

type FileContent = Result<Vec<u8>, Error>;

/// An open file in PEM format. It is read when its content is needed.
#[derive(Debug)]
pub struct PemFile {
    /// Path of the file, for messages.
    pub path: PathBuf,
    content: LazyLock<FileContent, Box<dyn FnOnce() -> FileContent + Send>>,
}

impl PemFile {
    /// Opens a file. The path can also be a file descriptor (/dev/fd/N).
    pub fn open(path: &Path, deadline: Option<Instant>) -> Result<PemFile, Error> {
        let input = Input::open(path, MAX_FILE, deadline)?;
        Ok(PemFile { path: path.to_owned(), content: LazyLock::new(Box::new(|| input.read_all())) })
    }

    /// Returns the content of a certificate file. An encrypted certificate is an error, because
    /// OpenSSL would prompt for its passphrase.
    pub fn certificates(&self) -> Result<&[u8], Fault> {
        let content = self.bytes()?;
        // Look for Proc-Type, which follows the first line of an encrypted block (RFC 1421, section
        // 4.6.1.1). Ignore it in keys, because encrypted keys in the same file are not a problem.
        let outside_a_key = |at| {
            content.get(..at).is_some_and(|before| !before.trim_ascii_end().ends_with(b" KEY-----"))
        };
        let encrypted = memchr::memmem::find_iter(content, "Proc-Type:").any(outside_a_key);
        if encrypted { Err(self.encrypted("certificate")) } else { Ok(content) }
    }

    /// Parses a private key with `read`. Returns `None` if the file does not contain a valid key.
    /// An encrypted key is an error.
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
        Fault::File(format!("{path}: the {what} is encrypted; use a file that needs no passphrase"))
    }
}
