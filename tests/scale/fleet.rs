//! Fifty hosts with twenty services each, all behind one sshd. Each host has its own key and
//! therefore its own gate with separate locks and records.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use e2e::{Lab, Monitor, Nagios, Place, Watch, WebSide, gate_records, run, system_program};
use ledger::Record;
use serde_json::{Value, json};

/// Number of hosts, each of which has its own gate.
pub const HOSTS: usize = 50;
/// Number of services on each host. The host's gate has a repair for each of them.
pub const SERVICES: usize = 20;

/// All hosts, the Nagios that checks them, and the sshd that they share.
pub struct Fleet {
    /// The Nagios server.
    pub monitor: Monitor,
    nagios: Nagios,
    place: Place,
    _web: WebSide,
}

fn hosts() -> impl Iterator<Item = String> {
    (1..=HOSTS).map(|n| format!("x{n:02}"))
}

fn services() -> impl Iterator<Item = String> {
    (1..=SERVICES).map(|n| format!("s{n:02}"))
}

impl Fleet {
    /// Starts Nagios with all services OK. At most `cap` repairs can run at the same time.
    pub fn start(cap: u32) -> Fleet {
        let Lab { monitor, web, place } = Lab::new();
        let marks = place.directory("marks", web.account.ids());
        let mut allowed = String::new();
        let mut known = fs::read_to_string(monitor.known_hosts()).unwrap();
        place.directory("web/gates", None);
        for host in hosts() {
            place.directory(&format!("marks/{host}"), web.account.ids());
            allowed += &gate(&place, &web, &monitor, &marks, &host);
            known += &format!("[{host}]:{} {}\n", web.sshd.port, web.host_key("ed25519"));
        }
        place.file("web/authorized_keys", &allowed, 0o644, None);
        fs::write(monitor.known_hosts(), known).unwrap();
        monitor.write_policy(&policy(&place, &monitor, &web, &marks, cap));
        let watch = Watch { more: objects(&place, &marks), ..Watch::default() };
        let nagios = Nagios::start(&place, &monitor, &web, &watch);
        Fleet { monitor, nagios, place, _web: web }
    }

    /// Makes all services fail. A single file contains the results of all services, so Nagios reads
    /// them at the same time.
    pub fn break_everything(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let mut results = format!("file_time={now}\n");
        for host in hosts() {
            for service in services() {
                results += &format!(
                    "\nhost_name={host}\nservice_description={service}\ncheck_type=1\nscheduled_check=0\nstart_time={now}.0\n\
                     finish_time={now}.0\nexited_ok=1\nreturn_code=2\noutput=broken\n"
                );
            }
        }
        let spool = self.nagios.log.with_file_name("results");
        fs::write(spool.join("cstorm1"), results).unwrap();
        fs::write(spool.join("cstorm1.ok"), "").unwrap();
    }

    /// Returns how many times Nagios has called the handler of any service with this event.
    pub fn calls(&self, event: &str) -> usize {
        let is_one =
            |line: &&String| line.contains("SERVICE EVENT HANDLER: x") && line.contains(event);
        self.nagios.log_lines().iter().filter(is_one).count()
    }

    /// Returns the number of services that are CRITICAL in Nagios.
    pub fn broken(&self) -> usize {
        fs::read_to_string(&self.nagios.status)
            .unwrap_or_default()
            .matches("\tcurrent_state=2\n")
            .count()
    }

    /// Runs one sweep as Nagios' user and returns its output.
    pub fn sweep(&self) -> String {
        let output = self.monitor.ctl(&["sweep"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    }

    /// Returns all repairs in the ledger.
    pub fn all_records(&self) -> Vec<Record> {
        self.monitor.records()
    }

    /// Returns the start and end of each repair from the gates' records, in milliseconds since the
    /// epoch.
    pub fn jobs(&self) -> Vec<(u64, u64)> {
        let records =
            hosts().flat_map(|host| gate_records(&self.place.at(&format!("web/gates/{host}"))));
        let times = records.map(|path| {
            let record: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            (record["started"].as_u64().unwrap(), record["ended"].as_u64().unwrap_or(u64::MAX))
        });
        times.collect()
    }

    /// Returns the maximum number of repairs that ran at the same time, from the gates' records.
    pub fn most_at_once(&self) -> u32 {
        let jobs = self.jobs();
        let ends = jobs.iter().map(|(_, ended)| (*ended, -1));
        let mut changes: Vec<(u64, i32)> =
            jobs.iter().map(|(started, _)| (*started, 1)).chain(ends).collect();
        // If one repair ends and another starts in the same millisecond, count the end first.
        changes.sort_unstable();
        let (mut now, mut most) = (0, 0);
        for (_, change) in changes {
            now += change;
            most = most.max(now);
        }
        u32::try_from(most).unwrap()
    }
}

/// Creates the gate of a host and returns its line for authorized_keys.
fn gate(
    place: &Place,
    web: &WebSide,
    monitor: &Monitor,
    marks: &std::path::Path,
    host: &str,
) -> String {
    let repair = |service: &String| {
        let script = format!("sleep 0.05; touch {}", marks.join(host).join(service).display());
        (
            service.clone(),
            json!({"run": ["/bin/sh", "-c", script], "timeout": "15s", "cooldown": "0s"}),
        )
    };
    let repairs: Value =
        services().map(|service| repair(&service)).collect::<serde_json::Map<_, _>>().into();
    let config = place.file(
        &format!("web/gates/{host}.json"),
        &json!({"repairs": repairs}).to_string(),
        0o644,
        None,
    );
    let state = place.directory(&format!("web/gates/{host}"), web.account.ids());
    let key = key(monitor, host);
    run(Command::new(system_program(&["ssh-keygen"]))
        .args(["-q", "-N", "", "-C", host, "-t", "ed25519", "-f"])
        .arg(&key));
    std::os::unix::fs::chown(&key, Some(monitor.nagios.uid), Some(monitor.nagios.gid)).unwrap();
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let program = place.program("repair_gate");
    let command =
        format!("{} --config {} --state {}", program.display(), config.display(), state.display());
    format!("restrict,command=\"{command}\" {public}")
}

fn key(monitor: &Monitor, host: &str) -> PathBuf {
    monitor.key().with_file_name(format!("key-{host}"))
}

/// Returns a policy that has the same repairs as the gates, one per service.
fn policy(
    place: &Place,
    monitor: &Monitor,
    web: &WebSide,
    marks: &std::path::Path,
    cap: u32,
) -> Value {
    let mut policy = monitor.default_policy(web);
    policy["status_file"] = json!(place.at("monitor/nagios/status.dat"));
    policy["fleet"] =
        json!({"running": cap, "started": {"count": 100_000, "per": "1h"}, "share": 100});
    for service in services() {
        policy["repairs"][&service] = json!({
            "ladder": [{"ssh": service}], "settle": "0s", "timeout": "30s",
            "verify": ["/usr/bin/test", "-e", format!("{}/{{host}}/{{service}}", marks.display())],
        });
    }
    for host in hosts() {
        policy["hosts"][&host] = json!({"key": key(monitor, &host)});
    }
    policy
}

/// Returns the definitions of the hosts and services. Checks are passive, except for the immediate
/// check that the worker requests after a repair.
fn objects(place: &Place, marks: &std::path::Path) -> String {
    let script =
        format!("[ -e {}/$1/$2 ] && echo fine && exit 0; echo broken; exit 2\n", marks.display());
    let script = place.file("check_mark.sh", &script, 0o755, None);
    let periods = "check_period always\n notification_period always\n contacts pager";
    let mut text = format!(
        "define command {{\n command_name check_mark\n command_line /bin/sh {} '$HOSTNAME$' \
        '$SERVICEDESC$'\n}}\n",
        script.display()
    );
    for host in hosts() {
        text += &format!(
            "define host {{\n host_name {host}\n address 127.0.0.1\n max_check_attempts \
            3\n {periods}\n}}\n"
        );
        for service in services() {
            text += &format!(
                "define service {{\n use repairable-service\n host_name \
                {host}\n service_description {service}\n check_command check_mark
 active_checks_enabled 0\n max_check_attempts 1\n _REPAIR {service}\n {periods}\n}}\n"
            );
        }
    }
    text
}
