//! The routes to hosts. A route combines the settings under `ssh` in policy.json, which apply to
//! all hosts, with the host's own settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use policy::respell;
use serde::Deserialize;

/// The settings under `ssh` in policy.json. Each host in `hosts` can override them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshKeys {
    address: Option<String>,
    #[serde(rename = "transport")]
    backend: Option<Backend>,
    user: Option<String>,
    port: Option<u16>,
    key: Option<PathBuf>,
    passphrase_file: Option<PathBuf>,
    known_hosts: Option<Vec<PathBuf>>,
    agent: Option<bool>,
    via: Option<String>,
    config: Option<PathBuf>,
}

/// Which SSH client connects to a gate (the key `transport`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// The library libssh2, which is part of this program.
    Ssh2,
    /// The `ssh` program, for certificates, security keys, ProxyJump and ssh_config.
    OpenSsh,
}

/// The SSH settings in the policy, from which the route to any host is derived.
#[derive(Debug, Clone, Default)]
pub struct HostRoutes {
    all: SshKeys,
    hosts: BTreeMap<String, SshKeys>,
}

/// The route to the gate of one host, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRoute {
    /// Name of the host in Nagios, as encoded by [`policy::spell`]. Messages show this name, and
    /// the host key is recorded under it in known_hosts.
    pub host: String,
    /// Host name or IP address to connect to.
    pub address: String,
    /// SSH client that makes the connection.
    pub backend: Backend,
    /// Unprivileged account to log in as. This account runs the gate.
    pub user: String,
    /// Port that sshd listens on.
    pub port: u16,
    /// Path of the private key. The file must be readable only by the user that Nagios runs as.
    pub key: PathBuf,
    /// Path of the file with the passphrase for `key`. The file's mode must be 0600.
    pub passphrase_file: Option<PathBuf>,
    /// Paths of the known_hosts files. Missing files are skipped if at least one exists.
    pub known_hosts: Vec<PathBuf>,
    /// Whether to log in with an ssh-agent, which then holds the private key. The public key is
    /// read from `KEY.pub`.
    pub agent: bool,
    /// Socket of the agent, or `None` for the socket in `SSH_AUTH_SOCK`.
    pub agent_socket: Option<PathBuf>,
    /// Path of the ssh_config for [`Backend::OpenSsh`].
    pub config: Option<PathBuf>,
    /// Interval between keepalive requests during a silent repair. It is a whole number of seconds,
    /// at least two. After four unanswered requests, the connection counts as lost.
    pub keepalive: Duration,
    /// Route to the jump host, which has its own host key and account; `None` to connect directly.
    pub via: Option<Box<HostRoute>>,
}

const DEFAULT_KEY: &str = "/etc/nagios-selfheal/id_ed25519";
const DEFAULT_KNOWN_HOSTS: &str = "/etc/nagios-selfheal/known_hosts";
/// How often to send a keepalive request by default.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// Maximum number of jump hosts in a chain. A longer chain must be a cycle.
const LONGEST_CHAIN: usize = 4;

impl HostRoutes {
    pub(super) fn new(all: SshKeys, hosts: BTreeMap<String, SshKeys>) -> HostRoutes {
        HostRoutes { all, hosts }
    }

    /// Returns every path in these settings.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let all = self.hosts.values().chain([&self.all]);
        all.flat_map(|keys| {
            let files = [&keys.key, &keys.passphrase_file, &keys.config].into_iter().flatten();
            files.chain(keys.known_hosts.iter().flatten()).map(PathBuf::as_path)
        })
    }

    /// Returns the hosts listed in `hosts`, including jump hosts.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }

    /// Returns the route to `host`. `address` is the host's address in Nagios; an address in the
    /// policy takes precedence.
    pub fn route(&self, host: &str, address: Option<&str>) -> HostRoute {
        self.route_within(host, address, LONGEST_CHAIN)
    }

    fn route_within(&self, host: &str, address: Option<&str>, chain: usize) -> HostRoute {
        let none = SshKeys::default();
        let keys = [self.hosts.get(host).unwrap_or(&none), &self.all];
        // Do not reach a jump host through itself, even if `via` applies to all hosts.
        let via = first(keys, |keys| &keys.via).map(|via| respell(&via));
        let via = via.filter(|via| via != host && chain > 0);
        HostRoute {
            host: host.to_owned(),
            address: keys[0].address.as_deref().or(address).unwrap_or(host).to_owned(),
            backend: first(keys, |keys| &keys.backend).unwrap_or(Backend::Ssh2),
            user: first(keys, |keys| &keys.user).unwrap_or_else(|| "repair".to_owned()),
            port: first(keys, |keys| &keys.port).unwrap_or(22),
            key: first(keys, |keys| &keys.key).unwrap_or_else(|| DEFAULT_KEY.into()),
            passphrase_file: first(keys, |keys| &keys.passphrase_file),
            known_hosts: first(keys, |keys| &keys.known_hosts)
                .unwrap_or_else(|| vec![DEFAULT_KNOWN_HOSTS.into()]),
            agent: first(keys, |keys| &keys.agent).unwrap_or(false),
            agent_socket: None,
            config: first(keys, |keys| &keys.config),
            keepalive: KEEPALIVE,
            via: via.map(|via| Box::new(self.route_within(&via, None, chain - 1))),
        }
    }
}

/// Returns the host's own value of a setting or, if it has none, the value for all hosts.
fn first<T: Clone>(keys: [&SshKeys; 2], key: impl Fn(&SshKeys) -> &Option<T>) -> Option<T> {
    keys.into_iter().find_map(|keys| key(keys).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(text: &str) -> HostRoutes {
        let keys: BTreeMap<String, SshKeys> = serde_json::from_str(text).unwrap();
        let all = keys.get("*").cloned().unwrap_or_default();
        HostRoutes::new(all, keys.into_iter().filter(|(host, _)| host != "*").collect())
    }

    #[test]
    fn overrides_common_keys_for_one_host() {
        let routes = routes(
            r#"{"*": {"user": "fix"},
                "web1": {"port": 2222, "address": "192.0.2.9", "transport": "openssh"}}"#,
        );
        let web1 = routes.route("web1", Some("192.0.2.1"));
        assert_eq!(
            (web1.user.as_str(), web1.port, web1.address.as_str()),
            ("fix", 2222, "192.0.2.9")
        );
        assert_eq!(web1.backend, Backend::OpenSsh);
        let web2 = routes.route("web2", Some("192.0.2.2"));
        assert_eq!(
            (web2.port, web2.address.as_str(), web2.backend),
            (22, "192.0.2.2", Backend::Ssh2)
        );
        assert_eq!(routes.route("web3", None).address, "web3");
    }

    #[test]
    fn resolves_jump_hosts_and_ends_their_cycles() {
        let routes = routes(
            r#"{"*": {"via": "gate"}, "gate": {"user": "jump"},
                "a": {"via": "b"}, "b": {"via": "a"}}"#,
        );
        let route = routes.route("web1", None);
        assert_eq!(
            route.via.as_ref().map(|via| (via.host.as_str(), via.user.as_str())),
            Some(("gate", "jump"))
        );
        assert_eq!(route.via.unwrap().via, None);
        let mut hops = 0;
        let mut route = Some(Box::new(routes.route("a", None)));
        while let Some(hop) = route {
            (route, hops) = (hop.via, hops + 1);
        }
        assert_eq!(hops, LONGEST_CHAIN + 1);
    }
}
