//! Finds the lines for a host in the content of known_hosts files. This module does no I/O.

use ssh_key::PublicKey;
use ssh_key::known_hosts::{HostPatterns, Marker};

use super::patterns::HostKeyNames;
use super::recorded::{RecordedHostKeys, RecordedKey};

/// The path and content of one known_hosts file.
pub struct KnownHostsText<'a> {
    /// Path of the file, for messages.
    pub name: &'a str,
    /// Content of the file. It need not be UTF-8.
    pub text: &'a [u8],
}

/// Collects the keys that the files record under `names`. Skips malformed lines, as ssh does. The
/// result lists the malformed lines that name the host.
pub fn look_up(files: &[KnownHostsText<'_>], names: &HostKeyNames) -> RecordedHostKeys {
    let mut recorded = RecordedHostKeys::default();
    let mut ranked: Vec<(usize, RecordedKey)> = Vec::new();
    for file in files {
        for (number, line) in file.text.split(|b| *b == b'\n').enumerate() {
            let place = || format!("{}:{}", file.name, number + 1);
            read_line(&mut recorded, &mut ranked, names, line, place);
        }
    }
    if let Some(deciding) = ranked.iter().map(|(rank, _)| *rank).min() {
        recorded.name = names.get(deciding).map(str::to_owned);
        ranked.retain(|(rank, _)| *rank == deciding);
    }
    recorded.keys = ranked.into_iter().map(|(_, key)| key).collect();
    recorded
}

fn read_line(
    recorded: &mut RecordedHostKeys,
    ranked: &mut Vec<(usize, RecordedKey)>,
    names: &HostKeyNames,
    line: &[u8],
    place: impl Fn() -> String,
) -> Option<()> {
    let line = String::from_utf8_lossy(line);
    let mut fields = line.split_ascii_whitespace();
    let mut field = fields.next().filter(|first| !first.starts_with('#'))?;
    let marker = if field.starts_with('@') { Some(field.parse::<Marker>().ok()?) } else { None };
    if marker.is_some() {
        field = fields.next()?;
    }
    recorded.lines += 1;
    let patterns: HostPatterns = field.parse().ok()?;
    let is_revoked = marker == Some(Marker::Revoked);
    // If a line excludes one of the host's names, the line does not apply to the other names
    // either.
    if !is_revoked && names.any_excluded(&patterns) {
        return None;
    }
    let rank = names.rank(&patterns)?;
    // In a @revoked line, accept even a key that contains wrong length fields. If the line were
    // skipped, the key would not count as revoked.
    let Some((key, blob)) = read_key(fields.next(), fields.next(), is_revoked) else {
        recorded.malformed.push(place());
        return None;
    };
    let key = RecordedKey { key, blob, place: place() };
    match marker {
        None => ranked.push((rank, key)),
        Some(Marker::CertAuthority) => drop(recorded.authority.get_or_insert(key.place)),
        Some(Marker::Revoked) => recorded.revoked.push(key),
    }
    Some(())
}

/// Parses a key and also returns it in the SSH wire format. Unless `lenient` is set, rejects a key
/// that is not in its canonical form. This is necessary because ssh-key accepts some keys that
/// contain wrong length fields.
fn read_key(
    kind: Option<&str>,
    base64: Option<&str>,
    lenient: bool,
) -> Option<(PublicKey, Vec<u8>)> {
    let written = format!("{} {}", kind?, base64?);
    let key = PublicKey::from_openssh(&written).ok()?;
    let blob = key.to_bytes().ok()?;
    let is_canonical = || key.to_openssh().is_ok_and(|text| text == written);
    (lenient || is_canonical()).then_some((key, blob))
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, Mac};
    use proptest::prelude::*;
    use sha1::Sha1;

    use super::*;
    use crate::known_hosts::recorded::{HostKeyCheck, HostKeyStatus};

    // Generated with ssh-keygen for these tests. The private keys were deleted.
    const A: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDVqgG9+kZw/ERPDjZtHHoHo0BTdwmDNx1CzKsBoJ9he";
    const B: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHs2iZy3KsEfXLURrAwCmHb+uYSCxyD9n50+4iRaeek6";

    fn on_file(text: &str, host: &str, address: &str, port: u16) -> RecordedHostKeys {
        look_up(
            &[KnownHostsText { name: "known_hosts", text: text.as_bytes() }],
            &HostKeyNames::new(host, address, port),
        )
    }

    fn blob(line: &str) -> Vec<u8> {
        PublicKey::from_openssh(line).unwrap().to_bytes().unwrap()
    }

    fn checked(text: &str, key: &str) -> HostKeyCheck {
        on_file(text, "web1", "192.0.2.1", 22).check(&blob(key))
    }

    #[test]
    fn looks_up_names_ports_and_addresses() {
        let check = |text: &str, port| on_file(text, "Web1", "192.0.2.1", port).check(&blob(A));
        assert_eq!(check(&format!("web1 {A}"), 22), HostKeyCheck::Trusted);
        assert_eq!(check(&format!("WEB1 {A}"), 22), HostKeyCheck::Trusted);
        assert_eq!(check(&format!("web1 {A}"), 2222), HostKeyCheck::Trusted);
        assert_eq!(check(&format!("web1 {A}\n[web1]:2222 {B}"), 2222), HostKeyCheck::Mismatch);
        assert_eq!(check(&format!("web1 {A}\n[192.0.2.1]:2222 {B}"), 2222), HostKeyCheck::Mismatch);
        assert_eq!(check(&format!("[web1]:2222 {A}"), 2222), HostKeyCheck::Trusted);
        assert_eq!(check(&format!("[web1]:2222 {A}"), 22), HostKeyCheck::Mismatch);
        assert_eq!(check(&format!("192.0.2.1 {A}"), 22), HostKeyCheck::Trusted);
        assert_eq!(check(&format!("192.0.2.1 {A}\nweb1 {B}"), 22), HostKeyCheck::Mismatch);
        assert_eq!(check(&format!("web1 {B}\nweb1 {A}"), 22), HostKeyCheck::Trusted);
        assert_eq!(check(&format!("web10 {A}"), 22), HostKeyCheck::Mismatch);
    }

    #[test]
    fn looks_up_hashed_names() {
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
        assert_eq!(checked(&format!("{} {A}", hash("web1")), A), HostKeyCheck::Trusted);
        assert_eq!(checked(&format!("{} {A}", hash("web2")), A), HostKeyCheck::Mismatch);
        let other_port =
            on_file(&format!("{} {A}", hash("[web1]:2222")), "web1", "192.0.2.1", 2222);
        assert_eq!(other_port.check(&blob(A)), HostKeyCheck::Trusted);
    }

    #[test]
    fn refuses_revoked_key_in_any_order_and_file() {
        let (plain, revoked) = (format!("web1 {A}\n"), format!("@revoked * {A}\n"));
        let sources = [
            KnownHostsText { name: "user", text: plain.as_bytes() },
            KnownHostsText { name: "system", text: revoked.as_bytes() },
        ];
        let on_file = look_up(&sources, &HostKeyNames::new("web1", "192.0.2.1", 22));
        assert_eq!(on_file.check(&blob(A)), HostKeyCheck::Revoked("system:1".into()));
        assert_eq!(on_file.status(), HostKeyStatus::Revoked("system:1".into()));
        assert_eq!(
            checked(&format!("@revoked 192.0.2.1 {A}\nweb1 {A}"), A),
            HostKeyCheck::Revoked("known_hosts:1".into())
        );
        assert_eq!(checked(&format!("@revoked db1 {A}\nweb1 {A}"), A), HostKeyCheck::Trusted);
        // The host's other key is still trusted.
        let two = super::tests::on_file(
            &format!("web1 {A}\nweb1 {B}\n@revoked web1 {A}"),
            "web1",
            "192.0.2.1",
            22,
        );
        assert_eq!(
            (two.status(), two.check(&blob(B))),
            (HostKeyStatus::Known, HostKeyCheck::Trusted)
        );
    }

    #[test]
    fn reports_status_before_connecting() {
        let status = |text: &str| on_file(text, "web1", "192.0.2.1", 22).status();
        assert_eq!(status(""), HostKeyStatus::Unknown);
        assert_eq!(status(&format!("db1 {A}")), HostKeyStatus::Unknown);
        assert_eq!(status(&format!("@revoked web1 {A}")), HostKeyStatus::Unknown);
        assert_eq!(
            status(&format!("@cert-authority *1 {A}")),
            HostKeyStatus::AuthorityOnly("known_hosts:1".into())
        );
        assert_eq!(status(&format!("@cert-authority * {A}\nweb1 {A}")), HostKeyStatus::Known);
        assert!(on_file("\n# comment\n", "web1", "192.0.2.1", 22).is_empty());
    }

    #[test]
    fn does_not_trust_the_key_of_a_certificate_authority_as_a_host_key() {
        assert_eq!(checked(&format!("@cert-authority web1 {A}"), A), HostKeyCheck::Mismatch);
        assert_eq!(
            checked(&format!("@cert-authority web1 {A}\nweb1 {B}"), A),
            HostKeyCheck::Mismatch
        );
    }

    #[test]
    fn honours_negation_in_any_position() {
        for patterns in ["*,!web1", "!web1,*", "w*,!*1"] {
            assert_eq!(
                checked(&format!("{patterns} {A}"), A),
                HostKeyCheck::Mismatch,
                "{patterns}"
            );
        }
        assert_eq!(checked(&format!("!db1,web? {A}"), A), HostKeyCheck::Trusted);
        assert_eq!(checked(&format!("!db1 {A}"), A), HostKeyCheck::Mismatch);
    }

    #[test]
    fn reports_malformed_lines_that_name_the_host() {
        let text = format!(
            "web1 ssh-ed25519 AAAA\nweb1\ndb1 nonsense\nweb1 ssh-rsa {}\nweb1 {A}",
            &A[12..]
        );
        let on_file = on_file(&text, "web1", "192.0.2.1", 22);
        assert_eq!(on_file.malformed(), ["known_hosts:1", "known_hosts:2", "known_hosts:4"]);
        assert_eq!(on_file.status(), HostKeyStatus::Known);
        assert_eq!(on_file.algorithms(), ["ssh-ed25519"]);
    }

    #[test]
    fn ignores_keys_with_a_wrong_inner_length_unless_they_are_revoked() {
        let wrong = A.replacen("NTE5AAAAI", "NTE5AA8AI", 1);
        assert!(wrong != A && PublicKey::from_openssh(&wrong).is_ok());
        let on_file = on_file(&format!("web1 {wrong}"), "web1", "192.0.2.1", 22);
        assert_eq!(
            (on_file.check(&blob(A)), on_file.malformed()),
            (HostKeyCheck::Mismatch, &["known_hosts:1".to_owned()][..])
        );
        assert_eq!(
            checked(&format!("web1 {A}\n@revoked web1 {wrong}"), A),
            HostKeyCheck::Revoked("known_hosts:2".into())
        );
    }

    proptest! {
        #[test]
        fn finds_the_key_after_any_junk_line(junk in "[^\u{1}]{0,60}") {
            let junk = junk.replace("@revoked", "");
            prop_assert_eq!(checked(&format!("{junk}\nweb1 {A}\n"), A), HostKeyCheck::Trusted);
        }

        #[test]
        fn does_not_panic_on_any_input(bytes: Vec<u8>) {
            let names = HostKeyNames::new("web1", "192.0.2.1", 22);
            let _ = look_up(&[KnownHostsText { name: "f", text: &bytes }], &names).status();
        }
    }
}
