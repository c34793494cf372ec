//! Three Nagios servers, two database servers and the hosts to be repaired, each in a network
//! namespace of its own. All hosts share one sshd, but each has a gate and a state directory of its
//! own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use e2e::{LabNetwork, Monitor, NetworkNode, Place, WebSide, new_key, run, run_at_once, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use testkit::{Postgres, set_mode};

use crate::LIMIT;
use crate::database::{DATABASE, ledger_key, start_database};
use crate::gate_run::{GateRun, gate_runs};
use crate::site::result;

const SERVERS: usize = 3;
const HOSTS: usize = 40;
/// Name of the host whose worker is stopped. Its service and its repair have the same name.
pub const LATE: &str = "late";
/// The script that each repair runs.
const WORK: &str = "#!/bin/sh
echo \"$1/$2\" >> MARKS/runs
sleep 2
exec rm -f \"MARKS/$1.$2\"
";

/// A Nagios server in a namespace.
pub struct StormServer {
    pub monitor: Monitor,
    pub node: NetworkNode,
    commands: Mutex<(Receiver<String>, Vec<String>)>,
}

/// All machines. Fields are dropped in this order.
pub struct StormSite {
    pub servers: Vec<StormServer>,
    web: WebSide,
    pub primary: Postgres,
    pub standby: Postgres,
    /// The namespaces of the hosts and of the database servers.
    nodes: [NetworkNode; 3],
    ca: PathBuf,
    place: Place,
    _network: LabNetwork,
}

/// A handler call that was added to the queue.
pub struct StormCall {
    pub server: usize,
    /// The object, such as `web1/s1`.
    pub object: String,
    pub job: String,
}

/// A stopped worker. Dropping this value resumes it.
pub struct StoppedWorker(Pid);

impl Drop for StoppedWorker {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

impl StormSite {
    /// Starts all machines. The standby is synchronous, so the primary confirms no reservation that
    /// the standby has not received. `events` is the number of services that are broken.
    pub fn start(events: usize) -> StormSite {
        let (network, place) = (LabNetwork::new(), Place::new());
        let nodes = [(); 3].map(|()| network.node());
        let [hosts, first, second] = &nodes;
        let web = hosts.does(|| WebSide::listening_on("0.0.0.0", &place));
        let addresses = [first.address.as_str(), &second.address];
        let (primary, ca) = start_database(&place, first, &addresses);
        primary.allow("host replication postgres 192.0.2.0/24 trust");
        let standby = second.does(|| Postgres::standby_at(&primary, &first.address));
        primary.set("synchronous_standby_names", "'*'");
        let server = |n| {
            let monitor = Monitor::named(&format!("nagios{n}"), &place, &web);
            let commands = Mutex::new((monitor.commands(), Vec::new()));
            StormServer { monitor, node: network.node(), commands }
        };
        let servers: Vec<StormServer> = (0..SERVERS).map(server).collect();
        let site =
            StormSite { servers, web, primary, standby, nodes, ca, place, _network: network };
        site.break_services(events);
        site.set_up_gates(events);
        site.write_policies(events, |_, _| ());
        let schema = run(&mut site.servers[0].monitor.ctl(&["ledger", "schema"]));
        site.primary.sql(DATABASE, &schema);
        site
    }

    /// Creates a file for each fault, which the repair removes.
    fn break_services(&self, events: usize) {
        let marks = self.place.directory("marks", None);
        set_mode(&marks, 0o777);
        let script = WORK.replace("MARKS", marks.to_str().unwrap());
        self.place.file("marks/work", &script, 0o755, None);
        self.place.file("marks/runs", "", 0o666, None);
        for (host, service) in all_objects(events) {
            self.place.file(&format!("marks/{host}.{service}"), "", 0o644, None);
        }
    }

    /// Creates a key, a repairs.json and a state directory for each host. The gate has no cooldown
    /// and no budget, so nothing but the ledger prevents a second repair.
    fn set_up_gates(&self, events: usize) {
        let (mut keys, mut known) = (String::new(), String::new());
        let [work, evidence] = ["marks/work", "marks/evidence"].map(|name| self.place.at(name));
        let wait = format!("touch {}; exec sleep 5", evidence.display());
        for host in hosts() {
            let key = self.key(&host);
            new_key(&key, "ed25519");
            let nagios = self.servers[0].monitor.nagios.uid;
            std::os::unix::fs::chown(&key, Some(nagios), None).unwrap();
            let state = self.place.directory(&format!("web/{host}"), self.web.account.ids());
            set_mode(&state, 0o700);
            let repair = |name: &String| {
                let run = json!([work, host, name]);
                let mut repair = json!({"run": run, "timeout": "10s", "cooldown": "0s"});
                if host == LATE {
                    repair["diagnose"] = json!([["/bin/sh", "-c", wait]]);
                }
                (name.clone(), repair)
            };
            let repairs: BTreeMap<String, Value> = names(events).iter().map(repair).collect();
            let repairs = json!({"repairs": repairs}).to_string();
            let config = self.place.file(&format!("web/{host}.json"), &repairs, 0o644, None);
            keys += &format!(
                "restrict,command=\"{} --config {} --state {}\" {}",
                self.place.program("repair_gate").display(),
                config.display(),
                state.display(),
                fs::read_to_string(key.with_extension("pub")).unwrap()
            );
            let (port, host_key) = (self.web.sshd.port, self.web.host_key("ed25519"));
            known += &format!("[{host}]:{port} {host_key}\n");
        }
        self.place.file("web/authorized_keys", &keys, 0o644, None);
        for server in &self.servers {
            fs::write(server.monitor.known_hosts(), &known).unwrap();
        }
    }

    fn key(&self, host: &str) -> PathBuf {
        self.place.at(&format!("key_{host}"))
    }

    /// Writes the policy of every server. `change` gets the directory of the server and the policy.
    pub fn write_policies(&self, events: usize, change: impl Fn(&Monitor, &mut Value)) {
        let [_, first, second] = &self.nodes;
        let databases = [(first, &self.primary), (second, &self.standby)];
        let rules = |name: &String| {
            let cooldown = if name == LATE { "1s" } else { "10m" };
            let rules = json!({
                "ladder": [{"ssh": name}],
                "verify": ["/usr/bin/test", "!", "-e", self.place.at("marks/{host}.{service}")],
                // Keep the timeout short: after a failover, repairs pause until all leases are
                // over, and a lease includes the timeout several times.
                "timeout": "4s", "settle": "0s", "cooldown": cooldown,
            });
            (name.clone(), rules)
        };
        let keys = |host: String| (host.clone(), json!({"key": self.key(&host)}));
        for StormServer { monitor, .. } in &self.servers {
            let mut policy = monitor.default_policy(&self.web);
            policy["ledger"] = ledger_key(monitor, &databases, &self.ca);
            policy["hosts"] = hosts().map(keys).collect();
            policy["fleet"]["running"] = json!(crate::storm::RUNNING);
            policy["fleet"]["share"] = json!(100);
            policy["repairs"] = names(events).iter().map(rules).collect();
            change(monitor, &mut policy);
            monitor.write_policy(&policy);
        }
    }

    /// Calls the handlers of all servers for a range of events at once. Returns the queued calls.
    pub fn storm(&self, events: std::ops::Range<usize>) -> Vec<StormCall> {
        let call = |server: usize| {
            let events = events.clone();
            move || {
                let command = |n| self.handler(server, &object(n), 1 + n);
                let outputs = self.servers[server].node.does(|| run_at_once(events, command));
                outputs.iter().map(|(output, _)| queued(server, output)).collect::<Vec<_>>()
            }
        };
        thread::scope(|scope| {
            let calls: Vec<_> = (0..SERVERS).map(|server| scope.spawn(call(server))).collect();
            calls.into_iter().flat_map(|calls| calls.join().unwrap()).collect()
        })
    }

    /// Returns the command that calls the handler of one server, as its Nagios would.
    fn handler(
        &self,
        server: usize,
        (host, service): &(String, String),
        problem: usize,
    ) -> Command {
        let monitor = &self.servers[server].monitor;
        let mut command = monitor.as_nagios(&monitor.handler);
        command.args(["CRITICAL", "HARD", "4", "--address", &self.nodes[0].address]);
        command.args(["--host", host, "--service", service]);
        command.args(["--repair", service, &format!("--problem-id={problem}")]);
        command.arg("--policy").arg(&monitor.policy);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    /// Calls the handler of one server for the service [`LATE`], and waits for the repair. Returns
    /// its exit code and its output.
    pub fn call_late(&self, server: usize, problem: usize) -> (i32, String) {
        let mut command = self.handler(server, &(LATE.to_owned(), LATE.to_owned()), problem);
        self.servers[server].node.does(|| result(command.arg("--foreground")))
    }

    /// Makes the first server reserve a repair of the service [`LATE`], and stops its worker before
    /// it begins the first rung.
    pub fn stop_worker(&self) -> StoppedWorker {
        let server = &self.servers[0];
        let mut command = self.handler(0, &(LATE.to_owned(), LATE.to_owned()), 1);
        queued(0, &server.node.does(|| command.output().unwrap()));
        until("the worker collects evidence", LIMIT, || {
            self.place.at("marks/evidence").exists().then_some(())
        });
        let workers = self.workers(server.monitor.policy.to_str().unwrap());
        let [worker] = workers.as_slice() else { panic!("{workers:?}") };
        kill_process(*worker, Signal::STOP).unwrap();
        StoppedWorker(*worker)
    }

    /// Returns the workers whose command line contains a path.
    fn workers(&self, path: &str) -> Vec<Pid> {
        let pattern = format!("^[^ ]*repair_worker .*{path}");
        let found = Command::new("pgrep").args(["-f", &pattern]).output().unwrap();
        let pids = String::from_utf8(found.stdout).unwrap();
        pids.lines().filter_map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
    }

    /// Waits until all calls are answered and all workers have ended, except a stopped worker and
    /// its call.
    pub fn settle(&self, stopped: Option<&StoppedWorker>) {
        until("an answer to every call", 4 * LIMIT, || {
            // Look at the queues before the processes. A worker can start the next worker and exit
            // while we search for processes.
            let waiting: usize = self.servers.iter().map(StormServer::waiting).sum();
            let rest = self.workers(self.place.path().to_str().unwrap());
            let is_expected = |pid: &Pid| stopped.is_some_and(|worker| worker.0 == *pid);
            let is_over = waiting == usize::from(stopped.is_some());
            (is_over && rest.iter().all(is_expected)).then_some(())
        });
    }

    /// Returns the objects that the scripts on the hosts have repaired, in this order.
    pub fn repaired(&self) -> Vec<String> {
        let runs = fs::read_to_string(self.place.at("marks/runs")).unwrap();
        runs.lines().map(str::to_owned).collect()
    }

    /// Waits until `more` further repairs have begun.
    pub fn wait_for_repairs(&self, more: usize) {
        let begun = self.repaired().len();
        until("more repairs", LIMIT, || (self.repaired().len() >= begun + more).then_some(()));
    }

    /// Returns what the gates have recorded.
    pub fn gate_runs(&self) -> Vec<GateRun> {
        let of_host = |host: String| gate_runs(&host, &self.place.at(&format!("web/{host}")));
        hosts().flat_map(of_host).collect()
    }

    /// Runs SQL on the standby, which has become the primary.
    pub fn sql(&self, sql: &str) -> String {
        self.standby.sql(DATABASE, &format!("SET search_path = selfheal; {sql}"))
    }

    /// Writes the status file of every server. As Nagios would, it shows a HARD problem of each
    /// service that is still broken.
    pub fn write_status(&self, events: usize) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut status = format!(
            "info {{\n\tcreated={now}\n\t}}\nprogramstatus {{\n\tenable_event_handlers=1\n\t\
             program_start=1\n\t}}\n"
        );
        let mut cache = String::new();
        for host in hosts() {
            let address = &self.nodes[0].address;
            cache += &format!("define host {{\n\thost_name\t{host}\n\taddress\t{address}\n\t}}\n");
            status += &format!("hoststatus {{\n\thost_name={host}\n\tcurrent_state=0\n\t}}\n");
        }
        for (host, service) in all_objects(events) {
            let is_broken = self.place.at(&format!("marks/{host}.{service}")).exists();
            status += &format!(
                "servicestatus {{\n\thost_name={host}\n\tservice_description={service}\n\t\
                 current_state={}\n\tstate_type=1\n\tcurrent_attempt=4\n\tmax_attempts=4\n\t\
                 last_check={now}\n\tevent_handler_enabled=1\n\t_REPAIR=0;{service}\n\t}}\n",
                if is_broken { 2 } else { 0 }
            );
        }
        for StormServer { monitor, .. } in &self.servers {
            monitor.replace(&status_file(monitor), &status);
            monitor.replace(&monitor.policy.with_file_name("objects.cache"), &cache);
        }
    }

    /// Runs `repairctl sweep` on one server. Returns the rows of its output.
    pub fn sweep(&self, server: usize, arguments: &[&str]) -> Vec<Value> {
        let StormServer { monitor, node, .. } = &self.servers[server];
        let mut command = monitor.ctl(&["sweep", "--json"]);
        let (_, text) = node.does(|| result(command.args(arguments)));
        let report: Value =
            serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
        report["objects"].as_array().unwrap().clone()
    }
}

impl StormServer {
    /// Returns the number of calls in the queue.
    fn waiting(&self) -> usize {
        let calls = fs::read_dir(self.monitor.ledger.with_file_name("ledger.queue")).unwrap();
        let names = calls.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(|c: char| c.is_ascii_digit())).count()
    }

    /// Returns the comments about calls without a decision that have arrived so far.
    pub fn failures(&self) -> Vec<String> {
        let mut guard = self.commands.lock().unwrap();
        let (channel, lines) = &mut *guard;
        lines.extend(channel.try_iter().filter(|line| line.contains(";COULD NOT REPAIR ")));
        lines.clone()
    }

    /// Returns the objects of the calls that led to no decision.
    pub fn undecided(&self) -> BTreeSet<String> {
        let object = |line: String| {
            let (_, text) = line.split_once(";COULD NOT REPAIR ").unwrap();
            text.split([':', ' ']).next().unwrap().to_owned()
        };
        self.failures().into_iter().map(object).collect()
    }
}

/// Returns the path of a server's status file.
pub fn status_file(monitor: &Monitor) -> PathBuf {
    monitor.policy.with_file_name("status.dat")
}

/// Returns the host and the service of an event. The repair has the same name as the service.
pub fn object(event: usize) -> (String, String) {
    (format!("web{}", event % HOSTS), format!("s{}", event / HOSTS))
}

/// Returns the hosts and services of all events, and those of [`LATE`].
fn all_objects(events: usize) -> impl Iterator<Item = (String, String)> {
    (0..events).map(object).chain([(LATE.to_owned(), LATE.to_owned())])
}

fn hosts() -> impl Iterator<Item = String> {
    (0..HOSTS).map(|host| format!("web{host}")).chain([LATE.to_owned()])
}

/// Returns the names of all repairs.
fn names(events: usize) -> Vec<String> {
    let services: BTreeSet<String> = (0..events).map(|event| object(event).1).collect();
    services.into_iter().chain([LATE.to_owned()]).collect()
}

/// Reads the output of a handler that has queued its call.
fn queued(server: usize, output: &Output) -> StormCall {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let parsed = text.strip_prefix("DISPATCHED ").and_then(|rest| rest.split_once(": job "));
    let (object, rest) = parsed.unwrap_or_else(|| panic!("{output:?}"));
    let job = rest.split(' ').next().unwrap().to_owned();
    StormCall { server, object: object.to_owned(), job }
}
