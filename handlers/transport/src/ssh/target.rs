//! Where a gate is and how to get in.

use std::path::PathBuf;
use std::time::Duration;

use crate::Error;
use crate::text::clean;

/// Where a gate is and how to get in.
#[derive(Debug, Clone)]
pub struct SshTarget {
    /// Nagios' name of the host: what its key is recorded under, and what messages call it.
    pub host: String,
    /// What is connected to: a name or an IP address.
    pub address: String,
    /// Usually 22.
    pub port: u16,
    /// The account on the host.
    pub user: String,
    /// The private key file.
    pub key: PathBuf,
    /// A file of mode 0600 with the passphrase of `key`.
    pub passphrase_file: Option<PathBuf>,
    /// The files of recorded host keys; those that do not exist are passed over if another does.
    pub known_hosts: Vec<PathBuf>,
    /// Let an ssh-agent sign, with the key whose public half is in `KEY.pub`, instead of reading
    /// `key`.
    pub agent: bool,
    /// The agent's socket, if it is not the one `SSH_AUTH_SOCK` names.
    pub agent_socket: Option<PathBuf>,
    /// How often a host that says nothing during a long repair is asked whether it is still there.
    /// After four questions without a sign of life the connection counts as cut. Whole seconds, at
    /// least two.
    pub keepalive: Duration,
    /// Reach the host through this one, which is logged in to first, with its own host key and
    /// account.
    pub via: Option<Box<SshTarget>>,
}

impl SshTarget {
    /// A target on port 22, with a key file that is not encrypted.
    pub fn new(
        host: &str,
        address: &str,
        user: &str,
        key: PathBuf,
        known_hosts: Vec<PathBuf>,
    ) -> SshTarget {
        SshTarget {
            host: host.into(),
            address: address.into(),
            port: 22,
            user: user.into(),
            key,
            passphrase_file: None,
            known_hosts,
            agent: false,
            agent_socket: None,
            keepalive: Duration::from_secs(10),
            via: None,
        }
    }

    /// The known_hosts files, for a reader.
    pub(crate) fn files(&self) -> String {
        let files: Vec<_> =
            self.known_hosts.iter().map(|file| file.display().to_string()).collect();
        if files.is_empty() { "no known_hosts file".into() } else { files.join(", ") }
    }

    /// The command that prints the host's keys. The address was checked: it cannot hold anything a
    /// shell reads.
    pub(crate) fn keyscan(&self) -> String {
        match self.port {
            22 => format!("ssh-keyscan {}", self.address),
            port => format!("ssh-keyscan -p {port} {}", self.address),
        }
    }

    /// Address and port, for a reader.
    pub(crate) fn place(&self) -> String {
        if self.address.contains(':') {
            format!("[{}]:{}", self.address, self.port)
        } else {
            format!("{}:{}", self.address, self.port)
        }
    }
}

/// Refuses what some program on the way could read as an option, a second line or a pattern.
pub(crate) fn check(target: &SshTarget) -> Result<(), Error> {
    let address = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
    let account = |c: char| {
        c.is_ascii_graphic()
            && !matches!(c, '\'' | '"' | '`' | '$' | '%' | '\\' | ';' | '&' | '|' | '<' | '>')
    };
    let bad = |what, value: &str, why| Err(Error::BadTarget { what, shown: clean(value), why });
    for (what, value) in
        [("host name", &target.host), ("address", &target.address), ("user", &target.user)]
    {
        if value.is_empty() || value.len() > 255 {
            return bad(what, value, "it must have 1 to 255 characters");
        }
        if value.starts_with('-') {
            return bad(what, value, "it begins with '-', as an option does");
        }
        if value.contains(char::is_control) {
            return bad(what, value, "it holds a control character");
        }
    }
    if !target.address.chars().all(address) {
        return bad("address", &target.address, "it is neither a host name nor an IP address");
    }
    if !target.user.chars().all(account) {
        return bad(
            "user",
            &target.user,
            "it holds a blank, a quote or another character no account name has",
        );
    }
    if target.port == 0 {
        return bad("port", "0", "ports are 1 to 65535");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, address: &str, user: &str) -> SshTarget {
        SshTarget::new(
            host,
            address,
            user,
            "/nowhere/key".into(),
            vec!["/nowhere/known_hosts".into()],
        )
    }

    #[test]
    fn names_that_could_be_options_or_lines_are_refused() {
        assert_eq!(check(&target("Web server 1", "fe80::1%eth0", "repair")), Ok(()));
        for (host, address, user) in [
            ("-oProxyCommand=id", "192.0.2.1", "repair"),
            ("web1\n", "192.0.2.1", "repair"),
            ("web1\x1b[2J", "192.0.2.1", "repair"),
            ("", "192.0.2.1", "repair"),
            ("web1", "-oProxyCommand=id", "repair"),
            ("web1", "192.0.2.1;id", "repair"),
            ("web1", "$(id)", "repair"),
            ("web1", "192.0.2.1", "-lroot"),
            ("web1", "192.0.2.1", "a b"),
            ("web1", "192.0.2.1", "a\0"),
        ] {
            let error = check(&target(host, address, user)).unwrap_err();
            assert_eq!(error.code(), "bad-target", "{host:?} {address:?} {user:?}");
            assert!(!error.to_string().contains(char::is_control), "{error}");
        }
    }
}
