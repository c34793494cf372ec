//! Invariants of the parser for known_hosts files, which admins and many programs write.

use std::sync::LazyLock;

use ssh_key::PublicKey;
use transport::known_hosts::{
    HostKeyCheck, HostKeyNames, HostKeyStatus, KnownHostsText, RecordedHostKeys, look_up,
};

use crate::text::is_harmless;

/// A public key that was generated with ssh-keygen for these tests. The private key was deleted.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDVqgG9+kZw/ERPDjZtHHoHo0BTdwmDNx1CzKsBoJ9he";

static BLOB: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let key = PublicKey::from_openssh(KEY).expect("our own key can be read");
    key.to_bytes().expect("our own key can be written")
});

/// Checks lookups in a file with any content. Only a key in the file is trusted, a revoked key is
/// always refused, and no line hides another one.
pub fn known_hosts(bytes: &[u8]) {
    for port in [22, 2222] {
        let names = HostKeyNames::new("web1", "192.0.2.1", port);
        let found = read(bytes, &names);
        consistent(&found, bytes);

        let revoked = read(&[bytes, b"\n@revoked * ", KEY.as_bytes()].concat(), &names);
        assert!(
            matches!(revoked.check(&BLOB), HostKeyCheck::Revoked(_)),
            "a revoked key was not refused"
        );
        assert!(
            !revoked.algorithms().contains(&"ssh-ed25519")
                || revoked.status() == HostKeyStatus::Known
        );

        // The first of the host's names takes precedence. A key recorded under this name is
        // therefore trusted regardless of the lines before and after it, unless it is revoked.
        let own = if port == 22 { format!("web1 {KEY}\n") } else { format!("[web1]:2222 {KEY}\n") };
        for text in [[bytes, b"\n", own.as_bytes()].concat(), [own.as_bytes(), bytes].concat()] {
            assert_ne!(
                read(&text, &names).check(&BLOB),
                HostKeyCheck::Mismatch,
                "another line hides the host's key"
            );
        }

        // Read the same content from two files instead of one. The result must not change.
        let middle = bytes
            .iter()
            .skip(bytes.len() / 2)
            .position(|b| *b == b'\n')
            .map_or(bytes.len(), |at| bytes.len() / 2 + at);
        let (user, system) = bytes.split_at(middle);
        let split = look_up(
            &[KnownHostsText { name: "f", text: user }, KnownHostsText { name: "f", text: system }],
            &names,
        );
        assert_eq!((split.describe(), split.name()), (found.describe(), found.name()));
        assert_eq!(kind(&split.check(&BLOB)), kind(&found.check(&BLOB)));
    }
}

fn read(bytes: &[u8], names: &HostKeyNames) -> RecordedHostKeys {
    look_up(&[KnownHostsText { name: "f", text: bytes }], names)
}

fn consistent(found: &RecordedHostKeys, bytes: &[u8]) {
    let status = found.status();
    let verdict = found.check(&BLOB);
    if verdict == HostKeyCheck::Trusted {
        assert_eq!(status, HostKeyStatus::Known);
        assert!(found.algorithms().contains(&"ssh-ed25519"), "trusted, but not negotiated");
        // Compare only the beginning of the base64 text. Its last characters can contain unused
        // bits, so the same key can be written in several ways.
        let base64 = KEY
            .split(' ')
            .nth(1)
            .and_then(|base64| base64.get(..base64.len() - 2))
            .unwrap_or_default();
        assert!(crate::text::holds(bytes, base64.as_bytes()), "trusted, but not in the file");
    }
    assert!(found.algorithms().is_empty() || status == HostKeyStatus::Known, "{status:?}");
    assert!(!found.is_empty() || status == HostKeyStatus::Unknown, "{status:?}");
    assert_eq!(found.name().is_some(), !found.describe().is_empty());
    if let Some(name) = found.name() {
        assert!(
            ["web1", "192.0.2.1", "[web1]:2222", "[192.0.2.1]:2222"].contains(&name),
            "{name:?}"
        );
    }
    assert!(is_harmless(&found.describe()), "{:?}", found.describe());
    let lines = bytes.split(|b| *b == b'\n').count();
    let place = match (&status, &verdict) {
        (HostKeyStatus::Revoked(place) | HostKeyStatus::AuthorityOnly(place), _)
        | (_, HostKeyCheck::Revoked(place)) => Some(place),
        _ => None,
    };
    for place in found.malformed().iter().chain(place) {
        let line = place.strip_prefix("f:").and_then(|number| number.parse::<usize>().ok());
        assert!(line.is_some_and(|line| (1..=lines).contains(&line)), "no such line: {place:?}");
    }
}

/// Returns a name for the verdict without a line number. Line numbers depend on how the lines are
/// split into files.
fn kind(verdict: &HostKeyCheck) -> &'static str {
    match verdict {
        HostKeyCheck::Trusted => "trusted",
        HostKeyCheck::Mismatch => "other",
        HostKeyCheck::Revoked(_) => "revoked",
    }
}
