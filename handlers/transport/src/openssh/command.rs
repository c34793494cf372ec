//! The command line of `ssh`. It disables prompts, forwarding and connection sharing, and accepts
//! no new host keys.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use policy_file::HostRoute;

use crate::error::Error;
use crate::known_hosts::{self, HostKeyStatus};
use crate::request::Request;
use crate::text::clean;
use crate::{key, route};

/// Options for every run of ssh. A configuration file cannot override them, because the command
/// line takes precedence (ssh_config(5)).
const FIXED: &[&str] = &[
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no",
    "CheckHostIP=no",
    "IdentitiesOnly=yes",
    "PreferredAuthentications=publickey",
    "ConnectionAttempts=1",
    "ServerAliveCountMax=4",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "Tunnel=no",
    "ControlMaster=no",
    "ControlPath=none",
    "RemoteCommand=none",
];

/// The `ssh` command line for one route.
pub(super) struct SshCommand {
    program: PathBuf,
    route: HostRoute,
    options: Vec<String>,
}

impl SshCommand {
    /// Checks the route, its jump hosts and all their files.
    pub(super) fn new(program: PathBuf, route: &HostRoute) -> Result<SshCommand, Error> {
        let options = checked_options(&program, route, route.config.as_deref())?;
        Ok(SshCommand { program, route: route.clone(), options })
    }

    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    pub(super) fn route(&self) -> &HostRoute {
        &self.route
    }

    /// Returns the command for one request. ssh writes its log to file descriptor 0, so the caller
    /// must pass the writing end of a pipe as standard input. Once ssh has logged in, it prints
    /// `mark` to stdout.
    pub(super) fn build(&self, request: &Request, mark: &str) -> Command {
        let mut command = Command::new(&self.program);
        let passed = |name| Some((name, env::var_os(name)?));
        command
            .args(&self.options)
            // ssh writes its log to a pipe. Because ssh closes every inherited descriptor except
            // the standard streams, this pipe has to be its stdin. ssh does not read its stdin
            // (-n), but it can open the pipe as /proc/self/fd/0. The path /proc/PID/fd of this
            // process cannot be used, because ssh may have no access to it (PR_SET_DUMPABLE).
            .args(["-n", "-E", "/proc/self/fd/0", "-o", "LogLevel=DEBUG1"])
            .args(["-o", "PermitLocalCommand=yes", "-o", &format!("LocalCommand=echo {mark}")])
            .args(["--", &self.route.address, &request.to_string()])
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C"), ("SHELL", self.shell())])
            .envs(["SSH_AUTH_SOCK", "SSH_SK_PROVIDER"].into_iter().filter_map(passed));
        command
    }

    /// Returns the value of `SHELL`. ssh runs this program with the arguments `-c` and a local
    /// command.
    ///
    /// If the route has a jump host or a configuration file, the program must be a real shell,
    /// because it may also have to run a ProxyCommand. If not, `/bin/echo` is enough. It prints its
    /// arguments, and these contain the mark, which shows that ssh has logged in.
    fn shell(&self) -> &'static str {
        let is_needed = self.route.config.is_some() || self.route.via.is_some();
        if is_needed { "/bin/sh" } else { "/bin/echo" }
    }
}

/// Checks the names, the key and the host keys of a route and returns the ssh options for the
/// route. If the route has a configuration file, it also applies to the jump hosts.
fn checked_options(
    program: &Path,
    route: &HostRoute,
    config: Option<&Path>,
) -> Result<Vec<String>, Error> {
    route::check(route)?;
    if !route.agent {
        key::check(route)?;
    }
    let alias = host_key_alias(route, config.is_some())?;
    let jump_host = match route.via.as_deref() {
        Some(via) => Some((via, checked_options(program, via, config)?)),
        None => None,
    };
    options(program, route, config, alias.as_deref(), jump_host)
}

/// Returns the name under which ssh must look up the host's key, so that ssh finds the same key as
/// the libssh2 backend.
fn host_key_alias(route: &HostRoute, has_config: bool) -> Result<Option<String>, Error> {
    let recorded = match known_hosts::read(route) {
        // Accept a route without any recorded key. The configuration file may name other sources of
        // host keys, such as KnownHostsCommand or VerifyHostKeyDNS.
        Err(Error::KnownHostsEmpty { .. }) if has_config => return Ok(None),
        recorded => recorded?,
    };
    // Refuse a revoked key before ssh runs. ssh looks up only one name and would not notice that
    // the key is revoked under another name.
    if let Some(place) = recorded.any_revoked() {
        return Err(Error::HostKeyRevoked { host: route.host.clone(), place: place.into() });
    }
    match recorded.status() {
        HostKeyStatus::Known => Ok(recorded.name().map(str::to_owned)),
        // Use the name without a port, because this is the form that certificates contain.
        HostKeyStatus::AuthorityOnly(_) => Ok(Some(route.host.to_lowercase())),
        HostKeyStatus::Unknown if has_config => Ok(None),
        HostKeyStatus::Unknown | HostKeyStatus::Revoked(_) => {
            known_hosts::algorithms(route, &recorded).map(|_| None)
        }
    }
}

/// Returns the ssh options for every request over a route. `jump_host` holds the route to the jump
/// host and the ssh options for that route.
fn options(
    program: &Path,
    route: &HostRoute,
    config: Option<&Path>,
    alias: Option<&str>,
    jump_host: Option<(&HostRoute, Vec<String>)>,
) -> Result<Vec<String>, Error> {
    let file = config.map_or(Ok("/dev/null"), plain)?;
    let (port, key) = (route.port.to_string(), plain(&route.key)?);
    let mut words: Vec<String> =
        ["-F", file, "-n", "-T", "-p", &port, "-l", &route.user, "-i", key]
            .map(str::to_owned)
            .to_vec();
    let mut option = |text: String| words.extend(["-o".to_owned(), text]);
    FIXED.iter().for_each(|fixed| option((*fixed).to_owned()));
    if config.is_none() || !route.known_hosts.is_empty() {
        option(known_hosts_option(route)?);
    }
    option(format!("ServerAliveInterval={}", route.keepalive.as_secs().max(2)));
    if let Some(alias) = alias {
        option(alias_option(alias)?);
    }
    option(match &route.agent_socket {
        _ if !route.agent => "IdentityAgent=none".into(),
        Some(socket) => format!("IdentityAgent=\"{}\"", plain(socket)?),
        None => "IdentityAgent=SSH_AUTH_SOCK".into(),
    });
    if let Some((via, words)) = jump_host {
        option(format!("ProxyCommand={}", proxy_command(program, route, via, words)?));
    }
    Ok(words)
}

fn known_hosts_option(route: &HostRoute) -> Result<String, Error> {
    let quoted = |file: &PathBuf| plain(file).map(|file| format!("\"{file}\""));
    let files: Vec<String> = route.known_hosts.iter().map(quoted).collect::<Result<_, _>>()?;
    let files = if files.is_empty() { "/dev/null".into() } else { files.join(" ") };
    Ok(format!("UserKnownHostsFile={files}"))
}

fn alias_option(alias: &str) -> Result<String, Error> {
    if alias.contains(['"', '\\']) {
        return Err(Error::BadTarget {
            what: "host name",
            shown: clean(alias),
            why: "the name contains a quote or a backslash, so ssh cannot look it up",
        });
    }
    Ok(format!("HostKeyAlias=\"{alias}\""))
}

/// Returns the ProxyCommand, which runs `ssh -W` through the jump host. Because ssh expands '%' in
/// the command and then runs it with a shell, '%' and the shell's special characters are escaped.
fn proxy_command(
    program: &Path,
    route: &HostRoute,
    via: &HostRoute,
    words: Vec<String>,
) -> Result<String, Error> {
    let mut argv = vec![plain(program)?.to_owned()];
    argv.extend(words);
    argv.extend(["-o", "LogLevel=ERROR", "-o", "PermitLocalCommand=no"].map(str::to_owned));
    argv.extend(["-W".into(), format!("[{}]:{}", route.address, route.port)]);
    argv.extend(["--".into(), via.address.clone()]);
    let quoted: Vec<_> = argv
        .iter()
        .map(|word| format!("'{}'", word.replace('\'', r"'\''").replace('%', "%%")))
        .collect();
    Ok(quoted.join(" "))
}

/// Returns a path as a string, or an error if ssh would change the path. In many options ssh
/// expands '%', '~' and '${', and it splits some options at blanks and quotes.
fn plain(path: &Path) -> Result<&str, Error> {
    let bad =
        |why| Error::BadTarget { what: "path", shown: clean(&path.display().to_string()), why };
    let text = path.to_str().ok_or_else(|| bad("the path is not valid UTF-8"))?;
    if !text.starts_with('/') {
        return Err(bad("the path must be absolute"));
    }
    if text.contains(|c: char| c.is_control() || matches!(c, '%' | '~' | '$' | '"' | '\'' | '\\')) {
        return Err(bad("the path contains a control character or a character that ssh expands"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use policy_file::HostRoutes;

    use super::*;

    const SSH: &str = "/usr/bin/ssh";

    fn route() -> HostRoute {
        HostRoute {
            key: "/etc/k y".into(),
            known_hosts: vec!["/a b".into(), "/c".into()],
            ..HostRoutes::default().route("web1", Some("fe80::1%eth0"))
        }
    }

    #[test]
    fn quotes_blanks_in_paths_and_refuses_characters_that_ssh_expands() {
        let words = options(SSH.as_ref(), &route(), None, Some("web1"), None).unwrap();
        assert!(
            words.contains(&"/etc/k y".into())
                && words.contains(&"UserKnownHostsFile=\"/a b\" \"/c\"".into()),
            "{words:?}"
        );
        assert!(
            words.contains(&"HostKeyAlias=\"web1\"".into())
                && words.contains(&"IdentityAgent=none".into())
        );
        for bad in ["relative", "/a%h", "/a${HOME}", "/a\"b", "/a\nb", "/~x"] {
            let route = HostRoute { key: bad.into(), ..route() };
            let error = options(SSH.as_ref(), &route, None, None, None).unwrap_err();
            assert_eq!(error.code(), "bad-target", "{bad}");
        }
    }

    #[test]
    fn quotes_the_proxy_command_for_the_shell_and_for_ssh() {
        let words = vec!["it's".into(), "100%".into()];
        let command = proxy_command(SSH.as_ref(), &route(), &route(), words).unwrap();
        assert!(command.starts_with(r"'/usr/bin/ssh' 'it'\''s' '100%%' "), "{command}");
        assert!(command.ends_with("'-W' '[fe80::1%%eth0]:22' '--' 'fe80::1%%eth0'"), "{command}");
    }
}
