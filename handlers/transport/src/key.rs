//! Reads the private key and its passphrase. Owner and mode are checked on the open descriptor, and
//! a file that other accounts can access is refused.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use policy_file::HostRoute;
use ssh_key::{Algorithm, HashAlg, PrivateKey};

use crate::error::Error;

/// Maximum size of a key file in bytes. Real private keys are much smaller.
pub(crate) const LONGEST: u64 = 64 * 1024;

/// A private key in the form that libssh2 expects.
pub(crate) struct LoginKey {
    /// Content of the key file, in OpenSSH or PEM format.
    pub(crate) text: String,
    /// Passphrase of the key, or `None` if the key is not encrypted.
    pub(crate) passphrase: Option<String>,
    /// Description of the key for messages: its path and, unless it is a PEM file, its fingerprint.
    pub(crate) shown: String,
}

/// Checks that the `ssh` program can use a route's key without a prompt. The type of the key is not
/// checked, because ssh reads the file itself and supports more types than libssh2.
pub(crate) fn check(route: &HostRoute) -> Result<(), Error> {
    let text =
        read_private(&route.key, |why| Error::KeyFileUnreadable { file: route.key.clone(), why })?;
    let encrypted = PrivateKey::from_openssh(&text)
        .map_or_else(|_| text.contains("ENCRYPTED"), |key| key.is_encrypted());
    if encrypted {
        let why = "the openssh transport cannot prompt for a passphrase; load the key into an \
                   agent, or use the built-in SSH";
        return Err(Error::Passphrase { file: route.key.clone(), why: why.into() });
    }
    Ok(())
}

/// Reads the key of a route. If the key is encrypted, also reads its passphrase.
pub(crate) fn read(route: &HostRoute) -> Result<LoginKey, Error> {
    let file = &route.key;
    let unreadable = |why: String| Error::KeyFileUnreadable { file: file.clone(), why };
    let text = read_private(file, unreadable)?;
    let unusable = |why: &str| Error::KeyFileFormat { file: file.clone(), why: why.into() };
    if !text.trim_start().starts_with("-----BEGIN") || !text.contains("PRIVATE KEY-----") {
        return Err(unusable(
            "the file is not a private key in OpenSSH or PEM format; is it the .pub file?",
        ));
    }
    // Ignore a parse error. The key may be in the older PEM format, which libssh2 supports but
    // ssh-key does not.
    let parsed = PrivateKey::from_openssh(&text).ok();
    if parsed.as_ref().is_some_and(|key| is_security_key(&key.algorithm())) {
        return Err(unusable(
            "the key needs a hardware security key, which only \"transport\": \"openssh\" can use",
        ));
    }
    let encrypted =
        parsed.as_ref().map_or_else(|| text.contains("ENCRYPTED"), PrivateKey::is_encrypted);
    let passphrase = if encrypted { Some(read_passphrase(route)?) } else { None };
    let fingerprint = parsed.map(|key| format!(", {}", key.fingerprint(HashAlg::Sha256)));
    let shown = format!("key {}{}", file.display(), fingerprint.unwrap_or_default());
    Ok(LoginKey { text, passphrase, shown })
}

fn is_security_key(algorithm: &Algorithm) -> bool {
    matches!(algorithm, Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256)
}

fn read_passphrase(route: &HostRoute) -> Result<String, Error> {
    let wrong = |why: String| Error::Passphrase { file: route.key.clone(), why };
    let Some(file) = &route.passphrase_file else {
        return Err(wrong(
            "put its passphrase into a file with mode 0600, or use a key without a passphrase"
                .into(),
        ));
    };
    let text = read_private(file, |why| {
        wrong(format!("passphrase file {} cannot be read: {why}", file.display()))
    })?;
    // Remove one trailing line break, which editors add. Everything else belongs to the passphrase.
    let line = text
        .strip_suffix('\n')
        .map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(line.to_owned())
}

/// Reads a file, which must belong to this user or to root and must not be accessible to other
/// accounts. ssh(1) has a similar rule: it ignores a key that is "accessible by others" (section
/// FILES).
fn read_private(file: &Path, unreadable: impl Fn(String) -> Error) -> Result<String, Error> {
    let open = |why: String| Error::KeyFileOpen { file: file.to_owned(), why };
    let mut handle =
        safe_file::open(file).map_err(|e| unreadable(io::Error::from(e).to_string()))?;
    let metadata = handle.metadata().map_err(|e| unreadable(e.to_string()))?;
    if metadata.mode() & 0o077 != 0 {
        let mode = metadata.mode() & 0o7777;
        return Err(open(format!("is accessible to other users (mode {mode:04o})")));
    }
    let me = rustix::process::geteuid().as_raw();
    if metadata.uid() != me && metadata.uid() != 0 {
        // Root may be trying this by hand. Without the hint, root might change the owner of the
        // key, which would lock Nagios out.
        let hint = if me == 0 { "; run this program as that user" } else { "" };
        return Err(open(format!(
            "belongs to user {}, not to this user ({me}) or root{hint}",
            metadata.uid()
        )));
    }
    let mut text = String::new();
    handle
        .by_ref()
        .take(LONGEST)
        .read_to_string(&mut text)
        .map_err(|e| unreadable(e.to_string()))?;
    Ok(text)
}
