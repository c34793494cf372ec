//! A lab with a Nagios server and two kinds of hosts. Some have their own gate, all behind a single
//! sshd. The server repairs the others with local programs.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use e2e::{Lab, Monitor, Place, WebSide, run, system_program};
use ledger::{Record, Running};
use rusqlite::Connection;
use serde_json::{Value, json};
use testkit::{Postgres, set_mode};

use crate::processes::{self, Process};

/// Names of the hosts. Hosts whose name starts with `web` have a gate. Local rungs on the server
/// repair the others.
pub const HOSTS: [&str; 20] = [
    "web1", "web2", "web3", "web4", "web5", "web6", "web7", "web8", "web9", "web10", "box1",
    "box2", "box3", "box4", "box5", "box6", "box7", "box8", "box9", "box10",
];
pub const SERVICES: [&str; 2] = ["HTTP", "Disk"];
/// How many repairs the policy allows to run at the same time.
const LIMIT: u32 = 12;

/// The script that a rung runs. It locks its host, which must not be locked yet, and one of `LIMIT`
/// slots. The kernel releases these locks when the rung's last process has died. The script heals
/// the fault in two of three runs, and hangs in one of eighty.
const WORK: &str = r#"#!/bin/sh
cd MARKS || exit 9
exec 9>>"$1.host"; flock -n 9 || echo "$(date +%s.%N) two repairs run on $1" >> faults
n=1
while [ $n -le LIMIT ]; do exec 8>>"slot.$n"; flock -n 8 && break; n=$((n + 1)); done
[ $n -le LIMIT ] || echo "more than LIMIT repairs run: one on $1" >> faults
echo "$1" >> started; echo working
[ $(($$ % 80)) = 0 ] && sleep 30
sleep 0.$(($$ % 4)); echo still working
[ $(($$ % 3)) = 0 ] || rm -f "$1.broken"
exit 0
"#;

pub struct Site {
    monitor: Monitor,
    web: WebSide,
    /// The database server with the ledger; `None` if the ledger is in SQLite.
    database: Option<Postgres>,
    place: Place,
}

/// Name of the database and of the role that the programs use.
const DATABASE: &str = "selfheal";

impl Site {
    /// Creates a site with its ledger in SQLite.
    pub fn new() -> Site {
        Site::with(None)
    }

    /// Creates a site with its ledger in PostgreSQL.
    pub fn with_postgres() -> Site {
        let database = Postgres::start();
        database.create_database(DATABASE);
        database.sql(DATABASE, &format!("CREATE ROLE {DATABASE} LOGIN"));
        let site = Site::with(Some(database));
        let schema = run(&mut site.monitor.ctl(&["ledger", "schema"]));
        site.sql(&schema);
        site
    }

    fn with(database: Option<Postgres>) -> Site {
        let Lab { monitor, web, place } = Lab::new();
        let marks = place.directory("marks", None);
        set_mode(&marks, 0o777);
        let script =
            WORK.replace("MARKS", marks.to_str().unwrap()).replace("LIMIT", &LIMIT.to_string());
        place.file("marks/work", &script, 0o755, None);
        for name in HOSTS.map(|host| format!("{host}.host")) {
            place.file(&format!("marks/{name}"), "", 0o666, None);
        }
        for name in
            (1..=LIMIT).map(|n| format!("slot.{n}")).chain(["faults".into(), "started".into()])
        {
            place.file(&format!("marks/{name}"), "", 0o666, None);
        }
        let site = Site { monitor, web, database, place };
        site.set_up_gates();
        site.write_policy();
        site
    }

    /// Creates a key, a repairs.json and a state directory for each host with a gate.
    fn set_up_gates(&self) {
        let (mut keys, mut known) = (String::new(), String::new());
        let account = &self.web.account;
        for host in HOSTS.iter().filter(|host| has_gate(host)) {
            let key = self.key(host);
            run(Command::new(system_program(&["ssh-keygen"]))
                .args(["-q", "-N", "", "-C", host, "-t", "ed25519", "-f"])
                .arg(&key));
            std::os::unix::fs::chown(&key, Some(self.monitor.nagios.uid), None).unwrap();
            let state = self.place.directory(&format!("web/{host}"), account.ids());
            set_mode(&state, 0o700);
            let work = self.place.at("marks/work");
            let repair = json!({"run": [work, host], "timeout": "2s", "cooldown": "0s"});
            let repairs = json!({"repairs": {"fix": repair}}).to_string();
            let config = self.place.file(&format!("web/{host}.json"), &repairs, 0o644, None);
            let public = fs::read_to_string(key.with_extension("pub")).unwrap();
            let gate = self.place.program("repair_gate");
            keys += &format!(
                "restrict,command=\"{} --config {} --state {}\" {public}",
                gate.display(),
                config.display(),
                state.display()
            );
            let (port, host_key) = (self.web.sshd.port, self.web.host_key("ed25519"));
            known += &format!("[{host}]:{port} {host_key}\n");
        }
        self.place.file("web/authorized_keys", &keys, 0o644, None);
        fs::write(self.monitor.known_hosts(), known).unwrap();
    }

    fn key(&self, host: &str) -> PathBuf {
        self.place.at(&format!("monitor/{host}"))
    }

    fn write_policy(&self) {
        let mut policy = self.monitor.default_policy(&self.web);
        let rules = |ladder: Value| {
            json!({
                "ladder": ladder,
                "verify": ["/usr/bin/test", "!", "-e", self.place.at("marks/{host}.broken")],
                "timeout": "3s", "settle": "0s", "cooldown": "1s", "healthy_for": "30s",
                "relapse": "1s", "window": {"count": 10_000, "per": "1h"},
            })
        };
        let here = json!({"local": [self.place.at("marks/work"), "{host}"]});
        policy["repairs"] = json!({
            "remote": rules(json!([{"ssh": "fix", "timeout": "20s"}, here])),
            "here": rules(json!([here, here])),
        });
        policy["fleet"] = json!({"running": LIMIT, "started": {"count": 100_000, "per": "1h"}});
        let with_gate = HOSTS.iter().filter(|host| has_gate(host));
        policy["hosts"] =
            with_gate.map(|host| ((*host).to_owned(), json!({"key": self.key(host)}))).collect();
        policy["command_file"] = Value::Null;
        if let Some(server) = &self.database {
            let socket = format!("{}:{}", server.socket_dir().display(), server.port);
            policy["ledger"] =
                json!({"postgres": {"hosts": [socket], "state": self.place.at("monitor")}});
        }
        self.monitor.write_policy(&policy);
    }

    /// Calls the handler as Nagios does. Returns the job ID if a worker was started.
    pub fn call(&self, words: &str) -> Option<String> {
        let output = self.monitor.call(words);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(0), "{words}: {text}");
        let (_, rest) = text.split_once(": job ").filter(|_| text.starts_with("DISPATCHED"))?;
        Some(rest.split(' ').next().unwrap().to_owned())
    }

    /// Calls the handler and kills it after `after` microseconds. Returns whether it was still
    /// running.
    pub fn kill_handler(&self, words: &str, after: u64) -> bool {
        let mut command = self.monitor.as_nagios(&self.monitor.handler);
        command.args(words.split_whitespace()).arg("--policy").arg(&self.monitor.policy);
        let mut handler = command.stdout(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_micros(after));
        handler.kill().unwrap();
        handler.wait().unwrap().code().is_none()
    }

    pub fn processes(&self) -> Vec<Process> {
        processes::find(self.place.path())
    }

    pub fn break_host(&self, host: &str) {
        fs::write(self.place.at(&format!("marks/{host}.broken")), "").unwrap();
    }

    /// Returns the violations that the rungs have reported, or an empty string.
    pub fn faults(&self) -> String {
        fs::read_to_string(self.place.at("marks/faults")).unwrap()
    }

    /// Returns the number of repairs that have run a rung, according to the ledger.
    pub fn repairs(&self) -> usize {
        self.monitor.records().iter().filter(|record| record.rungs > 0).count()
    }

    /// Returns the number of rungs that have been run.
    pub fn rungs(&self) -> usize {
        fs::read_to_string(self.place.at("marks/started")).unwrap().lines().count()
    }

    /// Simulates a jump of the clock by moving the times in the ledger back. A preloaded library
    /// cannot fake the clock, because the programs are linked statically. The times of steps stay
    /// unchanged. Otherwise, a request that a gate has only just received would look old, and a
    /// worker would conclude that the gate never ran it.
    pub fn move_clock(&self, span: Duration) {
        let moved = format!("- {}", span.as_millis());
        self.sql(&format!(
            "UPDATE repair SET reserved = reserved {moved}, ended = ended {moved}, lease_until = \
             lease_until {moved}, rung_until = rung_until {moved}; \
             UPDATE refusal SET at = at {moved};"
        ));
    }

    /// Returns the IDs of all jobs that have a repair or a refusal in the ledger.
    pub fn jobs_on_record(&self) -> HashSet<String> {
        let sql = "SELECT job FROM repair UNION SELECT job FROM refusal";
        if self.database.is_some() {
            return self.sql(sql).lines().map(str::to_owned).collect();
        }
        self.store(|store| {
            let mut rows = store.prepare(sql).unwrap();
            rows.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        })
    }

    /// Returns the number of calls in the queue.
    pub fn waiting(&self) -> usize {
        let queue = fs::read_dir(self.monitor.store().local().with_added_extension("queue"));
        let names = queue.into_iter().flatten().map(|entry| entry.unwrap().file_name());
        names
            .filter(|name| name.to_str().unwrap().starts_with(|c: char| c.is_ascii_digit()))
            .count()
    }

    pub fn running(&self) -> Vec<Running> {
        self.monitor.read(|ledger| ledger.running().unwrap()).unwrap()
    }

    /// Describes the most recent records and kills, for the message of a failed test.
    pub fn story(&self, faults: &str, kills: &[(SystemTime, String)]) -> String {
        let is_named = |record: &&Record| faults.contains(&record.host);
        let records = self.monitor.records();
        let mut lines: Vec<String> = Vec::new();
        for record in records.iter().filter(is_named).take(3) {
            lines.push(format!("{record:?}"));
            let steps = self.monitor.steps(&record.job);
            lines.extend(steps.iter().map(|step| format!("    {step:?}")));
        }
        let last = kills.iter().rev().take(20);
        lines.extend(last.map(|(at, what)| format!("{at:?} killed {what}")));
        format!("{:?}\n{}", SystemTime::now(), lines.join("\n"))
    }

    /// Runs SQL on the ledger. Returns what psql prints if the ledger is in PostgreSQL, and an
    /// empty string if it is in SQLite.
    fn sql(&self, sql: &str) -> String {
        match &self.database {
            None => self.store(|store| store.execute_batch(sql).unwrap()),
            Some(server) => {
                return server.sql(DATABASE, &format!("SET search_path = selfheal; {sql}"));
            }
        }
        String::new()
    }

    fn store<T: Send>(&self, act: impl FnOnce(&Connection) -> T + Send) -> T {
        self.monitor.nagios.does(|| {
            let store = Connection::open(&self.monitor.ledger).unwrap();
            store.busy_timeout(Duration::from_secs(20)).unwrap();
            act(&store)
        })
    }
}

/// Whether a host has a gate.
fn has_gate(host: &str) -> bool {
    host.starts_with("web")
}
