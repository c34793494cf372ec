//! The names under which a host's keys are recorded, and the host patterns in a known_hosts line.

use hmac::{Hmac, Mac};
use sha1::Sha1;
use ssh_key::known_hosts::HostPatterns;

use crate::glob;

/// The names under which a host's keys may be recorded, in lookup order. The lookup stops at the
/// first name that has keys, and only these keys are trusted. A key that is revoked under any of
/// the names is refused.
#[derive(Debug, Clone)]
pub struct HostKeyNames(Vec<String>);

impl HostKeyNames {
    /// Builds the same names as ssh does: the host's name in Nagios, then its address. If the port
    /// is not 22, the list starts with both in the form `[name]:port`. Names are compared in lower
    /// case.
    pub fn new(host: &str, address: &str, port: u16) -> HostKeyNames {
        let plain = [host.to_lowercase(), address.to_lowercase()];
        let with_port = plain.iter().filter(|_| port != 22).map(|name| format!("[{name}]:{port}"));
        HostKeyNames(with_port.chain(plain.iter().cloned()).collect())
    }

    /// Returns the first name that can be written to known_hosts unchanged, that is, one without a
    /// blank, comma or wildcard.
    pub fn to_record(&self) -> Option<&str> {
        let plain = |c: char| {
            c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%' | '[' | ']')
        };
        self.0.iter().map(String::as_str).find(|name| name.chars().all(plain))
    }

    /// Returns the index of the first name that the patterns match.
    pub(super) fn rank(&self, patterns: &HostPatterns) -> Option<usize> {
        self.0.iter().position(|name| covers(patterns, name))
    }

    pub(super) fn get(&self, rank: usize) -> Option<&str> {
        self.0.get(rank).map(String::as_str)
    }

    /// Whether a negated pattern excludes any of the names.
    pub(super) fn any_excluded(&self, patterns: &HostPatterns) -> bool {
        let HostPatterns::Patterns(patterns) = patterns else { return false };
        self.0.iter().any(|name| excludes(patterns, name))
    }
}

/// Whether the host field of a line matches a name. A field is either a hashed name or a list of
/// patterns. A list matches if one of its patterns matches and none of its negated patterns does.
pub(super) fn covers(patterns: &HostPatterns, name: &str) -> bool {
    match patterns {
        HostPatterns::HashedName { salt, hash } => {
            // HMAC accepts keys of any length, so this cannot fail.
            Hmac::<Sha1>::new_from_slice(salt)
                .is_ok_and(|mac| mac.chain_update(name).verify_slice(hash).is_ok())
        }
        HostPatterns::Patterns(patterns) => {
            let plain = |pattern: &&String| !pattern.starts_with('!');
            patterns.iter().filter(plain).any(|pattern| glob::matches(pattern, name))
                && !excludes(patterns, name)
        }
    }
}

fn excludes(patterns: &[String], name: &str) -> bool {
    let mut negated = patterns.iter().filter_map(|pattern| pattern.strip_prefix('!'));
    negated.any(|pattern| glob::matches(pattern, name))
}
