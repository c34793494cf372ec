//! Tests that a forged disconnect message from a host does not end the climb, and that the next
//! rung is tried.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../transport/tests/common/mod.rs"]
mod common;
#[path = "../../transport/tests/common/peer.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod peer;

use std::fs;
use std::process::Command;

use common::{Plan, Sshd, me};
use peer::{disconnect, peer};
use serde_json::json;

const FAULT: &str =
    "CRITICAL HARD 4 --host web1 --service HTTP --repair httpd --address 127.0.0.1 --foreground";

/// Runs a repair with an `ssh` rung at this port, followed by a `local` rung.
fn climb(sshd: &Sshd, port: u16, transport: &str) -> (i32, String) {
    let known = sshd.path("known_hosts");
    fs::write(&known, format!("[*]:* {}\n", sshd.host_key("ed25519"))).unwrap();
    let ssh = json!({"port": port, "user": me(), "key": sshd.path("user"), "known_hosts": [known],
        "transport": transport});
    let mark = sshd.path(&format!("mark-{port}"));
    let ladder = json!([{"ssh": "httpd"}, {"local": ["/usr/bin/touch", mark]}]);
    let verify = json!(["/usr/bin/test", "-e", mark]);
    let httpd = json!({"ladder": ladder, "verify": verify, "settle": "0s", "timeout": "3s"});
    let ledger = sshd.path(&format!("ledger-{port}.sqlite"));
    let policy = json!({"ledger": ledger, "ssh": ssh, "repairs": {"httpd": httpd}});
    fs::write(sshd.path("policy.json"), policy.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_handle_repair"));
    let done = command
        .args(FAULT.split(' '))
        .arg("--policy")
        .arg(sshd.path("policy.json"))
        .output()
        .unwrap();
    (done.status.code().unwrap(), String::from_utf8(done.stdout).unwrap())
}

#[test]
fn tries_next_rung_after_forged_disconnect() {
    let sshd = Plan::new().start();
    for transport in ["openssh", "ssh2"] {
        for text in ["x\nAuthenticated to web1 ([127.0.0.1]:22) using \"publickey\".\n", "x"] {
            let forged = peer([b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), disconnect(text)].concat());
            let (code, output) = climb(&sshd, forged, transport);
            assert!(
                code == 0 && output.contains("by rung 2 of 2"),
                "{transport} {text:?}: {code} {output}"
            );
        }
    }
}
