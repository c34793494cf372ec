//! Letting an ssh-agent sign. libssh2 talks to the agent without any timeout, so it does so in a thread of its own, which
//! is left behind when the agent (or the person it asks for consent) does not answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;

use ssh_key::PublicKey;
use ssh2::Session;

use super::SshTarget;
use super::io::{Failure, Wire};
use crate::{Error, Phase};

/// An sshd hangs up after six attempts (sshd_config(5), MaxAuthTries).
const TRIES: usize = 5;

/// How it went, as far as the agent's part is concerned.
pub(crate) enum Signed {
    /// Logged in.
    In,
    /// The host took none of these keys.
    Refused(String),
    /// The connection failed.
    Failed(Failure),
}

/// Logs in with the key whose public half is in `KEY.pub`; without such a file, with the agent's keys in turn.
pub(crate) fn log_in(wire: &mut Wire, target: &SshTarget) -> Result<Signed, Error> {
    let wanted = public_half(target)?;
    let (session, user, socket) = (wire.session.clone(), target.user.clone(), target.agent_socket.clone());
    let (tell, told) = sync_channel(1);
    let left = wire.left(Phase::Login)?;
    thread::Builder::new()
        .name("ssh-agent".into())
        .spawn(move || {
            // Waits for the host inside libssh2; the watchdog ends that.
            session.set_blocking(true);
            let result = sign(&session, &user, socket.as_deref(), wanted.as_deref());
            session.set_blocking(false);
            let _ = tell.send(result);
        })
        .map_err(|e| Error::Local { why: format!("no thread for the agent: {e}") })?;
    match told.recv_timeout(left) {
        Ok(result) => {
            wire.past(Phase::Login)?;
            result.map_err(|why| Error::Agent { why })
        }
        Err(_) => {
            wire.abandon();
            Err(wire.timeout(Phase::Login))
        }
    }
}

fn public_half(target: &SshTarget) -> Result<Option<Vec<u8>>, Error> {
    let mut file = target.key.clone().into_os_string();
    file.push(".pub");
    let file = PathBuf::from(file);
    let Ok(text) = fs::read_to_string(&file) else { return Ok(None) };
    let blob = PublicKey::from_openssh(&text).and_then(|key| key.to_bytes());
    blob.map(Some).map_err(|e| Error::KeyFileFormat { file, why: e.to_string() })
}

fn sign(session: &Session, user: &str, socket: Option<&Path>, wanted: Option<&[u8]>) -> Result<Signed, String> {
    let said = |e: ssh2::Error| format!("{}; does its socket exist, and does `ssh-add -l` list the key?", e.message());
    let mut agent = session.agent().map_err(said)?;
    if let Some(socket) = socket {
        agent.set_identity_path(socket).map_err(said)?;
    }
    agent.connect().map_err(said)?;
    agent.list_identities().map_err(said)?;
    let mut keys = agent.identities().map_err(said)?;
    keys.retain(|key| wanted.is_none_or(|blob| blob == key.blob()));
    if keys.is_empty() {
        return Err(if wanted.is_some() { "it does not hold this key" } else { "it holds no key" }.into());
    }
    let mut offered = Vec::new();
    for key in keys.iter().take(TRIES) {
        match agent.userauth(user, key) {
            Ok(()) if session.authenticated() => return Ok(Signed::In),
            Ok(()) => {}
            Err(e) => {
                let failure = Failure::new(&e);
                if !failure.is_refusal() {
                    return Ok(Signed::Failed(failure));
                }
            }
        }
        offered.push(crate::known_hosts::describe_blob(key.blob()));
    }
    Ok(Signed::Refused(offered.join(", ")))
}
