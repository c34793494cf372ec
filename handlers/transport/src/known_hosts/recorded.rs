//! The recorded keys of one host, and their comparison with a key that it shows.

use ssh_key::{Algorithm, EcdsaCurve, HashAlg, PublicKey};

/// A host key with the line that records it.
#[derive(Debug, Clone)]
pub(super) struct RecordedKey {
    pub(super) key: PublicKey,
    pub(super) blob: Vec<u8>,
    /// File and line.
    pub(super) place: String,
}

/// The recorded keys of one host.
#[derive(Debug, Clone, Default)]
pub struct RecordedHostKeys {
    pub(super) keys: Vec<RecordedKey>,
    /// The name they are recorded under.
    pub(super) name: Option<String>,
    pub(super) revoked: Vec<RecordedKey>,
    pub(super) authority: Option<String>,
    pub(super) malformed: Vec<String>,
    pub(super) lines: usize,
}

/// What is recorded of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum HostKeyStatus {
    /// At least one usable key.
    Known,
    /// No key.
    Unknown,
    /// Only revoked keys, here.
    Revoked(String),
    /// Only a certificate authority, here.
    AuthorityOnly(String),
}

/// A key that a host shows, compared with the recorded ones.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum HostKeyCheck {
    /// It is recorded, byte for byte.
    Trusted,
    /// It is not recorded.
    Mismatch,
    /// It is revoked, here.
    Revoked(String),
}

impl RecordedHostKeys {
    /// Returns what is known before the host is connected to.
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

    /// Compares the key that a host shows.
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

    /// Returns the host key algorithms to negotiate: those of the recorded keys that are not
    /// revoked, so that a host with keys of several types shows one that can be compared. RSA only
    /// with SHA-2 (RFC 8332): SHA-1 is broken.
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

    /// Lists the keys for a message: type and fingerprint.
    pub fn describe(&self) -> String {
        let shown: Vec<_> = self.keys.iter().map(|key| describe(&key.key)).collect();
        shown.join(", ")
    }

    /// Returns the name that the keys are recorded under, with its port if that is not the standard
    /// one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Returns file and line of each key.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.place.as_str())
    }

    /// Returns the recorded keys other than `keys`, and the revoked ones: type, fingerprint and
    /// place.
    pub fn besides<'a>(&'a self, keys: &'a [&[u8]]) -> impl Iterator<Item = String> + 'a {
        let is_other = |key: &&RecordedKey| {
            !keys.contains(&key.blob.as_slice()) || self.revoked_at(&key.blob).is_some()
        };
        self.keys
            .iter()
            .filter(is_other)
            .map(|key| format!("{} ({})", describe(&key.key), key.place))
    }

    /// Returns file and line of the `@revoked` line of the first revoked key.
    pub fn any_revoked(&self) -> Option<&str> {
        self.keys.iter().find_map(|key| self.revoked_at(&key.blob))
    }

    /// Returns file and line of the lines that name this host but hold no readable key.
    pub fn malformed(&self) -> &[String] {
        &self.malformed
    }

    /// Whether the files hold no line of any host.
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

/// Returns type and fingerprint of a key in the form that a host sends.
pub(crate) fn describe_blob(blob: &[u8]) -> String {
    PublicKey::from_bytes(blob)
        .map_or_else(|_| "a key of an unknown type".into(), |key| describe(&key))
}

fn describe(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}
