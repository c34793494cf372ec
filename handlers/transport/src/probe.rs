//! Checks a route during setup and diagnosis. Never logs in to the host.

use std::time::Instant;

use policy_file::{Backend, HostRoute};
use ssh_key::{HashAlg, PublicKey};

use crate::deadline::RequestDeadline;
use crate::error::{Error, Phase};
use crate::known_hosts::{self, RecordedHostKeys};
use crate::ssh::connection::Connection;
use crate::ssh::{kexinit, session};
use crate::{key, resolve, route};

/// The supported types of host keys, in order of preference. RSA keys are used only with SHA-2
/// (RFC 8332).
const TYPES: [&str; 5] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512,rsa-sha2-256",
];

/// A host key that was received in a key exchange. The key exchange proves that the sender has the
/// private key (RFC 4253, 8), but not that the sender is the right host.
#[derive(Debug, Clone)]
pub struct ShownKey {
    key: PublicKey,
    blob: Vec<u8>,
}

impl ShownKey {
    /// Parses a key in the SSH wire format (RFC 4253, 6.6). Returns `None` if it is not a key.
    pub fn read(blob: &[u8]) -> Option<ShownKey> {
        let mut key = PublicKey::from_bytes(blob).ok()?;
        key.set_comment("");
        Some(ShownKey { key, blob: blob.to_owned() })
    }

    /// Returns the type of the key as it is written in known_hosts.
    pub fn kind(&self) -> String {
        self.key.algorithm().to_string()
    }

    /// Returns the path at which a host with OpenSSH normally stores the public part of this key.
    pub fn file_on_host(&self) -> String {
        let kind = self.kind();
        let short =
            if kind.starts_with("ecdsa") { "ecdsa" } else { kind.trim_start_matches("ssh-") };
        format!("/etc/ssh/ssh_host_{short}_key.pub")
    }

    /// Returns the SHA-256 fingerprint in the same format as ssh-keygen(1): `SHA256:` and base64.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Returns the key in the SSH wire format.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// Returns the key as it is written after the name in a known_hosts line: its type and base64.
    pub fn line(&self) -> Option<String> {
        self.key.to_openssh().ok()
    }
}

/// Returns the host's keys in order of preference. Each key comes from a key exchange, in which the
/// host proved that it has the private key.
///
/// This function does not log in to the host. If the route has a jump host, it logs in to the jump
/// host, whose key must already be recorded.
pub fn host_keys(route: &HostRoute, deadline: Instant) -> Result<Vec<ShownKey>, Error> {
    route::check(route)?;
    let mut keys = Vec::new();
    let mut offered: Option<Vec<String>> = None;
    let mut none = None;
    for wanted in TYPES {
        let is_offered = |names: &Vec<String>| {
            wanted.split(',').any(|name| names.iter().any(|offered| offered == name))
        };
        if !offered.as_ref().is_none_or(is_offered) {
            continue;
        }
        let mut connection = session::connect(route, RequestDeadline::new(&route.host, deadline))?;
        match session::handshake(&mut connection, route, wanted) {
            Ok(()) => keys.push(shown(&connection, route)?),
            Err(why @ Error::NoCommonAlgorithm { .. }) => none = Some(why),
            Err(why) => return Err(why),
        }
        offered = kexinit::host_keys(&connection.head()).or(offered);
    }
    match none {
        Some(why) if keys.is_empty() => Err(why),
        _ => Ok(keys),
    }
}

fn shown(connection: &Connection, route: &HostRoute) -> Result<ShownKey, Error> {
    let key = connection.session.host_key().and_then(|(blob, _)| ShownKey::read(blob));
    let detail = "the host sent a malformed host key";
    key.ok_or_else(|| Error::Protocol {
        host: route.host.clone(),
        phase: Phase::Handshake,
        detail: detail.into(),
    })
}

/// Returns the recorded keys of the host. The result is empty if no known_hosts file exists.
pub fn recorded(route: &HostRoute) -> Result<RecordedHostKeys, Error> {
    match known_hosts::read(route) {
        Err(Error::KnownHostsEmpty { .. }) => Ok(RecordedHostKeys::default()),
        read => read,
    }
}

/// Returns the host key algorithms to offer, in order of preference and separated by commas. If no
/// connection to the host could succeed, returns an error that explains why.
pub fn negotiated(route: &HostRoute) -> Result<String, Error> {
    route::check(route)?;
    known_hosts::algorithms(route, &known_hosts::read(route)?)
}

/// Checks that the route's backend can use the private key without a prompt. Returns a description
/// of the key for messages.
pub fn private_key(route: &HostRoute) -> Result<String, Error> {
    match route.backend {
        Backend::Ssh2 => key::read(route).map(|key| key.shown),
        Backend::OpenSsh => key::check(route).map(|()| format!("key {}", route.key.display())),
    }
}

/// Checks that the host's SSH port accepts a connection, and closes the connection.
pub fn port(route: &HostRoute, deadline: Instant) -> Result<(), Error> {
    route::check(route)?;
    resolve::connect(&RequestDeadline::new(&route.host, deadline), &route.address, route.port)
        .map(drop)
}
