//! Logs in to the host of a route. The local files are checked before the network is used, and the
//! host's key is verified before our key is used.

use policy_file::HostRoute;
use ssh2::MethodType;

use super::agent::{self, AgentLogin};
use super::connection::{Connection, Ssh2Failure, code};
use super::jump_host::Tunnel;
use super::kexinit;
use crate::deadline::RequestDeadline;
use crate::error::{Error, Phase};
use crate::key::{self, LoginKey};
use crate::known_hosts::{self, HostKeyCheck, RecordedHostKeys};
use crate::resolve;
use crate::route::{self, address_and_port, known_hosts_files};

/// Key exchange algorithms, the fastest first. curve25519 takes a third as long as the others.
///
/// None of the lists in this module contains SHA-1 or CBC. libssh2 itself adds the names that
/// announce strict key exchange and extension negotiation (RFC 8308).
const KEX: &str = "curve25519-sha256,curve25519-sha256@libssh.org,\
                   ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,\
                   diffie-hellman-group-exchange-sha256,diffie-hellman-group14-sha256,\
                   diffie-hellman-group16-sha512,diffie-hellman-group18-sha512";
const CIPHERS: &str = "aes128-gcm@openssh.com,aes256-gcm@openssh.com,\
                       chacha20-poly1305@openssh.com,aes128-ctr,aes192-ctr,aes256-ctr";
const MACS: &str =
    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512";

/// Checks the files of a route, connects, verifies the host's key and logs in.
pub(crate) fn log_in(route: &HostRoute, deadline: RequestDeadline) -> Result<Connection, Error> {
    route::check(route)?;
    let recorded = known_hosts::read(route)?;
    let algorithms = known_hosts::algorithms(route, &recorded)?;
    let key = if route.agent { None } else { Some(key::read(route)?) };
    let mut connection = connect(route, deadline)?;
    handshake(&mut connection, route, &algorithms)?;
    check_host_key(&connection, route, &recorded)?;
    match key {
        Some(key) => authenticate(&mut connection, route, &key)?,
        None => authenticate_by_agent(&mut connection, route)?,
    }
    Ok(connection)
}

/// Opens a connection to the host of a route without sending anything to it. If the route has a
/// jump host, this function logs in to the jump host first.
pub(crate) fn connect(route: &HostRoute, deadline: RequestDeadline) -> Result<Connection, Error> {
    match &route.via {
        None => {
            let socket = resolve::connect(&deadline, &route.address, route.port)?;
            Connection::new(socket, deadline, route.keepalive)
        }
        Some(via) => {
            let jump_host = log_in(via, RequestDeadline::new(&via.host, deadline.instant()))?;
            Connection::new(Tunnel::open(jump_host, route)?, deadline, route.keepalive)
        }
    }
}

/// Performs the key exchange. `host_keys` lists the host key algorithms to offer.
pub(crate) fn handshake(
    connection: &mut Connection,
    route: &HostRoute,
    host_keys: &str,
) -> Result<(), Error> {
    let no_agreement = |detail: String| Error::NoCommonAlgorithm {
        host: route.host.clone(),
        address: address_and_port(route),
        wanted: host_keys.into(),
        detail,
    };
    // If libssh2 supports none of the names in a list, it returns error -33 and keeps its default
    // list. Fail in this case, so that the default list is never used.
    let session = &connection.session;
    session
        .method_pref(MethodType::HostKey, host_keys)
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
    let Err(failure) = connection.drive(Phase::Handshake, |session| session.handshake())? else {
        return Ok(());
    };
    let offered = [
        ("key exchanges", KEX, 0),
        ("host keys", host_keys, 1),
        ("ciphers", CIPHERS, 2),
        ("MACs", MACS, 4),
    ];
    Err(match kexinit::disagreement(&connection.head(), &offered) {
        Some(detail) => no_agreement(detail),
        None => connection.error(Phase::Handshake, &failure),
    })
}

fn check_host_key(
    connection: &Connection,
    route: &HostRoute,
    recorded: &RecordedHostKeys,
) -> Result<(), Error> {
    let host = route.host.clone();
    let Some((shown, _)) = connection.session.host_key() else {
        return Err(Error::Protocol {
            host,
            phase: Phase::Handshake,
            detail: "the host sent no host key".into(),
        });
    };
    match recorded.check(shown) {
        HostKeyCheck::Trusted => Ok(()),
        HostKeyCheck::Revoked(place) => Err(Error::HostKeyRevoked { host, place }),
        HostKeyCheck::Mismatch => Err(Error::HostKeyMismatch {
            host,
            address: address_and_port(route),
            presented: known_hosts::describe_blob(shown),
            recorded: recorded.describe(),
            files: known_hosts_files(route),
        }),
    }
}

fn authenticate(
    connection: &mut Connection,
    route: &HostRoute,
    key: &LoginKey,
) -> Result<(), Error> {
    let sign = |session: &mut ssh2::Session| {
        session.userauth_pubkey_memory(&route.user, None, &key.text, key.passphrase.as_deref())
    };
    match connection.drive(Phase::Login, sign)? {
        Ok(()) if connection.session.authenticated() => Ok(()),
        Ok(()) => Err(refused(route, &key.shown)),
        Err(e) => Err(login_error(connection, route, key, &e)),
    }
}

fn authenticate_by_agent(connection: &mut Connection, route: &HostRoute) -> Result<(), Error> {
    match agent::log_in(connection, route)? {
        AgentLogin::LoggedIn => Ok(()),
        AgentLogin::Refused(keys) => Err(refused(route, &format!("the agent's {keys}"))),
        AgentLogin::Failed(failure) => Err(connection.error(Phase::Login, &failure)),
    }
}

fn login_error(
    connection: &Connection,
    route: &HostRoute,
    key: &LoginKey,
    failure: &Ssh2Failure,
) -> Error {
    let file = route.key.clone();
    match failure.number {
        _ if failure.is_refusal() => refused(route, &key.shown),
        code::KEYFILE_AUTH_FAILED | code::FILE | code::METHOD_NONE if key.passphrase.is_some() => {
            Error::Passphrase {
                file,
                why: format!(
                    "the passphrase in the passphrase file is wrong, or the key is damaged \
                     ({failure})"
                ),
            }
        }
        code::KEYFILE_AUTH_FAILED | code::FILE | code::METHOD_NONE => {
            Error::KeyFileFormat { file, why: format!("libssh2 cannot read the file ({failure})") }
        }
        _ => connection.error(Phase::Login, failure),
    }
}

fn refused(route: &HostRoute, key: &str) -> Error {
    Error::AuthRefused {
        host: route.host.clone(),
        address: address_and_port(route),
        user: route.user.clone(),
        key: key.into(),
    }
}
