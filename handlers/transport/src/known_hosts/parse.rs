//! Which host keys are on file for a host, by the rules of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT".
//! Pure: text and names in, keys out.
//!
//! libssh2's own reader knows no wildcards, ignores `@revoked` and `@cert-authority` and gives a
//! whole file up for one malformed line, so only ssh-key's types and these rules are used.

use hmac::{Hmac, Mac};
use sha1::Sha1;
use ssh_key::known_hosts::{HostPatterns, Marker};
use ssh_key::{Algorithm, EcdsaCurve, HashAlg, PublicKey};

use crate::glob::fits;

/// One file of host keys: what to call it, and what it holds.
pub struct Source<'a> {
    /// The file's name, for messages.
    pub name: &'a str,
    /// Its content.
    pub text: &'a [u8],
}

/// The names a host may be recorded under. In the order they are looked up: the first that has a
/// key decides. A key revoked under any of them is refused.
#[derive(Debug, Clone)]
pub struct Names(Vec<String>);

impl Names {
    /// The first of the names that a line of known_hosts can hold as it is: no blank, comma or
    /// wildcard.
    pub fn to_record(&self) -> Option<&str> {
        let plain = |c: char| {
            c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%' | '[' | ']')
        };
        self.0.iter().map(String::as_str).find(|name| name.chars().all(plain))
    }

    /// Nagios' name of the host first, then the address that is connected to. When the port is not
    /// the standard one, both as `[name]:port`, and only then without it. Names are compared in
    /// lower case. All as ssh does.
    pub fn new(host: &str, address: &str, port: u16) -> Names {
        let plain = [host.to_lowercase(), address.to_lowercase()];
        let with_port = plain.iter().filter(|_| port != 22).map(|name| format!("[{name}]:{port}"));
        Names(with_port.chain(plain.iter().cloned()).collect())
    }
}

/// A host key on file.
#[derive(Debug, Clone)]
pub struct Recorded {
    key: PublicKey,
    blob: Vec<u8>,
    place: String,
    /// The line says exactly this key, in the only way to write it.
    well_written: bool,
}

/// What is on file for one host.
#[derive(Debug, Clone, Default)]
pub struct OnFile {
    keys: Vec<Recorded>,
    /// The name they are recorded under.
    name: Option<String>,
    revoked: Vec<Recorded>,
    authority: Option<String>,
    malformed: Vec<String>,
    lines: usize,
}

/// What can be said before the host is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Standing {
    /// At least one usable key is on file.
    Known,
    /// None is.
    Unknown,
    /// Every key on file is revoked, here.
    Revoked(String),
    /// Only a certificate authority is, here.
    AuthorityOnly(String),
}

/// What can be said of the key a host shows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It is on file, byte for byte.
    Trusted,
    /// It is not.
    Other,
    /// It is revoked, here.
    Revoked(String),
}

enum Kind {
    Plain,
    Authority,
    Revoked,
}

/// Reads the lines that concern `names`. A malformed line is passed over, as ssh does, but
/// remembered if it names the host.
pub fn look_up(sources: &[Source<'_>], names: &Names) -> OnFile {
    let mut on_file = OnFile::default();
    let mut ranked: Vec<(usize, Recorded)> = Vec::new();
    for source in sources {
        for (number, line) in source.text.split(|b| *b == b'\n').enumerate() {
            read_line(&mut on_file, &mut ranked, names, line, || {
                format!("{}:{}", source.name, number + 1)
            });
        }
    }
    let deciding = ranked.iter().map(|(rank, _)| *rank).min();
    on_file.name = deciding.and_then(|rank| names.0.get(rank)).cloned();
    on_file.keys = ranked
        .into_iter()
        .filter(|(rank, _)| Some(*rank) == deciding)
        .map(|(_, key)| key)
        .collect();
    on_file
}

fn read_line(
    on_file: &mut OnFile,
    ranked: &mut Vec<(usize, Recorded)>,
    names: &Names,
    line: &[u8],
    place: impl Fn() -> String,
) -> Option<()> {
    let line = String::from_utf8_lossy(line);
    let mut fields = line.split_ascii_whitespace();
    let mut field = fields.next().filter(|first| !first.starts_with('#'))?;
    let kind = match field.starts_with('@').then(|| field.parse::<Marker>()) {
        None => Kind::Plain,
        Some(Ok(Marker::CertAuthority)) => Kind::Authority,
        Some(Ok(Marker::Revoked)) => Kind::Revoked,
        Some(Err(_)) => return None,
    };
    if !matches!(kind, Kind::Plain) {
        field = fields.next()?;
    }
    on_file.lines += 1;
    let patterns: HostPatterns = field.parse().ok()?;
    // A line that leaves the host out by name does not come back in by its address.
    if matches!(kind, Kind::Plain | Kind::Authority)
        && names.0.iter().any(|name| excludes(&patterns, name))
    {
        return None;
    }
    let rank = names.0.iter().position(|name| covers(&patterns, name))?;
    // What is revoked stays revoked, however badly it is written.
    let well_written = |key: &Recorded| key.well_written || matches!(kind, Kind::Revoked);
    let Some(key) = read_key(fields.next(), fields.next(), &place).filter(well_written) else {
        on_file.malformed.push(place());
        return None;
    };
    match kind {
        Kind::Plain => ranked.push((rank, key)),
        Kind::Authority => on_file.authority = on_file.authority.take().or(Some(key.place)),
        Kind::Revoked => on_file.revoked.push(key),
    }
    Some(())
}

fn read_key(
    kind: Option<&str>,
    base64: Option<&str>,
    place: &impl Fn() -> String,
) -> Option<Recorded> {
    let written = format!("{} {}", kind?, base64?);
    let key = PublicKey::from_openssh(&written).ok()?;
    let blob = key.to_bytes().ok()?;
    // ssh-key passes over some wrong lengths inside.
    let well_written = key.to_openssh().is_ok_and(|text| text == written);
    Some(Recorded { key, blob, place: place(), well_written })
}

/// Whether a host field covers a name: hashed, or a list of patterns of which one fits and no
/// negated one does.
pub(super) fn covers(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => {
            // Any key length is good for HMAC, so this cannot fail.
            Hmac::<Sha1>::new_from_slice(salt)
                .is_ok_and(|mac| mac.chain_update(name).verify_slice(hash).is_ok())
        }
        HostPatterns::Patterns(patterns) => {
            let plain = |pattern: &&String| !pattern.starts_with('!');
            patterns.iter().filter(plain).any(|pattern| fits(pattern, name))
                && !excludes_by(patterns, name)
        }
    }
}

fn excludes(patterns: &HostPatterns, name: &str) -> bool {
    matches!(patterns, HostPatterns::Patterns(patterns) if excludes_by(patterns, name))
}

fn excludes_by(patterns: &[String], name: &str) -> bool {
    patterns
        .iter()
        .filter_map(|pattern| pattern.strip_prefix('!'))
        .any(|pattern| fits(pattern, name))
}

impl OnFile {
    /// What can be said before the host is asked.
    pub fn standing(&self) -> Standing {
        let revoked = |key: &&Recorded| self.revoked_at(&key.blob).is_some();
        match (self.keys.first(), &self.authority) {
            (Some(_), _) if !self.keys.iter().all(|key| revoked(&key)) => Standing::Known,
            (Some(first), _) => {
                Standing::Revoked(self.revoked_at(&first.blob).unwrap_or(&first.place).to_owned())
            }
            (None, Some(place)) => Standing::AuthorityOnly(place.clone()),
            (None, None) => Standing::Unknown,
        }
    }

    /// What can be said of the key a host shows.
    pub fn judge(&self, shown: &[u8]) -> Verdict {
        match self.revoked_at(shown) {
            Some(place) => Verdict::Revoked(place.to_owned()),
            None if self.keys.iter().any(|key| key.blob == shown) => Verdict::Trusted,
            None => Verdict::Other,
        }
    }

    fn revoked_at(&self, blob: &[u8]) -> Option<&str> {
        self.revoked.iter().find(|key| key.blob == blob).map(|key| key.place.as_str())
    }

    /// The host key algorithms to negotiate: those of the keys that are on file and not revoked, so
    /// that an honest host with keys of several types shows one that can be compared. RSA only with
    /// SHA-2 (RFC 8332): SHA-1 is broken.
    pub fn algorithms(&self) -> Vec<&'static str> {
        let usable = |key: &&Recorded| self.revoked_at(&key.blob).is_none();
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

    /// The keys on file, for a reader: type and fingerprint.
    pub fn describe(&self) -> String {
        let shown: Vec<_> = self.keys.iter().map(|key| describe(&key.key)).collect();
        shown.join(", ")
    }

    /// The name the keys are recorded under, as it is looked up: with its port when that is not the
    /// standard one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where the keys on file stand: file and line.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.place.as_str())
    }

    /// The keys on file other than these, and the revoked ones: type, fingerprint and place.
    pub fn besides<'a>(&'a self, keys: &'a [&[u8]]) -> impl Iterator<Item = String> + 'a {
        let is_other = |key: &&Recorded| {
            !keys.contains(&key.blob.as_slice()) || self.revoked_at(&key.blob).is_some()
        };
        self.keys
            .iter()
            .filter(is_other)
            .map(|key| format!("{} ({})", describe(&key.key), key.place))
    }

    /// Where the first of the keys is revoked, if any is.
    pub fn any_revoked(&self) -> Option<&str> {
        self.keys.iter().find_map(|key| self.revoked_at(&key.blob))
    }

    /// Where lines name this host but hold no readable key.
    pub fn malformed(&self) -> &[String] {
        &self.malformed
    }

    /// Whether the files hold no line at all.
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

/// Type and fingerprint of a key as a host sends it.
pub(crate) fn describe_blob(blob: &[u8]) -> String {
    PublicKey::from_bytes(blob)
        .map_or_else(|_| "a key of an unknown type".into(), |key| describe(&key))
}

fn describe(key: &PublicKey) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Made for these tests with ssh-keygen; their private halves are gone.
    const A: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDVqgG9+kZw/ERPDjZtHHoHo0BTdwmDNx1CzKsBoJ9he";
    const B: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHs2iZy3KsEfXLURrAwCmHb+uYSCxyD9n50+4iRaeek6";

    fn on_file(text: &str, host: &str, address: &str, port: u16) -> OnFile {
        look_up(
            &[Source { name: "known_hosts", text: text.as_bytes() }],
            &Names::new(host, address, port),
        )
    }

    fn blob(line: &str) -> Vec<u8> {
        PublicKey::from_openssh(line).unwrap().to_bytes().unwrap()
    }

    fn judged(text: &str, key: &str) -> Verdict {
        on_file(text, "web1", "192.0.2.1", 22).judge(&blob(key))
    }

    #[test]
    fn names_ports_and_addresses() {
        let verdict = |text: &str, port| on_file(text, "Web1", "192.0.2.1", port).judge(&blob(A));
        assert_eq!(verdict(&format!("web1 {A}"), 22), Verdict::Trusted);
        assert_eq!(verdict(&format!("WEB1 {A}"), 22), Verdict::Trusted);
        assert_eq!(verdict(&format!("web1 {A}"), 2222), Verdict::Trusted);
        assert_eq!(verdict(&format!("web1 {A}\n[web1]:2222 {B}"), 2222), Verdict::Other);
        assert_eq!(verdict(&format!("web1 {A}\n[192.0.2.1]:2222 {B}"), 2222), Verdict::Other);
        assert_eq!(verdict(&format!("[web1]:2222 {A}"), 2222), Verdict::Trusted);
        assert_eq!(verdict(&format!("[web1]:2222 {A}"), 22), Verdict::Other);
        assert_eq!(verdict(&format!("192.0.2.1 {A}"), 22), Verdict::Trusted);
        assert_eq!(verdict(&format!("192.0.2.1 {A}\nweb1 {B}"), 22), Verdict::Other);
        assert_eq!(verdict(&format!("web1 {B}\nweb1 {A}"), 22), Verdict::Trusted);
        assert_eq!(verdict(&format!("web10 {A}"), 22), Verdict::Other);
    }

    #[test]
    fn hashed_names() {
        let hash = |name: &str| {
            use ssh_key::known_hosts::HostPatterns::HashedName;
            let salt = vec![7; 20];
            let mac = Hmac::<Sha1>::new_from_slice(&salt)
                .unwrap()
                .chain_update(name)
                .finalize()
                .into_bytes();
            HashedName { salt, hash: mac.into() }.to_string()
        };
        assert_eq!(judged(&format!("{} {A}", hash("web1")), A), Verdict::Trusted);
        assert_eq!(judged(&format!("{} {A}", hash("web2")), A), Verdict::Other);
        let other_port =
            on_file(&format!("{} {A}", hash("[web1]:2222")), "web1", "192.0.2.1", 2222);
        assert_eq!(other_port.judge(&blob(A)), Verdict::Trusted);
    }

    #[test]
    fn revocation_wins_in_any_order_and_file() {
        let (plain, revoked) = (format!("web1 {A}\n"), format!("@revoked * {A}\n"));
        let sources = [
            Source { name: "user", text: plain.as_bytes() },
            Source { name: "system", text: revoked.as_bytes() },
        ];
        let on_file = look_up(&sources, &Names::new("web1", "192.0.2.1", 22));
        assert_eq!(on_file.judge(&blob(A)), Verdict::Revoked("system:1".into()));
        assert_eq!(on_file.standing(), Standing::Revoked("system:1".into()));
        assert_eq!(
            judged(&format!("@revoked 192.0.2.1 {A}\nweb1 {A}"), A),
            Verdict::Revoked("known_hosts:1".into())
        );
        assert_eq!(judged(&format!("@revoked db1 {A}\nweb1 {A}"), A), Verdict::Trusted);
        // Another key of the host is still good, and only its type is asked for.
        let two = super::tests::on_file(
            &format!("web1 {A}\nweb1 {B}\n@revoked web1 {A}"),
            "web1",
            "192.0.2.1",
            22,
        );
        assert_eq!((two.standing(), two.judge(&blob(B))), (Standing::Known, Verdict::Trusted));
    }

    #[test]
    fn what_can_be_said_beforehand() {
        let standing = |text: &str| on_file(text, "web1", "192.0.2.1", 22).standing();
        assert_eq!(standing(""), Standing::Unknown);
        assert_eq!(standing(&format!("db1 {A}")), Standing::Unknown);
        assert_eq!(standing(&format!("@revoked web1 {A}")), Standing::Unknown);
        assert_eq!(
            standing(&format!("@cert-authority *1 {A}")),
            Standing::AuthorityOnly("known_hosts:1".into())
        );
        assert_eq!(standing(&format!("@cert-authority * {A}\nweb1 {A}")), Standing::Known);
        assert!(on_file("\n# comment\n", "web1", "192.0.2.1", 22).is_empty());
    }

    #[test]
    fn a_certificate_authority_is_not_a_host_key() {
        assert_eq!(judged(&format!("@cert-authority web1 {A}"), A), Verdict::Other);
        assert_eq!(judged(&format!("@cert-authority web1 {A}\nweb1 {B}"), A), Verdict::Other);
    }

    #[test]
    fn negation_wins_wherever_it_stands() {
        for patterns in ["*,!web1", "!web1,*", "w*,!*1"] {
            assert_eq!(judged(&format!("{patterns} {A}"), A), Verdict::Other, "{patterns}");
        }
        assert_eq!(judged(&format!("!db1,web? {A}"), A), Verdict::Trusted);
        assert_eq!(judged(&format!("!db1 {A}"), A), Verdict::Other);
    }

    #[test]
    fn lines_that_are_malformed_are_remembered_when_they_name_the_host() {
        let text = format!(
            "web1 ssh-ed25519 AAAA\nweb1\ndb1 nonsense\nweb1 ssh-rsa {}\nweb1 {A}",
            &A[12..]
        );
        let on_file = on_file(&text, "web1", "192.0.2.1", 22);
        assert_eq!(on_file.malformed(), ["known_hosts:1", "known_hosts:2", "known_hosts:4"]);
        assert_eq!(on_file.standing(), Standing::Known);
        assert_eq!(on_file.algorithms(), ["ssh-ed25519"]);
    }

    #[test]
    fn a_key_with_a_wrong_length_inside_is_malformed_but_can_be_revoked() {
        let wrong = A.replacen("NTE5AAAAI", "NTE5AA8AI", 1);
        assert!(wrong != A && PublicKey::from_openssh(&wrong).is_ok());
        let on_file = on_file(&format!("web1 {wrong}"), "web1", "192.0.2.1", 22);
        assert_eq!(
            (on_file.judge(&blob(A)), on_file.malformed()),
            (Verdict::Other, &["known_hosts:1".to_owned()][..])
        );
        assert_eq!(
            judged(&format!("web1 {A}\n@revoked web1 {wrong}"), A),
            Verdict::Revoked("known_hosts:2".into())
        );
    }

    proptest! {
        #[test]
        fn junk_never_panics_and_never_hides_the_line_after_it(junk in "[^\u{1}]{0,60}") {
            let junk = junk.replace("@revoked", "");
            prop_assert_eq!(judged(&format!("{junk}\nweb1 {A}\n"), A), Verdict::Trusted);
        }

        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            let _ = look_up(&[Source { name: "f", text: &bytes }], &Names::new("web1", "192.0.2.1", 22)).standing();
        }
    }
}
