//! Runs Icinga 2 as the user nagios, with one service that Icinga 2 checks every second. Two
//! endpoints can form a zone and share the checks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::free_port;

use crate::daemon::Daemon;
use crate::monitor::Monitor;
use crate::network::NetworkNode;
use crate::place::{Place, run, shipped, system_program};
use crate::wait::until;
use crate::web::WebSide;

/// The password of both ApiUsers: nagios-selfheal's, and the lab's own, which has all permissions.
const PASSWORD: &str = "lab secret";

/// Port of the API if each endpoint has a network namespace of its own.
const PORT: u16 = 5665;

/// Where Icinga 2 keeps the certificate of its own CA.
const CA: &str = "data/ca/ca.crt";

/// A running Icinga 2. Dropping this value kills it.
#[derive(Debug)]
pub struct Icinga2Lab {
    directory: PathBuf,
    /// Name of the endpoint, which is also the name in its certificate.
    name: String,
    address: String,
    port: u16,
    daemon: Option<Daemon>,
}

impl Icinga2Lab {
    /// Starts Icinga 2 with the shipped files and one repairable service. Icinga 2 checks the
    /// service every second or, while a problem is SOFT, every `retry_interval` seconds. `more`
    /// contains the definitions of additional objects.
    pub fn start(
        place: &Place,
        monitor: &Monitor,
        web: &WebSide,
        retry_interval: u32,
        more: &str,
    ) -> Icinga2Lab {
        let mut lab = Icinga2Lab::prepare(place, monitor, ("localhost", "127.0.0.1"), free_port());
        lab.make_ca(monitor);
        lab.make_certificate(monitor, &lab.constants(), &lab.directory.join(CA));
        let zone = main_file("127.0.0.1", lab.port) + &zone(&[&lab]);
        let objects = objects("127.0.0.1", web.apache.port, retry_interval);
        let arguments = lab.configure(place, monitor, &(zone + &objects + more));
        let log = lab.directory.join("log/daemon.log");
        lab.daemon = Some(Daemon::start(&log, &system_program(&["icinga2"]), &arguments));
        lab.wait_for_state("HTTP", 0);
        lab
    }

    /// Starts two endpoints of one zone, each in a network namespace and a mount namespace of its
    /// own. In both, /etc/hosts has the addresses of the endpoints. `web1` is the address of web1.
    pub fn start_pair(
        place: &Place,
        servers: [(&Monitor, &NetworkNode); 2],
        web: &WebSide,
        web1: &str,
    ) -> [Icinga2Lab; 2] {
        let mut labs = servers.map(|(monitor, node)| {
            let name = monitor.policy.parent().and_then(Path::file_name).expect("a directory");
            let name = name.to_str().expect("a name in UTF-8");
            Icinga2Lab::prepare(place, monitor, (name, &node.address), PORT)
        });
        let [first, second] = &labs;
        first.make_ca(servers[0].0);
        let main = main_file("0.0.0.0", PORT)
            + &zone(&[first, second])
            + &objects(web1, web.apache.port, 4);
        let hosts = labs.each_ref().map(|lab| format!("{} {}\n", lab.address, lab.name)).concat();
        let hosts = place.file("hosts", &hosts, 0o644, None);
        let (issuer, ca) = (first.constants(), first.directory.join(CA));
        for (lab, (monitor, node)) in labs.iter_mut().zip(servers) {
            lab.make_certificate(monitor, &issuer, &ca);
            let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
            let mut words = ["--mount", "--propagation", "private", "/bin/sh", "-c", script]
                .map(str::to_owned)
                .to_vec();
            words.extend([hosts.display().to_string()]);
            words.extend([system_program(&["icinga2"]).display().to_string()]);
            words.extend(lab.configure(place, monitor, &main));
            let log = lab.directory.join("log/daemon.log");
            let unshare = system_program(&["unshare"]);
            lab.daemon = Some(node.does(|| Daemon::start(&log, &unshare, &words)));
        }
        labs
    }

    /// Creates the directories and the shipped files of an endpoint with a name and an address.
    fn prepare(
        place: &Place,
        monitor: &Monitor,
        (name, address): (&str, &str),
        port: u16,
    ) -> Icinga2Lab {
        let owner = monitor.nagios.ids();
        let directory = monitor.policy.with_file_name("icinga2");
        for name in ["", "data", "data/certs", "log", "cache", "spool", "run"] {
            place.directory(directory.join(name).to_str().expect("a path in UTF-8"), owner);
        }
        let (name, address) = (name.to_owned(), address.to_owned());
        let lab = Icinga2Lab { directory, name, address, port, daemon: None };
        for name in ["commands.conf", "templates.conf", "api-user.conf"] {
            lab.file(place, monitor, name, &adapted(name, monitor));
        }
        lab.file(place, monitor, "password", &format!("{PASSWORD}\n"));
        lab
    }

    /// Writes a file that only Nagios' user can read, and returns its path.
    fn file(&self, place: &Place, monitor: &Monitor, name: &str, text: &str) -> PathBuf {
        let path = self.directory.join(name);
        place.file(path.to_str().expect("a path in UTF-8"), text, 0o600, monitor.nagios.ids())
    }

    /// Writes the main file and lets Icinga 2 check it. Returns the arguments of the daemon.
    fn configure(&self, place: &Place, monitor: &Monitor, text: &str) -> Vec<String> {
        let main = self.file(place, monitor, "icinga2.conf", text).display().to_string();
        let mut arguments = ["daemon".to_owned(), "-c".to_owned(), main].to_vec();
        arguments.extend(self.constants());
        let program = system_program(&["icinga2"]);
        run(monitor.as_nagios(&program).args(&arguments).arg("-C"));
        arguments
    }

    /// Returns the constants that keep all files of Icinga 2 in the endpoint's directory.
    fn constants(&self) -> Vec<String> {
        let at = |name: &str| self.directory.join(name).display().to_string();
        [
            ("NodeName", self.name.clone()),
            ("ConfigDir", at("")),
            ("DataDir", at("data")),
            ("LogDir", at("log")),
            ("CacheDir", at("cache")),
            ("SpoolDir", at("spool")),
            ("InitRunDir", at("run")),
        ]
        .map(|(name, value)| format!("-D{name}={value}"))
        .into()
    }

    fn make_ca(&self, monitor: &Monitor) {
        let program = system_program(&["icinga2"]);
        run(monitor.as_nagios(&program).args(["pki", "new-ca"]).args(self.constants()));
    }

    /// Creates the certificate of the API with Icinga 2's own commands. `issuer` is the endpoint
    /// with the CA.
    fn make_certificate(&self, monitor: &Monitor, issuer: &[String], ca: &Path) {
        let program = system_program(&["icinga2"]);
        let at = |end: &str| {
            let name = format!("data/certs/{}.{end}", self.name);
            self.directory.join(name).display().to_string()
        };
        let [key, request, certificate] = ["key", "csr", "crt"].map(at);
        let new = ["pki", "new-cert", "--cn", &self.name, "--key", &key, "--csr", &request];
        run(monitor.as_nagios(&program).args(new).args(self.constants()));
        let sign = ["pki", "sign-csr", "--csr", &request, "--cert", &certificate];
        run(monitor.as_nagios(&program).args(sign).args(issuer));
        fs::copy(ca, self.ca()).expect("the CA certificate");
    }

    /// Returns the key `icinga2` of the policy.
    pub fn policy_key(&self) -> Value {
        json!({
            "url": format!("https://{}:{}", self.name, self.port),
            "password_file": self.directory.join("password"),
            "ca": self.ca(),
        })
    }

    /// Returns the path of the CA that signed the certificate of the API.
    pub fn ca(&self) -> PathBuf {
        self.directory.join("data/certs/ca.crt")
    }

    /// Returns the path of the file with the configuration of nagios-selfheal's ApiUser.
    pub fn api_user(&self) -> PathBuf {
        self.directory.join("api-user.conf")
    }

    /// Sends a request to the API as the lab's ApiUser, and returns the results.
    pub fn request(&self, path: &str, body: &Value) -> Vec<Value> {
        let answer = self.try_request(path, body);
        answer.unwrap_or_else(|| panic!("no results from {path} for {body}"))
    }

    fn try_request(&self, path: &str, body: &Value) -> Option<Vec<Value>> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "10", "--cacert"]).arg(self.ca());
        curl.args(["--user", &format!("lab:{PASSWORD}"), "--header", "Accept: application/json"]);
        if !path.starts_with("actions/") {
            curl.args(["--header", "X-HTTP-Method-Override: GET"]);
        }
        curl.args(["--resolve", &format!("{}:{}:{}", self.name, self.port, self.address)]);
        let url = format!("https://{}:{}/v1/{path}", self.name, self.port);
        let done = curl.args(["--data", &body.to_string(), &url]).output().expect("curl runs");
        let answer: Value = serde_json::from_slice(&done.stdout).ok()?;
        Some(answer.get("results")?.as_array()?.clone())
    }

    /// Returns the attributes of a service of web1, or `None` if Icinga 2 does not answer yet.
    pub fn service(&self, name: &str) -> Option<Value> {
        let path = "objects/services";
        let rows = self.try_request(path, &json!({"service": format!("web1!{name}")}))?;
        rows.first()?.get("attrs").cloned()
    }

    /// Waits until a service of web1 is in this state: 0 for OK, 2 for CRITICAL.
    pub fn wait_for_state(&self, service: &str, state: u8) -> Value {
        until(&format!("state {state} of {service}"), Duration::from_secs(60), || {
            self.service(service).filter(|attributes| {
                let number = |name: &str| attributes.get(name)?.as_f64();
                number("state") == Some(state.into()) && number("last_check") > Some(0.0)
            })
        })
    }

    /// Waits until a service of web1 is in this state and the state is HARD.
    pub fn wait_for_hard_state(&self, service: &str, state: u8) {
        until(&format!("HARD state {state} of {service}"), Duration::from_secs(60), || {
            let attributes = self.wait_for_state(service, state);
            (attributes.get("state_type")?.as_f64() == Some(1.0)).then_some(())
        });
    }

    /// Waits for a comment whose text starts with `start`, and returns it.
    pub fn wait_for_comment(&self, start: &str) -> String {
        until("the comment in Icinga 2", Duration::from_secs(60), || {
            self.comments().into_iter().find(|comment| comment.starts_with(start))
        })
    }

    /// Returns the texts of all comments.
    pub fn comments(&self) -> Vec<String> {
        let rows = self.try_request("objects/comments", &json!({})).unwrap_or_default();
        let text = |row: &Value| row.pointer("/attrs/text")?.as_str().map(str::to_owned);
        rows.iter().filter_map(text).collect()
    }

    /// Makes Icinga 2 read its configuration again, and waits until the API answers.
    pub fn reload(&self) {
        let started = self.program_start();
        let pid = fs::read_to_string(self.directory.join("run/icinga2.pid")).expect("a PID file");
        run(Command::new("kill").args(["-HUP", pid.trim()]));
        until("the reload of Icinga 2", Duration::from_secs(30), || {
            self.program_start().filter(|at| Some(*at) != started)
        });
    }

    fn program_start(&self) -> Option<f64> {
        let rows = self.try_request("status/IcingaApplication", &json!({}))?;
        rows.first()?.pointer("/status/icingaapplication/app/program_start")?.as_f64()
    }
}

/// Returns a shipped file, with the lab's programs, policy and password.
fn adapted(name: &str, monitor: &Monitor) -> String {
    let text = fs::read_to_string(shipped("nagios-config/icinga2").join(name)).expect("a file");
    let with_policy = |program: &Path| {
        format!("\"{}\", \"--policy\", \"{}\"", program.display(), monitor.policy.display())
    };
    let plugins = "\"/usr/libexec/nagios-selfheal/plugins";
    text.replace("\"/usr/bin/handle_repair\"", &with_policy(&monitor.handler))
        .replace(
            &format!("{plugins}/check_repairs\""),
            &with_policy(&monitor.check.with_file_name("check_repairs")),
        )
        .replace(&format!("{plugins}/check_http\""), &format!("\"{}\"", monitor.check.display()))
        .replace("CHANGE ME", PASSWORD)
}

fn main_file(address: &str, port: u16) -> String {
    format!(
        "const PluginDir = \"/usr/lib/nagios/plugins\"\n\
         include <itl>\ninclude <plugins>\n\
         object CheckerComponent \"checker\" {{ }}\n\
         object FileLogger \"main\" {{ path = LogDir + \"/icinga2.log\" }}\n\
         object ApiListener \"api\" {{ bind_host = \"{address}\", bind_port = {port} }}\n\
         object ApiUser \"lab\" {{ password = \"{PASSWORD}\", permissions = [ \"*\" ] }}\n\
         include \"commands.conf\"\ninclude \"templates.conf\"\ninclude \"api-user.conf\"\n"
    )
}

/// Returns the definition of a zone with these endpoints.
fn zone(endpoints: &[&Icinga2Lab]) -> String {
    let define = |one: &&Icinga2Lab| {
        let Icinga2Lab { name, address, port, .. } = one;
        format!("object Endpoint \"{name}\" {{ host = \"{address}\", port = {port} }}\n")
    };
    let names: Vec<String> = endpoints.iter().map(|one| format!("\"{}\"", one.name)).collect();
    let zone = format!("object Zone \"lab\" {{ endpoints = [ {} ] }}\n", names.join(", "));
    endpoints.iter().map(define).collect::<String>() + &zone
}

fn objects(address: &str, port: u16, retry_interval: u32) -> String {
    format!(
        "object Host \"web1\" {{\n address = \"{address}\"\n check_command = \"dummy\"\n \
         vars.dummy_state = 0\n check_interval = 1s\n}}\n\
         object Service \"HTTP\" {{\n host_name = \"web1\"\n import \"repairable-service\"\n \
         check_command = \"selfheal_http\"\n vars.http_port = {port}\n vars.http_timeout = 2\n \
         check_interval = 1s\n retry_interval = {retry_interval}s\n vars.repair = \"httpd\"\n}}\n\
         object Service \"Repairs\" {{\n host_name = \"web1\"\n import \"repairs-service\"\n \
         enable_active_checks = false\n}}\n"
    )
}
