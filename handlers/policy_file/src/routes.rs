//! The routes to hosts: the keys that hold for all of them, and those of a single host.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use policy::respell;
use serde::Deserialize;

/// The keys of `ssh`, and of each host in `hosts`.
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

/// The SSH client that connects to a gate: the values of the key `transport`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// libssh2, in this process.
    Ssh2,
    /// The `ssh` program, for certificates, security keys, ProxyJump and ssh_config.
    OpenSsh,
}

/// The routes to all hosts.
#[derive(Debug, Clone, Default)]
pub struct HostRoutes {
    all: SshKeys,
    hosts: BTreeMap<String, SshKeys>,
}

/// The route to the gate of one host, with every default filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRoute {
    /// Nagios' name of the host, spelled: its key is recorded under this name, and messages use it.
    pub host: String,
    /// A host name or an IP address to connect to.
    pub address: String,
    /// The SSH client.
    pub backend: Backend,
    /// The unprivileged account of the gate.
    pub user: String,
    /// sshd's port.
    pub port: u16,
    /// The private key, readable by the user Nagios runs as alone.
    pub key: PathBuf,
    /// Its passphrase, mode 0600.
    pub passphrase_file: Option<PathBuf>,
    /// The files of recorded host keys. Missing ones are skipped if another one exists.
    pub known_hosts: Vec<PathBuf>,
    /// Whether an ssh-agent signs, with the key whose public half is in `KEY.pub`, in place of
    /// `key`.
    pub agent: bool,
    /// The agent's socket; `None` for the one that `SSH_AUTH_SOCK` names.
    pub agent_socket: Option<PathBuf>,
    /// The ssh_config of [`Backend::OpenSsh`].
    pub config: Option<PathBuf>,
    /// Interval of keepalive requests during a silent repair, in whole seconds of at least two.
    /// After four unanswered ones the connection counts as cut.
    pub keepalive: Duration,
    /// The jump host, which is logged in to first, with its own host key and account.
    pub via: Option<Box<HostRoute>>,
}

const DEFAULT_KEY: &str = "/etc/nagios-selfheal/id_ed25519";
const DEFAULT_KNOWN_HOSTS: &str = "/etc/nagios-selfheal/known_hosts";
/// The interval of keepalive requests.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// More hosts than any chain of jump hosts has: a longer one is a cycle.
const LONGEST_CHAIN: usize = 4;

impl HostRoutes {
    pub(super) fn new(all: SshKeys, hosts: BTreeMap<String, SshKeys>) -> HostRoutes {
        HostRoutes { all, hosts }
    }

    /// All places it names.
    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        let all = self.hosts.values().chain([&self.all]);
        all.flat_map(|keys| {
            let files = [&keys.key, &keys.passphrase_file, &keys.config].into_iter().flatten();
            files.chain(keys.known_hosts.iter().flatten()).map(PathBuf::as_path)
        })
    }

    /// The hosts that have keys of their own, and the jump hosts.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }

    /// Returns the route to `host`; `address` is what Nagios knows, unless the policy has another.
    pub fn route(&self, host: &str, address: Option<&str>) -> HostRoute {
        self.route_within(host, address, LONGEST_CHAIN)
    }

    fn route_within(&self, host: &str, address: Option<&str>, chain: usize) -> HostRoute {
        let none = SshKeys::default();
        let keys = [self.hosts.get(host).unwrap_or(&none), &self.all];
        // A jump host is not reached through itself.
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

/// Returns the value of a key: the host's own, or the common one.
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
