//! Decides whether to record a key that a host presents. The result depends only on the options,
//! the recorded keys and the keys that the host presents.

use std::slice;

use transport::known_hosts::{HostKeyCheck, RecordedHostKeys};

/// The options on the command line that the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct TrustOptions {
    /// Whether the admin passed the key's fingerprint.
    pub named: bool,
    /// Whether to remove all other recorded keys.
    pub replace: bool,
}

/// What to do with the key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum TrustAction {
    /// Change nothing, because repairs already accept the requested keys and no others.
    Keep,
    /// Record the key, and remove all other keys that are recorded for the host.
    Record,
    /// Refuse, because the host presents none of the recorded keys.
    Changed,
    /// Refuse, because the host presents a recorded key, but other keys are recorded as well.
    Others,
    /// Refuse, because a line in known_hosts revokes the key. The string is the file and line
    /// number.
    Revoked(String),
}

/// Decides what to do with `key`, which is one of the keys in `shown`. With --fingerprint or
/// --replace, repairs may accept only `key` from now on. Without these options, they may accept any
/// key in `shown`.
pub fn decide(
    options: TrustOptions,
    on_file: &RecordedHostKeys,
    key: &[u8],
    shown: &[&[u8]],
) -> TrustAction {
    let good = if options.named || options.replace { slice::from_ref(&key) } else { shown };
    let trusted = |key: &&[u8]| on_file.check(key) == HostKeyCheck::Trusted;
    if good.iter().any(trusted) && on_file.besides(good).next().is_none() {
        return TrustAction::Keep;
    }
    match on_file.check(key) {
        HostKeyCheck::Revoked(place) => TrustAction::Revoked(place),
        _ if options.replace || on_file.places().next().is_none() => TrustAction::Record,
        _ if shown.iter().any(trusted) => TrustAction::Others,
        _ => TrustAction::Changed,
    }
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Encoding};
    use transport::known_hosts::{HostKeyNames, KnownHostsText, look_up};

    use super::*;

    const NEW: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDVqgG9+kZw/ERPDjZtHHoHo0BTdwmDNx1CzKsBoJ9he";
    const OLD: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHs2iZy3KsEfXLURrAwCmHb+uYSCxyD9n50+4iRaeek6";

    fn on_file(text: &str) -> RecordedHostKeys {
        look_up(
            &[KnownHostsText { name: "f", text: text.as_bytes() }],
            &HostKeyNames::new("web1", "192.0.2.1", 22),
        )
    }

    /// Returns the bytes of a key as a host sends them.
    fn blob(key: &str) -> Vec<u8> {
        Base64::decode_vec(key.split(' ').nth(1).unwrap()).unwrap()
    }

    #[test]
    fn keeps_the_file_only_if_repairs_accept_exactly_the_requested_keys() {
        use TrustAction::{Changed, Keep, Others, Record};
        let (new, old) = (blob(NEW), blob(OLD));
        let revoked = || TrustAction::Revoked("f:1".into());
        let line = |name: &str, key: &str| format!("{name} {key}\n");
        let (web1_new, web1_old) = (line("web1", NEW), line("web1", OLD));
        // Each row has the recorded lines, the keys that the host presents, and four actions:
        // without options, with --fingerprint NEW, with --replace, and with both.
        let (only, both) = (&[new.as_slice()][..], &[new.as_slice(), old.as_slice()][..]);
        for (text, shown, wanted) in [
            (String::new(), only, [Record, Record, Record, Record]),
            (String::new(), both, [Record, Record, Record, Record]),
            (web1_new.clone(), only, [Keep, Keep, Keep, Keep]),
            (web1_new.clone(), both, [Keep, Keep, Keep, Keep]),
            (web1_old.clone(), only, [Changed, Changed, Record, Record]),
            (web1_old.clone(), both, [Keep, Others, Record, Record]),
            (format!("{web1_old}{web1_new}"), only, [Others, Others, Record, Record]),
            (format!("{web1_old}{web1_new}"), both, [Keep, Others, Record, Record]),
            // The recorded line contains a pattern, or the address instead of the name.
            (line("web*", OLD), both, [Keep, Others, Record, Record]),
            (line("192.0.2.1", NEW), both, [Keep, Keep, Keep, Keep]),
            (line("192.0.2.1", OLD), only, [Changed, Changed, Record, Record]),
            // A key is recorded for the name, so repairs ignore the key that is recorded for the
            // address.
            (format!("{web1_new}{}", line("192.0.2.1", OLD)), both, [Keep, Keep, Keep, Keep]),
            (line("@cert-authority *", OLD), both, [Record, Record, Record, Record]),
            (line("@revoked *", NEW), both, [revoked(), revoked(), revoked(), revoked()]),
            (
                format!("{}{web1_new}", line("@revoked *", NEW)),
                only,
                [revoked(), revoked(), revoked(), revoked()],
            ),
            (
                format!("{}{web1_old}", line("@revoked *", NEW)),
                both,
                [Keep, revoked(), revoked(), revoked()],
            ),
            // The old key is recorded and also revoked. ssh(1) refuses a host that presents a
            // revoked key.
            (
                format!("{}{web1_new}{web1_old}", line("@revoked *", OLD)),
                both,
                [Others, Others, Record, Record],
            ),
        ] {
            let wishes = [(false, false), (true, false), (false, true), (true, true)];
            let steps = wishes.map(|(named, replace)| {
                decide(TrustOptions { named, replace }, &on_file(&text), &new, shown)
            });
            assert_eq!(steps, wanted, "{} shown, on file:\n{text}", shown.len());
        }
    }
}
