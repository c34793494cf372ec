//! Letting an ssh-agent sign. libssh2 talks to the agent without any timeout, so it does so in a
//! thread of its own, which is left behind when the agent (or the person it asks for consent) does
//! not answer.

use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::{env, mem, thread};

use ssh_key::PublicKey;
use ssh2::{Agent, Session};

use super::SshTarget;
use super::connection::{Failure, Wire};
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

/// Logs in with the key whose public half is in `KEY.pub`; without such a file, with the agent's
/// keys in turn.
pub(crate) fn log_in(wire: &mut Wire, target: &SshTarget) -> Result<Signed, Error> {
    let wanted = public_half(target)?;
    let (session, user, socket) =
        (wire.session.clone(), target.user.clone(), target.agent_socket.clone());
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
    let text = match safe_file::read(&file, crate::key::LONGEST, None).map_err(io::Error::from) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        // Without it the agent would offer the host every key it holds.
        read => {
            read.map_err(|e| Error::KeyFileUnreadable { file: file.clone(), why: e.to_string() })?
        }
    };
    let blob =
        PublicKey::from_openssh(&String::from_utf8_lossy(&text)).and_then(|key| key.to_bytes());
    blob.map(Some).map_err(|e| Error::KeyFileFormat { file, why: e.to_string() })
}

/// When libssh2 cannot connect to an agent, it closes the socket there and once more when the agent
/// is freed; by then the number may be that of another thread's file. So it is not asked to where
/// nobody listens, and such an agent is not freed.
fn connected(session: &Session, socket: Option<&Path>) -> Result<Agent, String> {
    let named = || env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
    let socket = socket.map(Path::to_owned).or_else(named).ok_or("SSH_AUTH_SOCK names none")?;
    let unreachable =
        |why: &dyn Display| format!("its socket {} cannot be reached: {why}", socket.display());
    UnixStream::connect(&socket).map_err(|why| unreachable(&why))?;
    let mut agent = session.agent().map_err(|why| unreachable(&why))?;
    agent.set_identity_path(&socket).map_err(|why| unreachable(&why))?;
    if let Err(why) = agent.connect() {
        mem::forget(agent);
        return Err(unreachable(&why));
    }
    Ok(agent)
}

fn sign(
    session: &Session,
    user: &str,
    socket: Option<&Path>,
    wanted: Option<&[u8]>,
) -> Result<Signed, String> {
    let said = |e: ssh2::Error| format!("{}; does `ssh-add -l` list the key?", e.message());
    let mut agent = connected(session, socket)?;
    agent.list_identities().map_err(said)?;
    let mut keys = agent.identities().map_err(said)?;
    keys.retain(|key| wanted.is_none_or(|blob| blob == key.blob()));
    if keys.is_empty() {
        return Err(
            if wanted.is_some() { "it does not hold this key" } else { "it holds no key" }.into()
        );
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

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn an_agent_that_is_not_there_costs_nobody_a_file() {
        let session = Session::new().unwrap();
        thread::scope(|scope| {
            let others = scope.spawn(|| {
                for _ in 0..20_000 {
                    let file = File::open("/dev/null").unwrap();
                    thread::yield_now();
                    file.metadata().expect("somebody has closed a file that is not theirs");
                }
            });
            while !others.is_finished() {
                let why = sign(&session, "repair", Some(Path::new("/nonexistent/agent")), None)
                    .err()
                    .unwrap();
                assert!(
                    why.contains("/nonexistent/agent") && why.contains("No such file"),
                    "{why}"
                );
            }
        });
    }
}
