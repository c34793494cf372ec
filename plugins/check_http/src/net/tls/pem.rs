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

/// Maximum size of a file, in bytes. CA bundles are smaller.
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
        Ok(PemFile::new(path, Input::open(path, MAX_FILE, deadline)?))
    }

    /// Wraps a file that is already open.
    pub fn new(path: &Path, input: Input) -> PemFile {
        PemFile { path: path.to_owned(), content: LazyLock::new(Box::new(|| input.read_all())) }
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
    /// An encrypted key is an error if `read` cannot decrypt it. `has_passphrase` must be set if
    /// `read` tries to decrypt the key.
    pub fn key<T>(
        &self,
        has_passphrase: bool,
        read: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let content = self.bytes()?;
        let key = read(content);
        let encrypted = key.is_none() && text::contains(content, b"ENCRYPTED");
        match (encrypted, has_passphrase) {
            (false, _) => Ok(key),
            (true, false) => Err(self.encrypted("private key")),
            (true, true) => {
                let path = self.path.display();
                Err(Fault::File(format!("{path}: the passphrase of the private key is wrong")))
            }
        }
    }

    /// Returns the first line without its line ending.
    #[cfg(feature = "openssl-tls")]
    pub fn first_line(&self) -> Result<&[u8], Fault> {
        let line = self.bytes()?.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Ok(line.strip_suffix(b"\r").unwrap_or(line))
    }

    fn bytes(&self) -> Result<&[u8], Fault> {
        self.content.as_deref().map_err(|why| Fault::File(why.to_string()))
    }

    fn encrypted(&self, what: &str) -> Fault {
        let path = self.path.display();
        let advice = match what {
            "private key" => "name its passphrase with --passphrase-file",
            _ => "use a file that needs no passphrase",
        };
        Fault::File(format!("{path}: the {what} is encrypted; {advice}"))
    }
}
