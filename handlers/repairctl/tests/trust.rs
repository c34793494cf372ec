//! Tests `repairctl trust` against a real sshd. Exit code 0 means that repairs accept the requested
//! key and no other.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../transport/tests/common/mod.rs"]
mod common;

use std::fs;
use std::process::Command;

use common::{Plan, Sshd, keygen, public_key};
use serde_json::json;

/// A host that presents both its new key and its old key.
struct Host {
    sshd: Sshd,
    new: String,
    old: String,
}

impl Host {
    fn new() -> Host {
        let sshd = Plan::new().host_keys(&["ed25519", "rsa"]).start();
        let (new, old) = (sshd.host_key("ed25519"), sshd.host_key("rsa"));
        let host = Host { new, old, sshd };
        host.policy(host.sshd.port, &["known_hosts", "more"]);
        host
    }

    fn policy(&self, port: u16, files: &[&str]) {
        let files: Vec<_> = files.iter().map(|file| self.sshd.path(file)).collect();
        let ssh = json!({"port": port, "key": self.sshd.path("user"), "known_hosts": files});
        let policy = json!({
            "ledger": self.sshd.path("ledger"),
            "ssh": ssh,
            "hosts": {"web1": {"address": "127.0.0.1"}},
            "repairs": {"httpd": {"ladder": [{"ssh": "httpd"}], "verify": ["/bin/true"]}},
        });
        fs::write(self.sshd.path("policy.json"), policy.to_string()).unwrap();
        fs::write(self.sshd.path("nagios.cfg"), "nagios_user=nobody\n").unwrap();
    }

    /// Returns a line for known_hosts, with the name under which repairs look up this host.
    fn line(&self, key: &str) -> String {
        format!("[web1]:{} {key}\n", self.sshd.port)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.sshd.path(file), text).unwrap();
    }

    fn read(&self) -> String {
        fs::read_to_string(self.sshd.path("known_hosts")).unwrap()
    }

    fn fingerprint(&self, kind: &str) -> String {
        let listed = Command::new("ssh-keygen")
            .arg("-lf")
            .arg(self.sshd.path(&format!("host_{kind}.pub")))
            .output()
            .unwrap();
        String::from_utf8(listed.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
    }

    /// Runs `repairctl trust web1` without a terminal.
    fn trust(&self, words: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repairctl"));
        command.arg("--policy").arg(self.sshd.path("policy.json")).args([
            "trust",
            "web1",
            "--nagios-cfg",
        ]);
        let done = command.arg(self.sshd.path("nagios.cfg")).args(words).output().unwrap();
        let text = [done.stdout, done.stderr].concat();
        (done.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    /// Runs `repairctl trust web1` with the fingerprint of the new key.
    fn trust_new(&self, words: &[&str]) -> (i32, String) {
        self.trust(&[words, &["--fingerprint", &self.fingerprint("ed25519")]].concat())
    }
}

#[test]
fn replaces_a_recorded_key_that_the_host_still_shows() {
    let host = Host::new();
    let (new, old) = (host.line(&host.new), host.line(&host.old));
    for before in [old.clone(), format!("{old}{new}"), format!("127.0.0.1 {}\n", host.old)] {
        host.write("known_hosts", &before);
        let (code, text) = host.trust_new(&["--replace"]);
        assert_eq!((code, host.read()), (0, new.clone()), "before:\n{before}{text}");
    }
    let (code, text) = host.trust_new(&["--replace"]);
    assert!(code == 0 && text.contains("already recorded"), "{code} {text}");
}

#[test]
fn refuses_without_replace_if_other_keys_are_recorded() {
    let host = Host::new();
    let (new, old) = (host.line(&host.new), host.line(&host.old));
    keygen("ed25519", "", &host.sshd.path("other"));
    let other = host.line(&public_key(&host.sshd.path("other.pub")));
    for (before, said) in [
        (old.clone(), "OTHER KEYS OF web1 ARE RECORDED"),
        (format!("{old}{new}"), "OTHER KEYS OF web1 ARE RECORDED"),
        (other.clone(), "THE HOST KEY OF web1 HAS CHANGED"),
    ] {
        host.write("known_hosts", &before);
        let (code, text) = host.trust_new(&[]);
        assert!(code == 2 && text.contains(said), "before:\n{before}{code} {text}");
        assert_eq!(host.read(), before);
    }
    // Without a fingerprint, trust succeeds if the host presents all recorded keys.
    for (before, code) in
        [(old.clone(), 0), (format!("{old}{new}"), 0), (format!("{old}{other}"), 2)]
    {
        host.write("known_hosts", &before);
        let (ended, text) = host.trust(&[]);
        assert_eq!((ended, host.read()), (code, before), "{text}");
    }
}

#[test]
fn fails_if_repairs_still_accept_another_recorded_key() {
    let host = Host::new();
    let (new, old) = (host.line(&host.new), host.line(&host.old));
    host.write("more", &old);
    let (code, text) = host.trust_new(&["--replace"]);
    assert!(
        code == 1 && text.contains("still accept other keys") && text.contains("more:1"),
        "{code} {text}"
    );
    assert_eq!(host.read(), new);
    // A line with a pattern covers other hosts as well, so trust does not remove it.
    let pattern = format!("[web*]:* {}\n", host.old);
    host.write("known_hosts", &pattern);
    let (code, text) = host.trust_new(&["--replace"]);
    assert!(code == 3 && text.contains("change this line by hand"), "{code} {text}");
    assert_eq!(host.read(), pattern);
    // A revoked key is never recorded.
    let revoked = format!("@revoked * {}\n{old}", host.new);
    host.write("known_hosts", &revoked);
    let (code, text) = host.trust_new(&["--replace"]);
    assert!(code == 2 && text.contains("REVOKED"), "{code} {text}");
    assert_eq!(host.read(), revoked);
}

#[test]
fn records_the_key_for_the_port_in_the_policy() {
    let host = Host::new();
    host.policy(22, &["known_hosts"]);
    let (code, text) = host.trust_new(&["--port", &host.sshd.port.to_string()]);
    assert_eq!((code, host.read()), (0, format!("web1 {}\n", host.new)), "{text}");
}
