//! Nagios servers that share one PostgreSQL database and one host to repair.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::Receiver;

use e2e::{Monitor, Place, WebSide, run};
use serde_json::{Value, json};
use testkit::Postgres;

/// Name of the database and of the role that the servers use.
const DATABASE: &str = "selfheal";

/// Several Nagios servers, their database, and a host with Apache and a gate. Fields are dropped in
/// this order.
pub struct SharedSite {
    /// The Nagios servers.
    pub servers: Vec<Monitor>,
    /// The host to be repaired.
    pub web: WebSide,
    /// The database server.
    pub database: Postgres,
    /// File to which each run of the repair `here` appends the name of its host.
    pub done: PathBuf,
    place: Place,
}

impl SharedSite {
    /// Starts the host and the database, creates the tables as the database's owner, and configures
    /// `count` servers.
    pub fn start(count: usize) -> SharedSite {
        let place = Place::new();
        let web = WebSide::start(&place);
        let database = Postgres::start();
        database.create_database(DATABASE);
        database.sql(DATABASE, &format!("CREATE ROLE {DATABASE} LOGIN"));
        let server = |n| Monitor::named(&format!("nagios{n}"), &place, &web);
        let servers: Vec<Monitor> = (1..=count).map(server).collect();
        let done = servers[0].ledger.with_file_name("done");
        let site = SharedSite { servers, web, database, done, place };
        site.write_policies(|_| ());
        let schema = run(&mut site.servers[0].ctl(&["ledger", "schema"]));
        site.database.sql(DATABASE, &schema);
        site
    }

    /// Applies `change` to the policy of every server, and writes it.
    pub fn write_policies(&self, change: impl Fn(&mut Value)) {
        for server in &self.servers {
            let mut policy = self.policy(server);
            change(&mut policy);
            server.write_policy(&policy);
        }
    }

    /// Copies the policy of a server into a directory that only root can change.
    pub fn policy_of_root(&self, server: usize) -> PathBuf {
        let policy = fs::read_to_string(&self.servers[server].policy).unwrap();
        self.place.file("policy.json", &policy, 0o644, None)
    }

    /// Returns a policy with two repairs: `httpd` at the gate, and `here` on the Nagios server.
    fn policy(&self, server: &Monitor) -> Value {
        let mut policy = server.default_policy(&self.web);
        let state = server.ledger.parent().unwrap();
        let socket = format!("{}:{}", self.database.socket_dir().display(), self.database.port);
        policy["ledger"] = json!({"postgres": {
            "hosts": [socket], "state": state, "server": state.file_name().unwrap().to_str(),
        }});
        policy["fleet"]["running"] = json!(64);
        policy["repairs"]["httpd"]["cooldown"] = json!("10m");
        policy["repairs"]["here"] = json!({
            "ladder": [{"local": ["/bin/sh", "-c", format!("echo {{host}} >> {}", self.done.display())]}],
            "verify": ["/bin/true"], "settle": "0s", "cooldown": "10m",
        });
        policy
    }

    /// Starts the handler of one server, as its Nagios would. Each Nagios numbers its problems
    /// independently, so the servers use different problem IDs.
    pub fn begin(&self, server: usize, host: &str, repair: &str, problem: usize) -> Child {
        let monitor = &self.servers[server];
        let mut command = monitor.as_nagios(&monitor.handler);
        command.args(["CRITICAL", "HARD", "4", "--service", "HTTP", "--address", "127.0.0.1"]);
        command.args(["--host", host, "--repair", repair]);
        command.arg(format!("--problem-id={}", 1000 * (server + 1) + problem));
        command.arg("--policy").arg(&monitor.policy);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Runs check_repairs on one server. Returns its exit code and its output.
    pub fn check_repairs(&self, server: usize, arguments: &[&str]) -> (i32, String) {
        let monitor = &self.servers[server];
        let plugin = self.place.program("check_repairs");
        let mut command = monitor.as_nagios(&plugin);
        result(command.arg("--policy").arg(&monitor.policy).args(arguments))
    }

    /// Returns the names of the calls that wait for a worker of this server.
    pub fn waiting(&self, server: usize) -> Vec<String> {
        let queue = self.servers[server].ledger.with_file_name("ledger.queue");
        let names = fs::read_dir(queue).unwrap().flatten();
        let names = names.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(|c: char| c.is_ascii_digit())).collect()
    }

    /// Creates the command file of a server. Returns the commands that arrive.
    pub fn commands(&self, server: usize) -> Receiver<String> {
        self.servers[server].commands()
    }
}

/// Runs a command. Returns its exit code and its output.
pub fn result(command: &mut Command) -> (i32, String) {
    let Output { status, stdout, .. } = command.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap())
}
