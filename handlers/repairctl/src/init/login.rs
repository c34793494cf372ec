//! The admin's own login to the host: by the name as typed, with their ssh configuration, port,
//! keys and known_hosts. Nagios never does this.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write, stderr};
use std::process::{Child, Command, Stdio};
use std::thread;

use plugin_kit::clean;
use privsep::{Account, quoted};

use super::error::InitError;
use crate::sudo;

/// ssh(1), by its full path: the PATH of the caller of sudo is not searched.
const SSH: &str = "/usr/bin/ssh";
/// A shell of root there. The account may be root or use sudo without a password.
const ROOTS_SHELL: &str = "sh -c 'if [ \"$(id -u)\" = 0 ]; then exec sh; fi; \
                           sudo -n true </dev/null || exit 93; exec sudo -n sh'";
/// Its exit code when sudo refuses; no program of the script uses it.
const NO_SUDO: i32 = 93;
/// ssh(1): an error occurred, before or during the connection.
const SSH_FAILED: i32 = 255;
/// The longest line, and the most of standard error, that is looked at, in bytes.
const LONGEST: u64 = 1 << 20;

/// Where and as whom the admin logs in.
#[derive(Debug)]
pub struct Login {
    name: String,
    user: Option<String>,
}

/// Why a script did not succeed, as far as it can be told from here. It only chooses a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginFailure {
    /// The name has no address.
    Name,
    /// The admin's known_hosts does not have this key.
    HostKey,
    /// No connection.
    Connection,
    /// The host does not let the admin in.
    Denied,
    /// sudo does not let the account become root.
    Sudo,
    /// The script itself.
    Script,
}

impl Login {
    /// Checks the name and the user, which a command line could take for something else.
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

    /// What an admin types to see the same, and to be asked about the host's key.
    pub fn by_hand(&self) -> String {
        let user = self.user.as_ref().map(|user| format!("-l {} ", quoted(user)));
        format!("ssh {}{} true", user.unwrap_or_default(), quoted(&self.name))
    }

    /// Runs a script there as root, and hands each line of its output to `line`. Standard error is
    /// shown as it comes.
    pub fn run(
        &self,
        script: &str,
        mut line: impl FnMut(&str),
    ) -> Result<Result<(), LoginFailure>, InitError> {
        let mut child = self.start().map_err(InitError::Ssh)?;
        let (stdin, stdout, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let said = thread::scope(|scope| {
            // A host that ends early leaves the rest unread; the exit code shows it.
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

    /// Starts it as the caller of sudo(8): root does not have their keys.
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
    /// The command as it is run, without the shell there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SSH} {}", self.words().join(" "))
    }
}

/// The lines of the host, of bounded length.
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

/// Shows the lines of standard error, and returns the first of them.
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

/// Reads the messages of OpenSSH's ssh(1), which are not translated. The host can write them as
/// well, and would mislead nobody but its admin.
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
    fn logs_in_by_the_name_as_typed() {
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
    fn distinguishes_the_failures_of_ssh() {
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
