//! Reads the known_hosts files of a route.

use std::io::{self, ErrorKind};

use policy_file::HostRoute;

use super::parse::{KnownHostsText, look_up};
use super::patterns::HostKeyNames;
use super::recorded::{HostKeyStatus, RecordedHostKeys};
use crate::error::Error;
use crate::route::{address_and_port, known_hosts_files};

/// Maximum size of a known_hosts file in bytes. A file with 10,000 hosts is 5 MB.
const LONGEST: u64 = 64 << 20;

/// Reads the host's keys from the known_hosts files of its route. Missing files are skipped.
pub(crate) fn read(route: &HostRoute) -> Result<RecordedHostKeys, Error> {
    let mut texts = Vec::new();
    for file in &route.known_hosts {
        match safe_file::read(file, LONGEST, None).map_err(io::Error::from) {
            Ok(text) => texts.push((file.display().to_string(), text)),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(Error::KnownHosts { file: file.clone(), why: e.to_string() }),
        }
    }
    let files: Vec<_> = texts.iter().map(|(name, text)| KnownHostsText { name, text }).collect();
    let recorded = look_up(&files, &HostKeyNames::new(&route.host, &route.address, route.port));
    if !recorded.is_empty() {
        return Ok(recorded);
    }
    Err(Error::KnownHostsEmpty {
        host: route.host.clone(),
        files: known_hosts_files(route),
        state: if files.is_empty() { "does not exist" } else { "contains no host key" },
    })
}

/// Returns the host key algorithms to offer, in order of preference and separated by commas. If no
/// connection to the host could succeed, returns an error that explains why.
pub(crate) fn algorithms(route: &HostRoute, recorded: &RecordedHostKeys) -> Result<String, Error> {
    let host = route.host.clone();
    match recorded.status() {
        HostKeyStatus::Revoked(place) => return Err(Error::HostKeyRevoked { host, place }),
        HostKeyStatus::AuthorityOnly(place) => {
            return Err(Error::CertAuthorityOnly { host, place });
        }
        HostKeyStatus::Unknown => {
            let mut files = known_hosts_files(route);
            if let Some(place) = recorded.malformed().first() {
                files.push_str(&format!(" ({place} names the host, but has no valid key)"));
            }
            return Err(Error::HostKeyUnknown { host, files });
        }
        HostKeyStatus::Known => {}
    }
    let algorithms = recorded.algorithms();
    if algorithms.is_empty() {
        return Err(Error::NoCommonAlgorithm {
            host,
            address: address_and_port(route),
            wanted: recorded.describe(),
            detail: "the built-in SSH supports none of the recorded types".into(),
        });
    }
    Ok(algorithms.join(","))
}
