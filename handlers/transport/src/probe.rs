//! Checks of a route for set-up and diagnosis, without a login to the host.

use std::time::Instant;

use policy_file::{Backend, HostRoute};
use ssh_key::{HashAlg, PublicKey};

use crate::deadline::RequestDeadline;
use crate::error::{Error, Phase};
use crate::known_hosts::{self, RecordedHostKeys};
use crate::ssh::connection::Connection;
use crate::ssh::{kexinit, session};
use crate::{key, resolve, route};

/// The types of host keys that can be recorded and compared, the best first; RSA with SHA-2 only
/// (RFC 8332).
const TYPES: [&str; 5] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512,rsa-sha2-256",
];

/// A key that a host has shown, and proved to have (RFC 4253, 8). It does not prove whose host it
/// is.
#[derive(Debug, Clone)]
pub struct ShownKey {
    key: PublicKey,
    blob: Vec<u8>,
}

impl ShownKey {
    /// Reads a key in the form that a host sends (RFC 4253, 6.6); `None` if it is not a key.
    pub fn read(blob: &[u8]) -> Option<ShownKey> {
        let mut key = PublicKey::from_bytes(blob).ok()?;
        key.set_comment("");
        Some(ShownKey { key, blob: blob.to_owned() })
    }

    /// Returns its type, as in a line of known_hosts.
    pub fn kind(&self) -> String {
        self.key.algorithm().to_string()
    }

    /// Returns its file on the host, as OpenSSH names it.
    pub fn file_on_host(&self) -> String {
        let kind = self.kind();
        let short =
            if kind.starts_with("ecdsa") { "ecdsa" } else { kind.trim_start_matches("ssh-") };
        format!("/etc/ssh/ssh_host_{short}_key.pub")
    }

    /// Returns `SHA256:` and base64, as ssh-keygen(1) prints it.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// Returns the key in the form that a host sends.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// Returns type and base64, which follow the name in a line of known_hosts.
    pub fn line(&self) -> Option<String> {
        self.key.to_openssh().ok()
    }
}

/// Returns the host's keys, the best first, each one proved by a key exchange. The host is not
/// logged in to; a jump host on the way is, and its own key has to be recorded.
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
    let detail = "it showed a host key that cannot be read";
    key.ok_or_else(|| Error::Protocol {
        host: route.host.clone(),
        phase: Phase::Handshake,
        detail: detail.into(),
    })
}

/// Returns the recorded keys of the host, which are none if there is no file yet.
pub fn recorded(route: &HostRoute) -> Result<RecordedHostKeys, Error> {
    match known_hosts::read(route) {
        Err(Error::KnownHostsEmpty { .. }) => Ok(RecordedHostKeys::default()),
        read => read,
    }
}

/// Returns the host key algorithms to offer, best first and with commas, or why there is no use in
/// connecting.
pub fn negotiated(route: &HostRoute) -> Result<String, Error> {
    route::check(route)?;
    known_hosts::algorithms(route, &known_hosts::read(route)?)
}

/// Returns the name of the private key in messages, if the route's backend can use it without a
/// prompt.
pub fn private_key(route: &HostRoute) -> Result<String, Error> {
    match route.backend {
        Backend::Ssh2 => key::read(route).map(|key| key.shown),
        Backend::OpenSsh => key::check(route).map(|()| format!("key {}", route.key.display())),
    }
}

/// Connects to the port and closes the connection.
pub fn port(route: &HostRoute, deadline: Instant) -> Result<(), Error> {
    route::check(route)?;
    resolve::connect(&RequestDeadline::new(&route.host, deadline), &route.address, route.port)
        .map(drop)
}
