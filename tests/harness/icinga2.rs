//! Runs Icinga 2 as the user nagios, with one service that Icinga 2 checks every second.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::free_port;

use crate::daemon::Daemon;
use crate::monitor::Monitor;
use crate::place::{Place, run, shipped, system_program};
use crate::wait::until;
use crate::web::WebSide;

/// The password of both ApiUsers: nagios-selfheal's, and the lab's own, which has all permissions.
const PASSWORD: &str = "lab secret";

/// A running Icinga 2. Dropping this value kills it.
#[derive(Debug)]
pub struct Icinga2Lab {
    directory: PathBuf,
    port: u16,
    _daemon: Daemon,
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
        let owner = monitor.nagios.ids();
        let directory = place.directory("monitor/icinga2", owner);
        for name in ["data", "data/certs", "log", "cache", "spool", "run"] {
            place.directory(&format!("monitor/icinga2/{name}"), owner);
        }
        let file = |name: &str, text: &str, mode| {
            place.file(&format!("monitor/icinga2/{name}"), text, mode, owner)
        };
        for name in ["commands.conf", "templates.conf", "api-user.conf"] {
            file(name, &adapted(name, monitor), 0o600);
        }
        file("password", &format!("{PASSWORD}\n"), 0o600);
        let port = free_port();
        let objects = objects(web.apache.port, retry_interval);
        let main = file("icinga2.conf", &(main_file(port) + &objects + more), 0o600);
        make_certificates(monitor, &directory);
        let program = system_program(&["icinga2"]);
        let arguments = |verb: &[&str]| {
            let mut all: Vec<String> = verb.iter().map(|word| (*word).to_owned()).collect();
            all.extend(["-c".to_owned(), main.display().to_string()]);
            all.extend(constants(&directory));
            all
        };
        run(monitor.as_nagios(&program).args(arguments(&["daemon", "-C"])));
        let log = directory.join("log/daemon.log");
        let daemon = Daemon::start(&log, &program, &arguments(&["daemon"]));
        let lab = Icinga2Lab { directory, port, _daemon: daemon };
        lab.wait_for_state("HTTP", 0);
        lab
    }

    /// Returns the key `icinga2` of the policy.
    pub fn policy_key(&self) -> Value {
        json!({
            "url": format!("https://localhost:{}", self.port),
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
        let url = format!("https://localhost:{}/v1/{path}", self.port);
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

/// Returns the constants that keep all files of Icinga 2 in the lab's directory.
fn constants(directory: &Path) -> Vec<String> {
    let at = |name: &str| directory.join(name).display().to_string();
    [
        ("NodeName", "localhost".to_owned()),
        ("ConfigDir", directory.display().to_string()),
        ("DataDir", at("data")),
        ("LogDir", at("log")),
        ("CacheDir", at("cache")),
        ("SpoolDir", at("spool")),
        ("InitRunDir", at("run")),
    ]
    .map(|(name, value)| format!("-D{name}={value}"))
    .into()
}

/// Creates the CA and the certificate of the API with Icinga 2's own commands.
fn make_certificates(monitor: &Monitor, directory: &Path) {
    let program = system_program(&["icinga2"]);
    let at = |name: &str| directory.join("data/certs").join(name).display().to_string();
    let [key, request, certificate] = ["localhost.key", "localhost.csr", "localhost.crt"].map(at);
    for words in [
        vec!["pki", "new-ca"],
        vec!["pki", "new-cert", "--cn", "localhost", "--key", &key, "--csr", &request],
        vec!["pki", "sign-csr", "--csr", &request, "--cert", &certificate],
    ] {
        run(monitor.as_nagios(&program).args(words).args(constants(directory)));
    }
    let copy = directory.join("data/certs/ca.crt");
    fs::copy(directory.join("data/ca/ca.crt"), &copy).expect("the CA certificate");
}

fn main_file(port: u16) -> String {
    format!(
        "const PluginDir = \"/usr/lib/nagios/plugins\"\n\
         include <itl>\ninclude <plugins>\n\
         object Endpoint NodeName {{ }}\n\
         object Zone \"lab\" {{ endpoints = [ NodeName ] }}\n\
         object CheckerComponent \"checker\" {{ }}\n\
         object FileLogger \"main\" {{ path = LogDir + \"/icinga2.log\" }}\n\
         object ApiListener \"api\" {{ bind_host = \"127.0.0.1\", bind_port = {port} }}\n\
         object ApiUser \"lab\" {{ password = \"{PASSWORD}\", permissions = [ \"*\" ] }}\n\
         include \"commands.conf\"\ninclude \"templates.conf\"\ninclude \"api-user.conf\"\n"
    )
}

fn objects(port: u16, retry_interval: u32) -> String {
    format!(
        "object Host \"web1\" {{\n address = \"127.0.0.1\"\n check_command = \"dummy\"\n \
         vars.dummy_state = 0\n check_interval = 1s\n}}\n\
         object Service \"HTTP\" {{\n host_name = \"web1\"\n import \"repairable-service\"\n \
         check_command = \"selfheal_http\"\n vars.http_port = {port}\n vars.http_timeout = 2\n \
         check_interval = 1s\n retry_interval = {retry_interval}s\n vars.repair = \"httpd\"\n}}\n\
         object Service \"Repairs\" {{\n host_name = \"web1\"\n import \"repairs-service\"\n \
         enable_active_checks = false\n}}\n"
    )
}
