//! From a target to a logged-in session: the local files first, then the network, the host's key
//! before ours.

use std::io::{self, ErrorKind};

use ssh2::MethodType;

use super::agent::{self, Signed};
use super::connection::{Failure, Wire, code};
use super::kexinit;
use super::{SshTarget, jump_host, target};
use crate::deadline::Clock;
use crate::key::{self, Key};
use crate::known_hosts::{self, Names, OnFile, Source, Standing, Verdict};
use crate::{Error, Phase, resolve};

/// The fastest first: curve25519 costs a third of what the others do. No SHA-1, no CBC. libssh2
/// adds the markers of strict key exchange and of RFC 8308 itself.
const KEX: &str = "curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,\
                   ecdh-sha2-nistp521,diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha256,\
                   diffie-hellman-group16-sha512,diffie-hellman-group18-sha512";
const CIPHERS: &str = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,\
                       aes256-ctr";
const MACS: &str =
    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512";

/// Reaches the host and logs in.
pub(crate) fn log_in(target: &SshTarget, clock: Clock) -> Result<Wire, Error> {
    target::check(target)?;
    let on_file = read_known_hosts(target)?;
    let wanted = algorithms(target, &on_file)?;
    let key = if target.agent { None } else { Some(key::read(target)?) };
    let mut wire = reach(target, clock)?;
    handshake(&mut wire, target, &wanted)?;
    check_host_key(&wire, target, &on_file)?;
    match key {
        Some(key) => authenticate(&mut wire, target, &key)?,
        None => authenticate_by_agent(&mut wire, target)?,
    }
    Ok(wire)
}

/// A connection on which nothing was said yet; a bastion on the way has been logged in to.
pub(crate) fn reach(target: &SshTarget, clock: Clock) -> Result<Wire, Error> {
    match &target.via {
        None => Wire::new(
            resolve::connect(&clock, &target.address, target.port)?,
            clock,
            target.keepalive,
        ),
        Some(bastion) => {
            Wire::new(jump_host::connect(&clock, bastion, target)?, clock, target.keepalive)
        }
    }
}

/// The longest known_hosts, in bytes: 10,000 hosts have 5 MB.
const LONGEST: u64 = 64 << 20;

pub(crate) fn read_known_hosts(target: &SshTarget) -> Result<OnFile, Error> {
    let mut texts = Vec::new();
    for file in &target.known_hosts {
        match safe_file::read(file, LONGEST, None).map_err(io::Error::from) {
            Ok(text) => texts.push((file.display().to_string(), text)),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(Error::KnownHosts { file: file.clone(), why: e.to_string() }),
        }
    }
    let sources: Vec<_> = texts.iter().map(|(name, text)| Source { name, text }).collect();
    let on_file =
        known_hosts::look_up(&sources, &Names::new(&target.host, &target.address, target.port));
    if !on_file.is_empty() {
        return Ok(on_file);
    }
    let state = if sources.is_empty() { "does not exist" } else { "holds no host key" };
    let (host, files, keyscan) = (target.host.clone(), target.files(), target.keyscan());
    Err(Error::KnownHostsEmpty { host, files, state, keyscan })
}

/// What the host is to prove itself with, or why there is no use in asking it.
pub(crate) fn algorithms(target: &SshTarget, on_file: &OnFile) -> Result<String, Error> {
    let host = target.host.clone();
    match on_file.standing() {
        Standing::Revoked(place) => return Err(Error::HostKeyRevoked { host, place }),
        Standing::AuthorityOnly(place) => return Err(Error::CertAuthorityOnly { host, place }),
        Standing::Unknown => {
            let mut files = target.files();
            if let Some(place) = on_file.malformed().first() {
                files.push_str(&format!(" ({place} names it, but holds no key that can be read)"));
            }
            return Err(Error::HostKeyUnknown { host, files, keyscan: target.keyscan() });
        }
        Standing::Known => {}
    }
    let wanted = on_file.algorithms();
    if wanted.is_empty() {
        let detail = "the built-in SSH knows no such type".into();
        return Err(Error::NoCommonAlgorithm {
            host,
            address: target.place(),
            wanted: on_file.describe(),
            detail,
        });
    }
    Ok(wanted.join(","))
}

pub(crate) fn handshake(wire: &mut Wire, target: &SshTarget, wanted: &str) -> Result<(), Error> {
    let no_agreement = |detail: String| Error::NoCommonAlgorithm {
        host: target.host.clone(),
        address: target.place(),
        wanted: wanted.into(),
        detail,
    };
    // libssh2 says -33 when it knows none of the names, and then keeps its default list.
    let session = &wire.session;
    session
        .method_pref(MethodType::HostKey, wanted)
        .map_err(|e| no_agreement(e.message().into()))?;
    for (method, names) in [
        (MethodType::Kex, KEX),
        (MethodType::CryptCs, CIPHERS),
        (MethodType::CryptSc, CIPHERS),
        (MethodType::MacCs, MACS),
        (MethodType::MacSc, MACS),
    ] {
        session.method_pref(method, names).map_err(|e| no_agreement(e.message().into()))?;
    }
    let Err(failure) = wire.drive(Phase::Handshake, |session| session.handshake())? else {
        return Ok(());
    };
    let asked = [
        ("key exchanges", KEX, 0),
        ("host keys", wanted, 1),
        ("ciphers", CIPHERS, 2),
        ("MACs", MACS, 4),
    ];
    Err(match kexinit::disagreement(&wire.head(), &asked) {
        Some(detail) => no_agreement(detail),
        None => wire.error(Phase::Handshake, &failure),
    })
}

fn check_host_key(wire: &Wire, target: &SshTarget, on_file: &OnFile) -> Result<(), Error> {
    let host = target.host.clone();
    let Some((shown, _)) = wire.session.host_key() else {
        return Err(Error::Protocol {
            host,
            phase: Phase::Handshake,
            detail: "it showed no host key".into(),
        });
    };
    match on_file.judge(shown) {
        Verdict::Trusted => Ok(()),
        Verdict::Revoked(place) => Err(Error::HostKeyRevoked { host, place }),
        Verdict::Other => Err(Error::HostKeyMismatch {
            host,
            address: target.place(),
            presented: known_hosts::describe_blob(shown),
            recorded: on_file.describe(),
            files: target.files(),
        }),
    }
}

fn authenticate(wire: &mut Wire, target: &SshTarget, key: &Key) -> Result<(), Error> {
    let sign = |session: &mut ssh2::Session| {
        session.userauth_pubkey_memory(&target.user, None, &key.text, key.passphrase.as_deref())
    };
    match wire.drive(Phase::Login, sign)? {
        Ok(()) if wire.session.authenticated() => Ok(()),
        Ok(()) => Err(refused(target, &key.shown)),
        Err(e) => Err(login_error(wire, target, key, &e)),
    }
}

fn authenticate_by_agent(wire: &mut Wire, target: &SshTarget) -> Result<(), Error> {
    match agent::log_in(wire, target)? {
        Signed::In => Ok(()),
        Signed::Refused(keys) => Err(refused(target, &format!("the agent's {keys}"))),
        Signed::Failed(failure) => Err(wire.error(Phase::Login, &failure)),
    }
}

fn login_error(wire: &Wire, target: &SshTarget, key: &Key, failure: &Failure) -> Error {
    let file = target.key.clone();
    match failure.number {
        _ if failure.is_refusal() => refused(target, &key.shown),
        code::KEYFILE_AUTH_FAILED | code::FILE | code::METHOD_NONE if key.passphrase.is_some() => {
            Error::Passphrase {
                file,
                why: format!(
                    "its passphrase is not the one on file, or the key is damaged ({failure})"
                ),
            }
        }
        code::KEYFILE_AUTH_FAILED | code::FILE | code::METHOD_NONE => {
            Error::KeyFileFormat { file, why: format!("libssh2 cannot read it ({failure})") }
        }
        _ => wire.error(Phase::Login, failure),
    }
}

fn refused(target: &SshTarget, key: &str) -> Error {
    Error::AuthRefused {
        host: target.host.clone(),
        address: target.place(),
        user: target.user.clone(),
        key: key.into(),
    }
}
