//! CFEngine on the repaired host and on the monitor: the work directories, the host's cf-serverd
//! and the monitor's cf-runagent.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use testkit::free_port;

use crate::account::Account;
use crate::daemon::Daemon;
use crate::monitor::Monitor;
use crate::place::{Place, run, shipped, system_program};
use crate::wait::until;
use crate::web::WebSide;

/// An account's CFEngine work directory. By default, CFEngine puts it into the account's home
/// directory. An environment variable, which CFEngine's own tests also use, moves it into the lab.
#[derive(Debug)]
pub(crate) struct Work {
    directory: PathBuf,
    ids: (u32, u32),
}

impl Work {
    /// Creates a work directory with a link to cf-promises. Without the link, cf-agent and
    /// cf-serverd would run their failsafe policy.
    pub(crate) fn new(place: &Place, relative: &str, account: &Account) -> Work {
        let ids = (account.uid, account.gid);
        let directory = place.directory(relative, Some(ids));
        for part in ["bin", "inputs", "state", "outputs"] {
            place.directory(&format!("{relative}/{part}"), Some(ids));
        }
        symlink(system_program(&["cf-promises"]), directory.join("bin/cf-promises"))
            .expect("a link to cf-promises");
        Work { directory, ids }
    }

    /// Returns the command line that runs a program with this work directory.
    pub(crate) fn words(&self, program: &str) -> Vec<String> {
        let variable = format!("CFENGINE_TEST_OVERRIDE_WORKDIR={}", self.directory.display());
        vec!["/usr/bin/env".to_owned(), variable, system_program(&[program]).display().to_string()]
    }

    /// Writes a file of the CFEngine policy, which belongs to the account.
    pub(crate) fn input(&self, place: &Place, name: &str, text: &str) -> PathBuf {
        let inputs = self.directory.join("inputs").join(name);
        place.file(inputs.to_str().expect("a plain path"), text, 0o600, Some(self.ids))
    }

    /// Like [`Work::words`], but the command line starts with setpriv, which switches to the
    /// account.
    fn words_as_the_account(&self, program: &str) -> Vec<String> {
        let setpriv = system_program(&["setpriv"]).display().to_string();
        let ids = [
            format!("--reuid={}", self.ids.0),
            format!("--regid={}", self.ids.1),
            "--clear-groups".to_owned(),
        ];
        [setpriv].into_iter().chain(ids).chain(self.words(program)).collect()
    }

    fn cf_key(&self, arguments: &[&str]) {
        let words = self.words_as_the_account("cf-key");
        let (program, first) = words.split_first().expect("a program");
        run(Command::new(program).args(first).args(arguments));
    }

    /// Makes this side trust the other side's public key as the key of nagios@127.0.0.1.
    fn trust(&self, place: &Place, other: &Work) {
        let key =
            fs::read_to_string(other.directory.join("ppkeys/localhost.pub")).expect("a public key");
        let copy = place.file("exchanged.pub", &key, 0o644, None);
        self.cf_key(&["--trust-key", &format!("nagios@127.0.0.1:{}", copy.display())]);
    }
}

/// The host's cf-serverd and the files for the monitor's cf-runagent. Each side has a key pair, but
/// at first neither side trusts the other.
#[derive(Debug)]
pub struct CfServerd {
    /// Port of cf-serverd on loopback.
    pub port: u16,
    /// Log file of cf-serverd.
    pub log: PathBuf,
    host: Work,
    monitor: Work,
    runagent: PathBuf,
    _daemon: Daemon,
}

impl CfServerd {
    /// Starts cf-serverd on the host with the shipped policy.
    pub fn start(place: &Place, web: &WebSide, monitor: &Monitor) -> CfServerd {
        let (port, log) = (free_port(), place.at("web/cf-serverd.log"));
        let host = Work::new(place, "web/cf-serverd", &web.account);
        let monitor = Work::new(place, "monitor/cfengine", &monitor.nagios);
        host.cf_key(&[]);
        monitor.cf_key(&[]);
        host.input(
            place,
            "def.json",
            &json!({"vars": {"nagios_servers": ["127.0.0.1"]}}).to_string(),
        );
        let policy = host.input(place, "serverd.cf", &serverd_policy(port, &web.policy_run));
        let runagent = place.file("monitor/runagent.cf", &read_shipped("runagent.cf"), 0o644, None);
        let mut words = host.words_as_the_account("cf-serverd");
        words.extend([
            "--no-fork".into(),
            "--inform".into(),
            "--file".into(),
            policy.display().to_string(),
        ]);
        let daemon = Daemon::start(&log, Path::new(&words.remove(0)), &words);
        until("cf-serverd listening", Duration::from_secs(10), || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        CfServerd { port, log, host, monitor, runagent, _daemon: daemon }
    }

    /// Makes the host trust the monitor's key.
    pub fn host_trusts_monitor(&self, place: &Place) {
        self.host.trust(place, &self.monitor);
    }

    /// Makes the monitor trust the host's key.
    pub fn monitor_trusts_host(&self, place: &Place) {
        self.monitor.trust(place, &self.host);
    }

    /// Returns the cf-runagent command from runagent.cf, with the lab's paths.
    pub fn runagent(&self) -> Vec<String> {
        let mut words = self.monitor.words("cf-runagent");
        words.extend([
            "-f".into(),
            self.runagent.display().to_string(),
            "-H".into(),
            format!("{{address}}:{}", self.port),
        ]);
        words
    }

    /// Returns the cf-runagent command as a rung for policy.json.
    pub fn rung(&self) -> Value {
        json!({"local": self.runagent()})
    }
}

fn read_shipped(name: &str) -> String {
    fs::read_to_string(shipped("nagios-config/cfengine").join(name))
        .expect("a file of nagios-config/cfengine")
}

/// Returns the shipped policy with the lab's port and the lab's cf-agent command.
fn serverd_policy(port: u16, policy_run: &[String]) -> String {
    let program = policy_run.first().expect("a program");
    let moved = |text: String, from: &str, to: &str| {
        assert!(text.contains(from), "serverd.cf has no {from}");
        text.replace(from, to)
    };
    let body = "body server control\n{\n";
    let here = format!("{body}  port => \"{port}\";\n  bindtointerface => \"127.0.0.1\";\n");
    let text = moved(read_shipped("serverd.cf"), body, &here);
    let text = moved(
        text,
        "/usr/bin/cf-agent -KI -f /etc/nagios-selfheal/cfengine/web_server.cf",
        &policy_run.join(" "),
    );
    moved(text, "\"/usr/bin/cf-agent\"\n", &format!("\"{program}\"\n"))
}
