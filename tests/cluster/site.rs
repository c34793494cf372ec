//! Three Nagios servers and the hosts that they repair, all in one network. The hosts share a
//! machine with one sshd, but each has an address and a gate of its own.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use e2e::{LabNetwork, Monitor, NetworkNode, PatroniCluster, Place, WebSide, run, system_program};
use serde_json::json;
use testkit::set_mode;

/// Name of the database and of the role that the servers use.
pub const DATABASE: &str = "selfheal";
/// Number of hosts. Each has one service, which breaks at most once.
pub const HOSTS: usize = 180;
/// How many repairs may run at the same time.
pub const RUNNING: usize = 3;
/// Last part of the address of the first host.
const FIRST: usize = 60;

/// The program that each repair runs. It writes a line when it begins and another one when it ends.
const REPAIR: &str = "#!/bin/sh
echo \"begin $1 $(date +%s%N)\" >> MARKS/log
sleep 2
touch \"MARKS/$1\"
echo \"end $1 $(date +%s%N)\" >> MARKS/log
";

/// The command that sshd runs. Selects the gate of the host whose address the client has used.
const GATE: &str = "#!/bin/sh
set -- $SSH_CONNECTION
exec GATE --config \"HOSTS/$3.json\" --state \"HOSTS/$3\"
";

/// A Nagios server.
pub struct ClusterServer {
    monitor: Monitor,
    network: NetworkNode,
    /// Commands for Nagios, and how many of them were comments on calls that led to no decision.
    commands: Mutex<(Receiver<String>, usize)>,
}

/// All machines except those of the database. Fields are dropped in this order.
pub struct ClusterSite {
    pub servers: Vec<ClusterServer>,
    web: WebSide,
    hosts: NetworkNode,
    place: Place,
}

/// A repair that ran on its host. The times are on the host's clock.
pub struct HostRun {
    pub host: String,
    pub began: Duration,
    /// `None` if the repair has not ended.
    pub ended: Option<Duration>,
}

impl ClusterSite {
    /// Starts the hosts, creates the tables in the cluster, and configures the servers.
    pub fn start(place: Place, network: &LabNetwork, cluster: &PatroniCluster) -> ClusterSite {
        let hosts = network.node();
        let web = hosts.does(|| WebSide::listening_on("0.0.0.0", &place));
        let server = |n| {
            let monitor = Monitor::named(&format!("nagios{n}"), &place, &web);
            let commands = Mutex::new((monitor.commands(), 0));
            ClusterServer { monitor, network: network.node(), commands }
        };
        let site = ClusterSite { servers: (1..=3).map(server).collect(), web, hosts, place };
        site.set_up_gates();
        site.write_policies(cluster);
        let leader = cluster.wait_until_complete();
        let schema = run(&mut site.servers[0].monitor.ctl(&["ledger", "schema"]));
        for (database, sql) in [
            ("postgres", &format!("CREATE ROLE {DATABASE} LOGIN")),
            ("postgres", &format!("CREATE DATABASE {DATABASE}")),
            (DATABASE, &schema),
        ] {
            cluster.query_in(leader, database, sql).expect("the leader accepts the tables");
        }
        site
    }

    /// Creates an address, a repairs.json and a state directory for each host. The gates have no
    /// cooldown, so only the ledger prevents a second repair.
    fn set_up_gates(&self) {
        let account = self.web.account.ids();
        let marks = self.place.directory("marks", account);
        let repair = REPAIR.replace("MARKS", &marks.display().to_string());
        let repair = self.place.file("repair.sh", &repair, 0o755, None);
        let directory = self.place.directory("hosts", None);
        let gate = GATE
            .replace("GATE", &self.place.program("repair_gate").display().to_string())
            .replace("HOSTS", &directory.display().to_string());
        let gate = self.place.file("gate.sh", &gate, 0o755, None);
        self.web.allow(&format!("restrict,command=\"{}\"", gate.display()));
        let mut known = String::new();
        for number in 0..HOSTS {
            let (host, address) = (host(number), address(number));
            let run_it = json!({"run": [repair, host], "timeout": "10s", "cooldown": "0s"});
            let repairs = json!({"repairs": {"service": run_it}}).to_string();
            self.place.file(&format!("hosts/{address}.json"), &repairs, 0o644, None);
            set_mode(self.place.directory(&format!("hosts/{address}"), account), 0o700);
            let words = ["addr", "add", &format!("{address}/24"), "dev", "wire"];
            self.hosts.does(|| run(Command::new(system_program(&["ip"])).args(words)));
            let (port, key) = (self.web.sshd.port, self.web.host_key("ed25519"));
            known += &format!("[{host}]:{port} {key}\n");
        }
        for server in &self.servers {
            fs::write(server.monitor.known_hosts(), &known).unwrap();
        }
    }

    fn write_policies(&self, cluster: &PatroniCluster) {
        for ClusterServer { monitor, .. } in &self.servers {
            let state = monitor.ledger.parent().unwrap();
            let mut policy = monitor.default_policy(&self.web);
            policy["ledger"] = json!({"postgres": {
                "hosts": cluster.addresses(), "ca": cluster.ca, "state": state,
                "server": state.file_name().unwrap().to_str(),
            }});
            policy["fleet"]["running"] = json!(RUNNING);
            policy["repairs"] = json!({"service": {
                "ladder": [{"ssh": "service"}],
                "verify": ["/usr/bin/test", "-e", self.place.at("marks/{host}")],
                "timeout": "10s", "settle": "0s", "cooldown": "1h",
            }});
            monitor.write_policy(&policy);
        }
    }

    /// Returns all repairs that have begun, in this order, as the hosts have recorded them.
    pub fn runs(&self) -> Vec<HostRun> {
        let log = fs::read_to_string(self.place.at("marks/log")).unwrap_or_default();
        let mut runs: Vec<HostRun> = Vec::new();
        let mut running = BTreeMap::new();
        // The last line may be incomplete.
        for line in log.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let words: Vec<&str> = line.split(' ').collect();
            let [word, host, nanoseconds] = words[..] else { panic!("{line}") };
            let at = Duration::from_nanos(nanoseconds.parse().unwrap());
            match word {
                "begin" => {
                    running.insert(host.to_owned(), runs.len());
                    runs.push(HostRun { host: host.to_owned(), began: at, ended: None });
                }
                _ => runs[running[host]].ended = Some(at),
            }
        }
        runs
    }

    /// Whether the service of a host has been repaired.
    pub fn is_repaired(&self, number: usize) -> bool {
        self.place.at("marks").join(host(number)).exists()
    }
}

impl ClusterServer {
    /// Calls the handler for a fault of a host's service, as Nagios would.
    pub fn call(&self, number: usize) {
        let mut command = self.monitor.as_nagios(&self.monitor.handler);
        command.args(["CRITICAL", "HARD", "4", "--service", "HTTP", "--repair", "service"]);
        command.args(["--host", &host(number), "--address", &address(number)]);
        command.arg(format!("--problem-id={}", number + 1));
        command.arg("--policy").arg(&self.monitor.policy).stdin(Stdio::null());
        let text = self.network.does(|| run(&mut command));
        assert!(text.starts_with("DISPATCHED"), "{text}");
    }

    /// Whether calls wait for a worker of this server.
    pub fn has_waiting(&self) -> bool {
        let queue = fs::read_dir(self.monitor.ledger.with_file_name("ledger.queue")).unwrap();
        let mut names = queue.flatten().map(|entry| entry.file_name());
        names.any(|name| name.as_encoded_bytes().first().is_some_and(u8::is_ascii_digit))
    }

    /// Returns how many calls have led to no decision, because the database was away or had just
    /// failed over. The worker reports each of them to Nagios with a comment.
    pub fn undecided(&self) -> usize {
        let mut guard = self.commands.lock().unwrap();
        let (commands, count) = &mut *guard;
        *count += commands.try_iter().filter(|line| line.contains("nothing was run")).count();
        *count
    }
}

/// Returns the name of a host.
pub fn host(number: usize) -> String {
    format!("web{number}")
}

fn address(number: usize) -> String {
    format!("192.0.2.{}", FIRST + number)
}

/// Returns the time since 1970.
pub fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}
