//! Looking before anything is asked: what set-up and diagnosis need to know. Nobody logs in to the
//! host here.

use std::time::Instant;

use ssh_key::{HashAlg, PublicKey};

use crate::deadline::Clock;
use crate::known_hosts::OnFile;
use crate::ssh::connection::Wire;
use crate::ssh::{SshTarget, kexinit, session, target};
use crate::{Error, Phase, key, resolve};

/// The types of host keys that can be recorded and compared, the best first; RSA with SHA-2 only
/// (RFC 8332).
const TYPES: [&str; 5] = [
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512,rsa-sha2-256",
];

/// A key that a host has shown, and proved to have (RFC 4253, 8). Whose host it is, is another
/// question.
#[derive(Debug, Clone)]
pub struct ShownKey {
    key: PublicKey,
    blob: Vec<u8>,
}

impl ShownKey {
    /// The key as a host sends it (RFC 4253, 6.6); `None` when it is not one.
    pub fn read(blob: &[u8]) -> Option<ShownKey> {
        let mut key = PublicKey::from_bytes(blob).ok()?;
        key.set_comment("");
        Some(ShownKey { key, blob: blob.to_owned() })
    }

    /// Its type, as in a line of known_hosts.
    pub fn kind(&self) -> String {
        self.key.algorithm().to_string()
    }

    /// Its file on the host, as OpenSSH names it.
    pub fn file_on_host(&self) -> String {
        let kind = self.kind();
        let short =
            if kind.starts_with("ecdsa") { "ecdsa" } else { kind.trim_start_matches("ssh-") };
        format!("/etc/ssh/ssh_host_{short}_key.pub")
    }

    /// `SHA256:` and base64, as ssh-keygen(1) prints it.
    pub fn fingerprint(&self) -> String {
        self.key.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The key as the host sends it.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// Type and base64: what follows the name in a line of known_hosts.
    pub fn line(&self) -> Option<String> {
        self.key.to_openssh().ok()
    }
}

/// The host's keys, the best first, each one proved by a key exchange. The host is not trusted and
/// not logged in to; a bastion on the way is, and its own key has to be on file.
pub fn host_keys(target: &SshTarget, deadline: Instant) -> Result<Vec<ShownKey>, Error> {
    target::check(target)?;
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
        let mut wire = session::reach(target, Clock::new(&target.host, deadline))?;
        match session::handshake(&mut wire, target, wanted) {
            Ok(()) => keys.push(shown(&wire, target)?),
            Err(why @ Error::NoCommonAlgorithm { .. }) => none = Some(why),
            Err(why) => return Err(why),
        }
        offered = kexinit::host_keys(&wire.head()).or(offered);
    }
    match none {
        Some(why) if keys.is_empty() => Err(why),
        _ => Ok(keys),
    }
}

fn shown(wire: &Wire, target: &SshTarget) -> Result<ShownKey, Error> {
    let key = wire.session.host_key().and_then(|(blob, _)| ShownKey::read(blob));
    let detail = "it showed a host key that cannot be read";
    key.ok_or_else(|| Error::Protocol {
        host: target.host.clone(),
        phase: Phase::Handshake,
        detail: detail.into(),
    })
}

/// What is on file for the host; nothing when there is no file yet.
pub fn recorded(target: &SshTarget) -> Result<OnFile, Error> {
    match session::read_known_hosts(target) {
        Err(Error::KnownHostsEmpty { .. }) => Ok(OnFile::default()),
        read => read,
    }
}

/// The types of host key that will be asked for, best first and with commas, or why there is no use
/// in connecting.
pub fn negotiated(target: &SshTarget) -> Result<String, Error> {
    target::check(target)?;
    session::algorithms(target, &session::read_known_hosts(target)?)
}

/// The private key as messages call it, if this user can use it without asking anybody. `by_ssh`:
/// the `ssh` program reads it.
pub fn private_key(target: &SshTarget, by_ssh: bool) -> Result<String, Error> {
    if by_ssh {
        key::check(target)?;
        return Ok(format!("key {}", target.key.display()));
    }
    key::read(target).map(|key| key.shown)
}

/// Connects to the port and hangs up.
pub fn port(target: &SshTarget, deadline: Instant) -> Result<(), Error> {
    target::check(target)?;
    resolve::connect(&Clock::new(&target.host, deadline), &target.address, target.port).map(drop)
}
