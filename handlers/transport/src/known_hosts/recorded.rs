//! The recorded keys of one host, and their comparison with the key that the host sends.

use ssh_key::{Algorithm, EcdsaCurve, HashAlg, PublicKey};

/// A host key and the line that records it.
#[derive(Debug, Clone)]
pub(super) struct RecordedKey {
    pub(super) key: PublicKey,
    pub(super) blob: Vec<u8>,
    /// File and line number, for example `known_hosts:3`.
    pub(super) place: String,
}

/// The recorded keys of one host.
#[derive(Debug, Clone, Default)]
pub struct RecordedHostKeys {
    pub(super) keys: Vec<RecordedKey>,
    /// The name under which `keys` are recorded, or `None` if there are no keys.
    pub(super) name: Option<String>,
    pub(super) revoked: Vec<RecordedKey>,
    pub(super) authority: Option<String>,
    pub(super) malformed: Vec<String>,
    pub(super) lines: usize,
}

/// What the known_hosts files contain for a host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum HostKeyStatus {
    /// At least one key is recorded and not revoked.
    Known,
    /// No key is recorded.
    Unknown,
    /// Only revoked keys are recorded. Holds the file and line of a `@revoked` entry.
    Revoked(String),
    /// A certificate authority is recorded, but no key. Holds its file and line.
    AuthorityOnly(String),
}

/// The result of comparing a host's key with the recorded keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum HostKeyCheck {
    /// The same key is recorded, byte for byte.
    Trusted,
    /// This key is not among the recorded keys of the host.
    Mismatch,
    /// The key is revoked. Holds the file and line of the `@revoked` entry.
    Revoked(String),
}

impl RecordedHostKeys {
    /// Returns what the known_hosts files contain for the host, without connecting to it.
    pub fn status(&self) -> HostKeyStatus {
        let revoked = |key: &&RecordedKey| self.revoked_at(&key.blob).is_some();
        match (self.keys.first(), &self.authority) {
            (Some(_), _) if !self.keys.iter().all(|key| revoked(&key)) => HostKeyStatus::Known,
            (Some(first), _) => HostKeyStatus::Revoked(
                self.revoked_at(&first.blob).unwrap_or(&first.place).to_owned(),
            ),
            (None, Some(place)) => HostKeyStatus::AuthorityOnly(place.clone()),
            (None, None) => HostKeyStatus::Unknown,
        }
    }

    /// Compares the host's key with the recorded keys. `shown` is the key that the host sent, in
    /// the SSH wire format.
    pub fn check(&self, shown: &[u8]) -> HostKeyCheck {
        match self.revoked_at(shown) {
            Some(place) => HostKeyCheck::Revoked(place.to_owned()),
            None if self.keys.iter().any(|key| key.blob == shown) => HostKeyCheck::Trusted,
            None => HostKeyCheck::Mismatch,
        }
    }

    fn revoked_at(&self, blob: &[u8]) -> Option<&str> {
        self.revoked.iter().find(|key| key.blob == blob).map(|key| key.place.as_str())
    }

    /// Returns the host key algorithms to negotiate, in order of preference.
    ///
    /// Includes only the types of recorded keys that are not revoked. Otherwise a host with keys of
    /// several types could send a key that is not recorded. RSA is used only with SHA-2 (RFC 8332),
    /// because SHA-1 is broken.
    pub fn algorithms(&self) -> Vec<&'static str> {
        let usable = |key: &&RecordedKey| self.revoked_at(&key.blob).is_none();
        let mut names: Vec<_> = self
            .keys
            .iter()
            .filter(usable)
            .flat_map(|key| negotiated(&key.key.algorithm()))
            .collect();
        let order = [
            "ssh-ed25519",
            "ecdsa-sha2-nistp256",
            "ecdsa-sha2-nistp384",
            "ecdsa-sha2-nistp521",
            "rsa-sha2-512",
        ];
        names.sort_by_key(|name| {
            order.iter().position(|known| *known == **name).unwrap_or(order.len())
        });
        names.dedup();
        names.into_iter().copied().collect()
    }

    /// Lists the types and fingerprints of the recorded keys for a message.
    pub fn describe(&self) -> String {
        let shown: Vec<_> = self.keys.iter().map(|key| describe(&key.key)).collect();
        shown.join(", ")
    }

    /// Returns the name under which the keys are recorded. The name includes the port if the port
    /// is not 22.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns the file and line of each recorded key.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.place.as_str())
    }

    /// Returns a description of each recorded key that is revoked or is not in `keys`: its type and
    /// fingerprint, and the file and line that record it.
    pub fn besides<'a>(&'a self, keys: &'a [&[u8]]) -> impl Iterator<Item = String> + 'a {
        let is_other = |key: &&RecordedKey| {
            !keys.contains(&key.blob.as_slice()) || self.revoked_at(&key.blob).is_some()
        };
        self.keys
            .iter()
            .filter(is_other)
            .map(|key| format!("{} ({})", describe(&key.key), key.place))
    }

    /// Returns the file and line of a `@revoked` entry for one of the recorded keys, if there is
    /// one.
    pub fn any_revoked(&self) -> Option<&str> {
        self.keys.iter().find_map(|key| self.revoked_at(&key.blob))
    }

    /// Returns the file and line of each entry that names this host but has no valid key.
    pub fn malformed(&self) -> &[String] {
        &self.malformed
    }

    /// Whether the files contain no entry at all, not even for other hosts.
    pub fn is_empty(&self) -> bool {
        self.lines == 0
    }
}

fn negotiated(algorithm: &Algorithm) -> &'static [&'static str] {
    match algorithm {
        Algorithm::Ed25519 => &["ssh-ed25519"],
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 } => &["ecdsa-sha2-nistp256"],
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 } => &["ecdsa-sha2-nistp384"],
        Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 } => &["ecdsa-sha2-nistp521"],
        Algorithm::Rsa { .. } => &["rsa-sha2-512", "rsa-sha2-256"],
        _ => &[],
    }
}

/// Returns the type and fingerprint of a key in the SSH wire format.
pub(crate) fn describe_blob(blob: &[u8]) -> String {
    PublicKey::from_bytes(blob)
        .map_or_else(|_| "a key of an unknown type".into(), |key| describe(&key))
}

fn describe(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}
