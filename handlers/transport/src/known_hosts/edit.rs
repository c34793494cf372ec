//! Removes a host from the content of a known_hosts file. This module does no I/O.

use ssh_key::known_hosts::HostPatterns;

use super::patterns::covers;

/// The host cannot be removed, because its name is matched by a pattern that also covers other
/// hosts. Holds the number of the pattern's line, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pattern in line {0} matches this host name, but also other hosts")]
pub struct SharedLine(pub usize);

/// Returns `text` without the keys that are recorded under exactly these names.
///
/// If a line also has other names, only the given names are removed from it. Comments, lines with a
/// marker (`@revoked`, `@cert-authority`) and all other bytes stay unchanged.
///
/// # Errors
/// Fails if a pattern for several hosts matches one of the names. Removing its line would also
/// remove the keys of the other hosts.
pub fn remove_host(text: &[u8], names: &[&str]) -> Result<Vec<u8>, SharedLine> {
    let mut kept = Vec::with_capacity(text.len());
    for (number, line) in text.split_inclusive(|b| *b == b'\n').enumerate() {
        let mut left = line.to_vec();
        for name in names {
            left = without(left, &name.to_lowercase()).ok_or(SharedLine(number + 1))?;
        }
        kept.extend(left);
    }
    Ok(kept)
}

/// Removes a name from a line and returns the rest, which is empty if no other name is left.
/// Returns `None` if a pattern for several hosts still matches the name.
fn without(line: Vec<u8>, name: &str) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(&line);
    let first = text.split_ascii_whitespace().next().filter(|first| !first.starts_with(['#', '@']));
    let Some((first, patterns)) =
        first.and_then(|first| Some((first, first.parse::<HostPatterns>().ok()?)))
    else {
        return Some(line);
    };
    if !covers(&patterns, name) {
        return Some(line);
    }
    let HostPatterns::Patterns(all) = patterns else { return Some(Vec::new()) };
    let others: Vec<String> =
        all.into_iter().filter(|pattern| pattern.to_lowercase() != name).collect();
    if others.iter().all(|pattern| pattern.starts_with('!')) {
        return Some(Vec::new());
    }
    let less = others.join(",");
    if covers(&HostPatterns::Patterns(others), name) {
        return None;
    }
    let start = text.find(first).unwrap_or_default();
    let rest = line.get(start + first.len()..).unwrap_or_default();
    Some([less.as_bytes(), rest].concat())
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, Mac};
    use sha1::Sha1;

    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDVqgG9+kZw/ERPDjZtHHoHo0BTdwmDNx1CzKsBoJ9he";

    fn removed(text: &str) -> Result<String, SharedLine> {
        remove_host(text.as_bytes(), &["Web1"]).map(|kept| String::from_utf8(kept).unwrap())
    }

    #[test]
    fn removes_only_this_name() {
        let text = format!(
            "# web1 is old\nweb1 {KEY}\nweb10 {KEY} web1\n[web1]:22 {KEY}\n@revoked web1 \
            {KEY}\n\nWEB1 {KEY}"
        );
        let left =
            format!("# web1 is old\nweb10 {KEY} web1\n[web1]:22 {KEY}\n@revoked web1 {KEY}\n\n");
        assert_eq!(removed(&text), Ok(left));
        assert_eq!(
            removed(&format!("web2,web1,192.0.2.1 {KEY} note\n")),
            Ok(format!("web2,192.0.2.1 {KEY} note\n"))
        );
        assert_eq!(removed(&format!("  web1,web2 {KEY}\n")), Ok(format!("web2 {KEY}\n")));
        let both = remove_host(
            format!("web1,192.0.2.1 {KEY}\n192.0.2.1,db1 {KEY}\n").as_bytes(),
            &["web1", "192.0.2.1"],
        );
        assert_eq!(both, Ok(format!("db1 {KEY}\n").into_bytes()));
    }

    #[test]
    fn removes_hashed_names_but_no_wildcards() {
        let hashed = |name: &str| {
            let salt = vec![7; 20];
            let mac = Hmac::<Sha1>::new_from_slice(&salt)
                .unwrap()
                .chain_update(name)
                .finalize()
                .into_bytes();
            HostPatterns::HashedName { salt, hash: mac.into() }.to_string()
        };
        let other = format!("{} {KEY}\n", hashed("web2"));
        assert_eq!(removed(&format!("{} {KEY}\n{other}", hashed("web1"))), Ok(other));
        assert_eq!(removed(&format!("a {KEY}\nweb* {KEY}\n")), Err(SharedLine(2)));
        assert_eq!(removed(&format!("web1,web* {KEY}\n")), Err(SharedLine(1)));
        assert_eq!(removed(&format!("web*,!web1 {KEY}\n")), Ok(format!("web*,!web1 {KEY}\n")));
    }
}
