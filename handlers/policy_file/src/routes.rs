//! How hosts are reached: what holds for all, and what a single host does otherwise.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The keys of `ssh`, and of each host in `hosts`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SshKeys {
    address: Option<String>,
    transport: Option<Transport>,
    user: Option<String>,
    port: Option<u16>,
    key: Option<PathBuf>,
    passphrase_file: Option<PathBuf>,
    known_hosts: Option<Vec<PathBuf>>,
    agent: Option<bool>,
    via: Option<String>,
    config: Option<PathBuf>,
}

/// By which means a gate is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// The built-in one.
    Ssh2,
    /// The `ssh` program, for certificates, security keys, ProxyJump and ssh_config.
    Openssh,
}

/// All that is known of reaching hosts.
#[derive(Debug, Clone, Default)]
pub struct HostRoutes {
    all: SshKeys,
    hosts: BTreeMap<String, SshKeys>,
}

/// How one host is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRoute {
    /// Nagios' name of the host.
    pub host: String,
    /// Where it is.
    pub address: String,
    /// By which means.
    pub transport: Transport,
    /// The unprivileged account of the gate.
    pub user: String,
    /// sshd's port.
    pub port: u16,
    /// The private key, readable by the user Nagios runs as alone.
    pub key: PathBuf,
    /// Its passphrase, mode 0600.
    pub passphrase_file: Option<PathBuf>,
    /// The hosts' recorded keys.
    pub known_hosts: Vec<PathBuf>,
    /// Whether an ssh-agent signs.
    pub agent: bool,
    /// An ssh_config for the openssh transport.
    pub config: Option<PathBuf>,
    /// The host through which it is reached.
    pub via: Option<Box<HostRoute>>,
}

/// More hosts than any chain of bastions has: a longer one is a circle.
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

    /// The hosts that have keys of their own, and the bastions.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.keys().map(String::as_str)
    }

    /// How `host` is reached; `address` is what Nagios knows, unless the policy says otherwise.
    pub fn route(&self, host: &str, address: Option<&str>) -> HostRoute {
        self.route_within(host, address, LONGEST_CHAIN)
    }

    fn route_within(&self, host: &str, address: Option<&str>, chain: usize) -> HostRoute {
        let none = SshKeys::default();
        let own = self.hosts.get(host).unwrap_or(&none);
        let all = &self.all;
        // A bastion is not reached through itself.
        let via = own.via.as_ref().or(all.via.as_ref()).filter(|via| *via != host && chain > 0);
        let known_hosts = own.known_hosts.as_ref().or(all.known_hosts.as_ref()).cloned();
        let key = own.key.as_ref().or(all.key.as_ref()).cloned();
        HostRoute {
            host: host.to_owned(),
            address: own.address.as_deref().or(address).unwrap_or(host).to_owned(),
            transport: own.transport.or(all.transport).unwrap_or(Transport::Ssh2),
            user: own
                .user
                .as_ref()
                .or(all.user.as_ref())
                .cloned()
                .unwrap_or_else(|| "repair".to_owned()),
            port: own.port.or(all.port).unwrap_or(22),
            key: key.unwrap_or_else(|| "/etc/nagios-selfheal/id_ed25519".into()),
            passphrase_file: own.passphrase_file.as_ref().or(all.passphrase_file.as_ref()).cloned(),
            known_hosts: known_hosts
                .unwrap_or_else(|| vec!["/etc/nagios-selfheal/known_hosts".into()]),
            agent: own.agent.or(all.agent).unwrap_or(false),
            config: own.config.as_ref().or(all.config.as_ref()).cloned(),
            via: via.map(|via| Box::new(self.route_within(via, None, chain - 1))),
        }
    }
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
    fn a_host_may_do_otherwise() {
        let routes = routes(
            r#"{"*": {"user": "fix"}, "web1": {"port": 2222, "address": "192.0.2.9", "transport": "openssh"}}"#,
        );
        let web1 = routes.route("web1", Some("192.0.2.1"));
        assert_eq!(
            (web1.user.as_str(), web1.port, web1.address.as_str()),
            ("fix", 2222, "192.0.2.9")
        );
        assert_eq!(web1.transport, Transport::Openssh);
        let web2 = routes.route("web2", Some("192.0.2.2"));
        assert_eq!(
            (web2.port, web2.address.as_str(), web2.transport),
            (22, "192.0.2.2", Transport::Ssh2)
        );
        assert_eq!(routes.route("web3", None).address, "web3");
    }

    #[test]
    fn bastions_are_hosts_too_and_a_circle_of_them_ends() {
        let routes = routes(
            r#"{"*": {"via": "gate"}, "gate": {"user": "jump"}, "a": {"via": "b"}, "b": {"via": "a"}}"#,
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
