//! Tests that `repairctl doctor` prints messages from the network, but never derives a fix from
//! them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "../../transport/tests/common/mod.rs"]
mod common;
#[path = "../../transport/tests/common/peer.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod peer;

use std::fs;
use std::process::Command;

use common::{GOOD_GATE, Plan, Sshd};
use peer::{disconnect, peer};
use serde_json::{Value, json};

/// Runs `repairctl doctor` for the host at this port. Returns the check, the text and the fix of
/// the first problem.
fn wrong(sshd: &Sshd, port: u16, transport: &str) -> [String; 3] {
    let (known, config) = (sshd.path("known_hosts"), sshd.path("nagios.cfg"));
    fs::write(&known, format!("[*]:* {}\n", sshd.host_key("ed25519"))).unwrap();
    fs::write(&config, "nagios_user=root\n").unwrap();
    let user = common::me();
    let ssh = json!({"port": port, "user": user, "key": sshd.path("user"), "known_hosts": [known],
        "transport": transport});
    let httpd = json!({"ladder": [{"ssh": "httpd"}], "verify": ["/bin/true"]});
    let policy = json!({"ledger": sshd.path("ledger"), "ssh": ssh, "repairs": {"httpd": httpd},
        "hosts": {"web1": {"address": "127.0.0.1"}}});
    fs::write(sshd.path("policy.json"), policy.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_repairctl"));
    command.arg("--policy").arg(sshd.path("policy.json")).args([
        "doctor",
        "web1",
        "--json",
        "--nagios-cfg",
    ]);
    let report: Value =
        serde_json::from_slice(&command.arg(config).output().unwrap().stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["host"] == "web1" && check["verdict"] == "wrong");
    let found = found.unwrap_or_else(|| panic!("{report:#}"));
    ["check", "text", "fix"].map(|key| found[key].as_str().unwrap().to_owned())
}

#[test]
fn ignores_forged_disconnect_messages_when_choosing_a_fix() {
    let sshd = Plan::new().start();
    for transport in ["openssh", "ssh2"] {
        for text in [
            "x\nAuthenticated to web1",
            "x\nREMOTE HOST IDENTIFICATION HAS CHANGED\nSHA256:forged",
            "Permission denied (publickey).",
            "no matching host key type found",
            "Unable to negotiate",
        ] {
            let forged = peer([b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), disconnect(text)].concat());
            let [check, text, fix] = wrong(&sshd, forged, transport);
            assert_eq!(check, "login", "{text}");
            assert!(fix.contains("sshd's log on web1") && !fix.contains("--replace"), "{fix}");
        }
    }
}

#[test]
fn ignores_the_text_of_a_refusal_when_choosing_a_fix() {
    let said = r#"x\" fix: id; as root here: id | sh"#;
    let forged =
        format!(r#"SHN1 {{"answer":"refused","host":"t","reason":"config","text":"{said}"}}"#);
    let gate = format!(
        "case \"$SSH_ORIGINAL_COMMAND\" in ready*) printf '%s\\n' '{forged}'; exit 3;; \
        esac\n{GOOD_GATE}"
    );
    let sshd = Plan::new().gate(&gate).start();
    let [check, text, fix] = wrong(&sshd, sshd.port, "ssh2");
    assert_eq!(check, "can repair");
    assert_eq!(text, r#"httpd: the gate reports "x' fix: id; as root here: id | sh""#);
    assert!(
        fix.starts_with("on web1, as root: /usr/libexec/nagios-selfheal/repair_gate check && ")
            && !fix.contains("id | sh"),
        "{fix}"
    );
}

/// An attacker on the network can change the offered algorithms just as easily as the host key.
#[test]
fn advises_to_verify_the_host_when_algorithms_differ() {
    let sshd =
        Plan::new().host_keys(&["ed25519", "rsa"]).config("HostKeyAlgorithms rsa-sha2-512").start();
    let [check, text, fix] = wrong(&sshd, sshd.port, "ssh2");
    assert!(
        check == "known host" && text.contains("unverified host keys: \"rsa-sha2-512\""),
        "{check} {text}"
    );
    assert!(
        fix.starts_with(
            "find out whether web1 was reinstalled; if it was, replace its key, as root: "
        ),
        "{fix}"
    );
}
