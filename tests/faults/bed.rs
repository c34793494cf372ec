//! A lab for tests that need a host with one repair but no Nagios.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use e2e::{Lab, Monitor, Place, WebSide};
use ledger::RepairOutcome;
use serde_json::{Value, json};

pub const CALL: &str =
    "CRITICAL SOFT 3 --host web1 --address 127.0.0.1 --service HTTP --repair httpd --foreground";

/// A lab with a host whose only repair creates a file, and with a Nagios server on which Nagios
/// itself does not run.
pub struct Bed {
    /// The Nagios server, with the handler, the policy and the ledger.
    pub monitor: Monitor,
    /// The host to be repaired.
    pub web: WebSide,
    /// Path of the file that the repair creates.
    pub mark: PathBuf,
    _place: Place,
}

/// How a handler call ended.
pub struct Seen {
    /// Exit code of the handler.
    pub code: i32,
    /// Standard output of the handler.
    pub text: String,
    /// How long the handler ran.
    pub took: Duration,
}

impl Bed {
    /// Creates the lab with a repair that creates the file `mark`.
    pub fn new() -> Bed {
        let Lab { monitor, web, place } = Lab::new();
        let mark = place.directory("marks", web.account.ids()).join("ran");
        let bed = Bed { monitor, web, mark, _place: place };
        bed.repair_is(&["/usr/bin/touch", bed.mark.to_str().unwrap()]);
        bed
    }

    /// Makes the repair at the gate run this program.
    pub fn repair_is(&self, argv: &[&str]) {
        self.web.write_repairs(
            &json!({"repairs": {"httpd": {"run": argv, "timeout": "2s", "cooldown": "1s"}}}),
        );
    }

    /// Makes the repair at the gate wait until a file exists. Returns the path of this file.
    pub fn hold_repair(&self) -> PathBuf {
        let go = self.mark.with_file_name("go");
        let wait = format!("until [ -e {} ]; do sleep 0.05; done", go.display());
        let repair = json!({"run": ["/bin/sh", "-c", wait], "timeout": "30s", "cooldown": "1s"});
        self.web.write_repairs(&json!({"repairs": {"httpd": repair}}));
        go
    }

    /// Waits until the gate's cooldown is over. In the lab, the cooldown is one second.
    pub fn wait_for_the_gates_cooldown(&self) {
        std::thread::sleep(Duration::from_millis(1100));
    }

    /// Changes the lab's policy.
    pub fn policy(&self, change: impl Fn(&mut Value)) {
        let mut policy = self.monitor.default_policy(&self.web);
        policy["repairs"]["httpd"]["timeout"] = json!("4s");
        change(&mut policy);
        self.monitor.write_policy(&policy);
    }

    /// Makes the monitor connect to the host's sshd at this port, and expect the same host key
    /// there.
    pub fn sshd_is_at(&self, port: u16) {
        let known = fs::read_to_string(self.monitor.known_hosts()).unwrap();
        fs::write(
            self.monitor.known_hosts(),
            known.replace(&self.web.sshd.port.to_string(), &port.to_string()),
        )
        .unwrap();
        self.policy(|policy| policy["ssh"]["port"] = json!(port));
    }

    /// Runs the handler as Nagios does.
    pub fn call(&self, arguments: &str) -> Seen {
        let begun = Instant::now();
        let output = self.monitor.call(arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            "",
            "the handler must not write to stderr, because Nagios does not read it"
        );
        Seen { code: output.status.code().unwrap(), text, took: begun.elapsed() }
    }

    /// Calls the handler, and checks that it runs no repair: it must exit with 2, record the
    /// failure with a message that contains `wanted`, and change nothing on the host.
    pub fn could_not_run(&self, wanted: &str) {
        let seen = self.call(CALL);
        assert_eq!(seen.code, 2, "{}", seen.text);
        assert!(seen.text.starts_with("COULD NOT REPAIR web1/HTTP with httpd: "), "{}", seen.text);
        assert!(seen.text.contains(wanted), "no '{wanted}' in: {}", seen.text);
        assert!(seen.took < Duration::from_secs(40), "{:?}", seen.took);
        assert!(!self.mark.exists(), "the repair was run");
        let record = &self.monitor.records()[0];
        assert_eq!(record.outcome, Some(RepairOutcome::CouldNotRun));
        assert!(record.text.contains(wanted), "{record:?}");
    }
}
