//! A PostgreSQL cluster of three machines that Patroni and etcd keep running, with Debian's
//! packages.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::certificates;

use crate::daemon::Daemon;
use crate::network::{LabNetwork, NetworkNode};
use crate::place::{Place, give, system_program};
use crate::wait::until;

/// The account that runs the daemons, because PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;

/// How long a failover may take. If the leader gives no sign of life, Patroni waits 30 s before a
/// standby takes over.
const FAILOVER: Duration = Duration::from_secs(300);

/// A Patroni cluster with synchronous replication and Patroni's default timing. Clients have to use
/// TLS. Dropping this value kills all daemons.
#[derive(Debug)]
pub struct PatroniCluster {
    nodes: Vec<DatabaseNode>,
    /// Path of the CA certificate with which clients verify the servers.
    pub ca: PathBuf,
}

/// A machine of the cluster. The daemons come first, so that they are killed before their network
/// namespace is deleted.
#[derive(Debug)]
struct DatabaseNode {
    patroni: Option<Daemon>,
    _etcd: Daemon,
    directory: PathBuf,
    network: NetworkNode,
}

impl PatroniCluster {
    /// Starts the cluster, and waits until it has a leader and two standbys.
    pub fn start(place: &Place, network: &LabNetwork) -> PatroniCluster {
        let machines = [network.node(), network.node(), network.node()];
        let addresses = machines.each_ref().map(|machine| machine.address.clone());
        let shared = place.directory("database", None);
        certificates(&shared, &addresses.each_ref().map(|it| format!("IP:{it}")).join(","));
        give(&shared.join("server.key"), Some((NOBODY, NOBODY)));
        let node = |(network, name): (NetworkNode, &str)| {
            let directory = place.directory(&format!("database/{name}"), Some((NOBODY, NOBODY)));
            let config = settings(name, &directory, &shared, &addresses, &network.address);
            let config = config.to_string();
            place.file(&format!("database/{name}/patroni.yml"), &config, 0o644, None);
            let _etcd = start_etcd(name, &directory, &addresses, &network);
            DatabaseNode { patroni: None, _etcd, directory, network }
        };
        let nodes = machines.into_iter().zip(NAMES).map(node).collect();
        let mut cluster = PatroniCluster { nodes, ca: shared.join("ca.pem") };
        (0..NAMES.len()).for_each(|node| cluster.restart(node));
        cluster.wait_until_complete();
        cluster
    }

    /// Returns the addresses of all nodes.
    pub fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.network.address.clone()).collect()
    }

    /// Kills Patroni and PostgreSQL on a node with SIGKILL. etcd keeps running.
    pub fn kill(&mut self, node: usize) {
        self.node(node).patroni = None;
    }

    /// Starts Patroni on a node, as systemd does after a crash.
    pub fn restart(&mut self, node: usize) {
        let node = self.node(node);
        let config = node.directory.join("patroni.yml");
        node.patroni = Some(start("patroni", &node.directory, &node.network, &[config]));
    }

    /// Cuts the link of a node, so that it reaches neither the other nodes nor any client.
    pub fn cut(&mut self, node: usize) {
        self.node(node).network.cut();
    }

    /// Connects a node again.
    pub fn join(&mut self, node: usize) {
        self.node(node).network.join();
    }

    fn node(&mut self, node: usize) -> &mut DatabaseNode {
        self.nodes.get_mut(node).expect("one of three nodes")
    }

    /// Waits until the cluster has a leader and two standbys that follow it. Returns the leader.
    pub fn wait_until_complete(&self) -> usize {
        until("a complete cluster", FAILOVER, || {
            let [leader] = self.leaders()[..] else { return None };
            let mut standbys = (0..self.nodes.len()).filter(|node| *node != leader);
            standbys.all(|node| self.follows(node)).then_some(leader)
        })
    }

    /// Waits until a node other than `old` accepts writes, and returns it.
    pub fn wait_for_leader_other_than(&self, old: Option<usize>) -> usize {
        let is_new = |node: &usize| Some(*node) != old;
        until("a leader", FAILOVER, || self.leaders().into_iter().find(is_new))
    }

    /// Waits until a node that was cut off either follows the leader or is the leader itself.
    /// Returns whether it is the leader.
    pub fn wait_for_role(&self, node: usize) -> bool {
        until("the node's role", FAILOVER, || {
            let is_leader = self.leaders().contains(&node);
            (is_leader || self.follows(node)).then_some(is_leader)
        })
    }

    fn follows(&self, node: usize) -> bool {
        let status = self.query(node, "SELECT status FROM pg_stat_wal_receiver");
        status.as_deref() == Some("streaming")
    }

    /// Returns all nodes that accept writes.
    fn leaders(&self) -> Vec<usize> {
        let sql = "SELECT pg_is_in_recovery()";
        let is_leader = |node: &usize| self.query(*node, sql).as_deref() == Some("f");
        (0..self.nodes.len()).filter(is_leader).collect()
    }

    /// Runs SQL as the superuser through a node's socket, which also works while its link is cut.
    /// Returns what psql prints, or `None` if the node does not answer.
    pub fn query(&self, node: usize, sql: &str) -> Option<String> {
        self.query_in(node, "postgres", sql)
    }

    /// Like [`PatroniCluster::query`], but in the given database.
    pub fn query_in(&self, node: usize, database: &str, sql: &str) -> Option<String> {
        let mut psql = Command::new(system_program(&["psql"]));
        psql.arg("-h").arg(&self.nodes.get(node)?.directory).args(["-U", "postgres", "-qAtX"]);
        psql.args(["-d", database, "-v", "ON_ERROR_STOP=1", "-c", sql]).current_dir("/");
        let done = psql.env("PGCONNECT_TIMEOUT", "5").output().expect("psql starts");
        done.status.success().then(|| String::from_utf8_lossy(&done.stdout).trim().to_owned())
    }
}

/// Names of the nodes in etcd and in Patroni.
const NAMES: [&str; 3] = ["db1", "db2", "db3"];

/// Returns Patroni's configuration of a node. JSON is valid YAML.
fn settings(
    name: &str,
    directory: &Path,
    certificates: &Path,
    addresses: &[String],
    address: &str,
) -> Value {
    let etcd: Vec<String> = addresses.iter().map(|address| format!("{address}:2379")).collect();
    let [api, database] = [8008, 5432].map(|port| format!("{address}:{port}"));
    json!({
        "scope": "selfheal",
        "name": name,
        "restapi": {"listen": api, "connect_address": api},
        "etcd3": {"hosts": etcd},
        "bootstrap": {
            "dcs": {"synchronous_mode": true, "postgresql": {"use_pg_rewind": true}},
            "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, {"auth": "trust"}],
        },
        "postgresql": {
            "listen": database,
            "connect_address": database,
            "data_dir": directory.join("data"),
            "bin_dir": newest_server(),
            "pgpass": directory.join("pgpass"),
            "use_unix_socket": true,
            "remove_data_directory_on_rewind_failure": true,
            "remove_data_directory_on_diverged_timelines": true,
            "authentication": {
                "superuser": {"username": "postgres"},
                "replication": {"username": "replicator", "password": "lab"},
            },
            "pg_hba": [
                "local all all trust",
                "host replication all samenet trust",
                "host all postgres samenet trust",
                "hostssl selfheal selfheal samenet trust",
            ],
            "parameters": {
                "unix_socket_directories": directory,
                "ssl": "on",
                "ssl_cert_file": certificates.join("server.pem"),
                "ssl_key_file": certificates.join("server.key"),
                "max_connections": 200,
                "shared_buffers": "16MB",
                // The data need not survive a power failure.
                "fsync": "off",
            },
        },
    })
}

/// Returns the directory of PostgreSQL's programs, which Debian keeps outside PATH.
fn newest_server() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed");
    let paths = versions.flatten().map(|version| version.path().join("bin"));
    paths.filter(|path| path.join("postgres").exists()).max().expect("PostgreSQL is installed")
}

fn start_etcd(name: &str, directory: &Path, addresses: &[String], network: &NetworkNode) -> Daemon {
    let of = |port| format!("http://{}:{port}", network.address);
    let peers = addresses.iter().zip(NAMES);
    let peers: Vec<String> = peers.map(|(it, name)| format!("{name}=http://{it}:2380")).collect();
    let words = [
        ("name", name.to_owned()),
        ("data-dir", directory.join("etcd").display().to_string()),
        ("listen-client-urls", of(2379)),
        ("advertise-client-urls", of(2379)),
        ("listen-peer-urls", of(2380)),
        ("initial-advertise-peer-urls", of(2380)),
        ("initial-cluster", peers.join(",")),
    ];
    let words = words.map(|(name, value)| PathBuf::from(format!("--{name}={value}")));
    start("etcd", directory, network, &words)
}

/// Starts a daemon of a node. Its log is in the node's directory.
fn start(program: &str, directory: &Path, network: &NetworkNode, arguments: &[PathBuf]) -> Daemon {
    let mut words: Vec<PathBuf> =
        [&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups", "--"]
            .map(PathBuf::from)
            .into();
    words.push(system_program(&[program]));
    words.extend_from_slice(arguments);
    let log = directory.join(format!("{program}.log"));
    network.does(|| Daemon::start(&log, &system_program(&["setpriv"]), &words))
}
