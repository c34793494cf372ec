//! Logs the admin in to the host with ssh(1), using the host's name as typed and the admin's own
//! ssh_config, keys and known_hosts. Repairs never use this login.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write, stderr};
use std::process::{Child, Command, Stdio};
use std::thread;

use plugin_kit::clean;
use privsep::{Account, quoted};

use super::error::InitError;
use crate::sudo;

/// Path of ssh(1). The path is absolute, because the PATH of the user who called sudo must not
/// decide which program runs.
const SSH: &str = "/usr/bin/ssh";
/// Remote command that starts a root shell. The account must be root or must be able to use sudo
/// without a password.
const ROOTS_SHELL: &str = "sh -c 'if [ \"$(id -u)\" = 0 ]; then exec sh; fi; \
                           sudo -n true </dev/null || exit 93; exec sudo -n sh'";
/// Exit code of the remote command if sudo refuses. No program in the script uses this code.
const NO_SUDO: i32 = 93;
/// Exit code of ssh(1) for its own errors, before or during the connection.
const SSH_FAILED: i32 = 255;
/// Maximum length of a line of the host's output, in bytes. Longer lines are split.
const LONGEST: u64 = 1 << 20;

/// The host to log in to, and the account to log in as.
#[derive(Debug)]
pub struct Login {
    name: String,
    user: Option<String>,
}

/// The probable reason why a script failed. It determines only which hint init prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginFailure {
    /// ssh cannot resolve the host's name.
    Name,
    /// The admin's known_hosts has no key or a different key for the host.
    HostKey,
    Connection,
    /// The host refused the login.
    Denied,
    /// sudo does not let the account become root.
    Sudo,
    /// The login worked, but the script failed.
    Script,
}

impl Login {
    /// Checks that the name and the user are safe on a command line.
    pub fn new(name: &str, user: Option<&str>) -> Result<Login, InitError> {
        let plain = |text: &str, more: &[char]| {
            let fine = |c: char| {
                c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') || more.contains(&c)
            };
            !text.is_empty() && !text.starts_with('-') && text.chars().all(fine)
        };
        match user {
            _ if !plain(name, &[':', '%']) => Err(InitError::BadTarget(name.to_owned())),
            Some(user) if !plain(user, &['@']) => Err(InitError::BadLogin(user.to_owned())),
            user => Ok(Login { name: name.to_owned(), user: user.map(str::to_owned) }),
        }
    }

    fn words(&self) -> Vec<&str> {
        let mut words = vec!["-o", "ConnectTimeout=20"];
        words.extend(self.user.iter().flat_map(|user| ["-l", user]));
        words.extend(["--", &self.name]);
        words
    }

    /// Returns the command with which an admin can reproduce the error or confirm the host's key.
    pub fn by_hand(&self) -> String {
        let user = self.user.as_ref().map(|user| format!("-l {} ", quoted(user)));
        format!("ssh {}{} true", user.unwrap_or_default(), quoted(&self.name))
    }

    /// Runs a script on the host as root. Passes each line of its standard output to `line`, and
    /// prints its standard error immediately.
    pub fn run(
        &self,
        script: &str,
        mut line: impl FnMut(&str),
    ) -> Result<Result<(), LoginFailure>, InitError> {
        let mut child = self.start().map_err(InitError::Ssh)?;
        let (stdin, stdout, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let said = thread::scope(|scope| {
            // Ignore a write error. It means that the script ended early, and the exit code shows
            // that as well.
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(script.as_bytes())));
            let said = scope.spawn(move || relay_errors(errors.into_iter()));
            for text in lines(stdout.into_iter()) {
                line(&text);
            }
            said.join().unwrap_or_default()
        });
        let code = child.wait().map_err(InitError::Ssh)?.code();
        Ok(match code {
            Some(0) => Ok(()),
            Some(NO_SUDO) => Err(LoginFailure::Sudo),
            Some(SSH_FAILED) => Err(failure(&said)),
            _ => Err(LoginFailure::Script),
        })
    }

    /// Starts ssh as the user who called sudo(8), because root does not have that user's keys.
    fn start(&self) -> std::io::Result<Child> {
        let mut command = match sudo::caller() {
            None => Command::new(SSH),
            Some((uid, gid)) => {
                let mut command = Command::new("/usr/bin/setpriv");
                let ids = [format!("--reuid={uid}"), format!("--regid={gid}")];
                command.args(ids).args(["--init-groups", "--", SSH]);
                if let Ok(Some(account)) = Account::of_uid(uid) {
                    command.env("HOME", account.home);
                }
                command
            }
        };
        command.args(self.words()).arg(ROOTS_SHELL);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    }
}

impl fmt::Display for Login {
    /// Formats the ssh command without the remote command.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SSH} {}", self.words().join(" "))
    }
}

/// Returns the lines of the host's output. Splits lines that are longer than [`LONGEST`].
fn lines(from: impl Iterator<Item = impl Read>) -> impl Iterator<Item = String> {
    from.flat_map(|from| {
        let mut from = BufReader::new(from);
        std::iter::from_fn(move || {
            let mut line = Vec::new();
            let read = from.by_ref().take(LONGEST).read_until(b'\n', &mut line).ok()?;
            let text = String::from_utf8_lossy(&line);
            (read > 0).then(|| text.trim_end_matches(['\n', '\r']).to_owned())
        })
    })
}

/// Prints the lines of standard error, and returns about the first 64 KiB of them.
fn relay_errors(from: impl Iterator<Item = impl Read>) -> String {
    let mut said = String::new();
    for line in lines(from) {
        let _ = writeln!(stderr(), "{}", clean(&line));
        if said.len() < 64 << 10 {
            said.push_str(&line);
            said.push('\n');
        }
    }
    said
}

/// Guesses why a script failed from the messages of OpenSSH's ssh(1), which are never translated. A
/// host can forge these messages, but the result determines only which hint the host's own admin
/// sees.
fn failure(said: &str) -> LoginFailure {
    let has = |parts: &[&str]| parts.iter().any(|part| said.contains(part));
    if has(&["Could not resolve hostname"]) {
        LoginFailure::Name
    } else if has(&["Host key verification failed", "HOST IDENTIFICATION HAS CHANGED"]) {
        LoginFailure::HostKey
    } else if has(&["Permission denied (", "Too many authentication failures"]) {
        LoginFailure::Denied
    } else {
        LoginFailure::Connection
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_the_typed_name_to_ssh_and_rejects_unsafe_names() {
        let login = Login::new("web1-admin", None).unwrap();
        assert_eq!(login.to_string(), "/usr/bin/ssh -o ConnectTimeout=20 -- web1-admin");
        let login = Login::new("web1", Some("anna")).unwrap();
        assert_eq!(login.to_string(), "/usr/bin/ssh -o ConnectTimeout=20 -l anna -- web1");
        assert_eq!(login.by_hand(), "ssh -l anna web1 true");
        for (name, user) in [
            ("-oProxyCommand=id", None),
            ("web1;id", None),
            ("", None),
            ("web 1", None),
            ("web1", Some("-l")),
            ("web1", Some("a b")),
        ] {
            assert!(Login::new(name, user).is_err(), "{name} {user:?}");
        }
    }

    #[test]
    fn recognizes_why_ssh_failed() {
        use LoginFailure::{Connection, Denied, HostKey, Name};
        for (said, wanted) in [
            ("ssh: Could not resolve hostname web9: Name or service not known", Name),
            ("No ED25519 host key is known for x.\nHost key verification failed.", HostKey),
            ("admin@web1: Permission denied (publickey).", Denied),
            ("ssh: connect to host 192.0.2.2 port 22: Connection refused", Connection),
            ("", Connection),
        ] {
            assert_eq!(failure(said), wanted, "{said}");
        }
    }
}
