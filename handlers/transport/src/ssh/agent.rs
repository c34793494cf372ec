//! Logs in with an ssh-agent.
//!
//! libssh2 has no timeout for the agent, so the login runs in a separate thread. The thread is
//! abandoned if the agent does not answer or nobody confirms the use of the key.

use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::{env, mem, thread};

use policy_file::HostRoute;
use ssh_key::PublicKey;
use ssh2::{Agent, Session};

use super::connection::{Connection, Ssh2Failure};
use crate::error::{Error, Phase};
use crate::{key, known_hosts};

/// Maximum number of keys to offer. By default sshd disconnects after six attempts (sshd_config(5),
/// MaxAuthTries).
const TRIES: usize = 5;

/// The result of a login attempt with a working agent.
pub(crate) enum AgentLogin {
    /// The host accepted a key.
    LoggedIn,
    /// The host refused all keys. Holds a list of these keys for a message.
    Refused(String),
    /// The connection to the host failed.
    Failed(Ssh2Failure),
}

/// Logs in with the key whose public half is in `KEY.pub`. If that file does not exist, tries the
/// agent's keys one after another.
pub(crate) fn log_in(connection: &mut Connection, route: &HostRoute) -> Result<AgentLogin, Error> {
    let wanted = public_half(route)?;
    let (session, user, socket) =
        (connection.session.clone(), route.user.clone(), route.agent_socket.clone());
    let (sender, receiver) = sync_channel(1);
    let left = connection.deadline.left(Phase::Login)?;
    thread::Builder::new()
        .name("ssh-agent".into())
        .spawn(move || {
            // Calls in this thread block until the host answers or the watchdog shuts down the
            // socket.
            session.set_blocking(true);
            let result = sign(&session, &user, socket.as_deref(), wanted.as_deref());
            session.set_blocking(false);
            let _ = sender.send(result);
        })
        .map_err(|e| Error::Local { why: format!("cannot start a thread for the agent: {e}") })?;
    match receiver.recv_timeout(left) {
        Ok(result) => {
            connection.deadline.left(Phase::Login)?;
            result.map_err(|why| Error::Agent { why })
        }
        Err(_) => {
            connection.abandon();
            Err(connection.deadline.timeout(Phase::Login))
        }
    }
}

fn public_half(route: &HostRoute) -> Result<Option<Vec<u8>>, Error> {
    let mut file = route.key.clone().into_os_string();
    file.push(".pub");
    let file = PathBuf::from(file);
    let text = match safe_file::read(&file, key::LONGEST, None).map_err(io::Error::from) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        // Fail if the public half exists but is unreadable. Without the public half, all of the
        // agent's keys would be offered to the host.
        read => {
            read.map_err(|e| Error::KeyFileUnreadable { file: file.clone(), why: e.to_string() })?
        }
    };
    let blob =
        PublicKey::from_openssh(&String::from_utf8_lossy(&text)).and_then(|key| key.to_bytes());
    blob.map(Some).map_err(|e| Error::KeyFileFormat { file, why: e.to_string() })
}

/// Connects to the agent.
///
/// If libssh2 fails to connect, it closes its socket immediately, and closes it again when the
/// agent is freed. By then another thread may have opened a file with the same descriptor number,
/// and that file would be closed. This function therefore first tries to connect to the socket
/// itself, and never frees an agent that libssh2 could not connect to.
fn connected(session: &Session, socket: Option<&Path>) -> Result<Agent, String> {
    let named = || env::var_os("SSH_AUTH_SOCK").map(PathBuf::from);
    let socket = socket.map(Path::to_owned).or_else(named).ok_or("SSH_AUTH_SOCK is not set")?;
    let unreachable = |why: &dyn Display| {
        format!("cannot connect to the agent's socket {}: {why}", socket.display())
    };
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
) -> Result<AgentLogin, String> {
    let failed = |e: ssh2::Error| format!("{}; does `ssh-add -l` list the key?", e.message());
    let mut agent = connected(session, socket)?;
    agent.list_identities().map_err(failed)?;
    let mut keys = agent.identities().map_err(failed)?;
    keys.retain(|key| wanted.is_none_or(|blob| blob == key.blob()));
    if keys.is_empty() {
        return Err(if wanted.is_some() {
            "the agent does not hold this key"
        } else {
            "the agent holds no key"
        }
        .into());
    }
    let mut offered = Vec::new();
    for key in keys.iter().take(TRIES) {
        match agent.userauth(user, key) {
            Ok(()) if session.authenticated() => return Ok(AgentLogin::LoggedIn),
            Ok(()) => {}
            Err(e) => {
                let failure = Ssh2Failure::new(&e);
                if !failure.is_refusal() {
                    return Ok(AgentLogin::Failed(failure));
                }
            }
        }
        offered.push(known_hosts::describe_blob(key.blob()));
    }
    Ok(AgentLogin::Refused(offered.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn does_not_close_files_of_other_threads_without_an_agent() {
        let session = Session::new().unwrap();
        thread::scope(|scope| {
            let others = scope.spawn(|| {
                for _ in 0..20_000 {
                    let file = File::open("/dev/null").unwrap();
                    thread::yield_now();
                    file.metadata().expect("another thread has closed this file");
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
