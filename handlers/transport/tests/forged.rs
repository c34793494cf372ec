//! Tests with output that anyone on the network can forge. Such output must not influence the
//! result. The peers in these tests do not have the host's private key.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;
#[path = "common/peer.rs"]
mod peer;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use common::{GOOD_GATE, Plan, Sshd, by_openssh, repair};
use peer::{cut_after, disconnect, peer};
use policy_file::HostRoute;
use transport::{Error, Gate, OpenSshGate};

const LONG: Duration = Duration::from_secs(30);

/// Strings that look like messages from ssh or contain escape sequences.
const TEXTS: [&str; 9] = [
    "x\r\nAuthenticated to 127.0.0.1 ([127.0.0.1]:22) using \"publickey\".\r\nbye",
    "x\nREMOTE HOST IDENTIFICATION HAS CHANGED!\nThe fingerprint is\nSHA256:forged\n",
    "x\nREVOKED HOST KEY DETECTED!",
    "x\nHost key verification failed.",
    "Permission denied (publickey).",
    "Could not resolve hostname web1",
    "Connection refused",
    "x\u{1b}[2J\u{202e}\"; nothing is wrong; run \"id\u{7}",
    "x\nAuthenticated to web1\nchannel 0: open failed: no",
];

fn failure(route: &HostRoute) -> Error {
    common::send(route, &repair(), LONG).0.unwrap_err()
}

/// Returns a route to `port`, where another server listens in place of the host's sshd.
fn instead_of(sshd: &Sshd, port: u16) -> HostRoute {
    HostRoute { port, ..sshd.route_with(&format!("[*]:* {}\n", sshd.host_key("ed25519"))) }
}

/// Checks that the error quotes `written` as unverified and states that nothing was run.
fn proves_nothing(error: &Error, written: &str) {
    let text = error.to_string();
    assert!(matches!(error.code(), "no-login" | "turned-away"), "{written:?}: {text}");
    assert!(error.nothing_was_run(), "{written:?}: {text}");
    assert!(text.contains(" unverified ") && text.ends_with("; nothing was run"), "{text}");
    assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text:?}");
    assert_eq!(text.matches('"').count() % 2, 0, "the text ends its own quotes: {text}");
}

#[test]
fn does_not_trust_the_message_of_a_forged_disconnect() {
    let sshd = Plan::new().start();
    for text in TEXTS {
        let bytes = [b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), disconnect(text)].concat();
        proves_nothing(&failure(&by_openssh(instead_of(&sshd, peer(bytes)))), text);
    }
}

#[test]
fn does_not_trust_lines_before_the_version() {
    let sshd = Plan::new().start();
    for text in TEXTS {
        for bytes in [
            format!("{text}\r\n"),
            format!("{text}\r\nSSH-2.0-x\r\n"),
            format!("SSH-9.9-{text}\r\n"),
        ] {
            let route = by_openssh(instead_of(&sshd, peer(bytes.into_bytes())));
            proves_nothing(&failure(&route), text);
        }
    }
}

#[test]
fn does_not_trust_forged_output_with_a_jump_host() {
    let jump_host = Plan::new().options("restrict,port-forwarding").start();
    let sshd = Plan::new().start();
    for text in TEXTS {
        let forged = || peer([b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), disconnect(text)].concat());
        let via = Some(Box::new(jump_host.route()));
        let route = by_openssh(HostRoute { via, ..instead_of(&sshd, forged()) });
        proves_nothing(&failure(&route), text);
        let via = Some(Box::new(instead_of(&jump_host, forged())));
        proves_nothing(&failure(&by_openssh(HostRoute { via, ..sshd.route() })), text);
    }
}

#[test]
fn keeps_forged_output_out_of_libssh2_errors() {
    let sshd = Plan::new().start();
    for text in TEXTS {
        let bytes = [b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), disconnect(text)].concat();
        let error = failure(&instead_of(&sshd, peer(bytes)));
        assert!(
            matches!(error.code(), "turned-away" | "protocol") && error.nothing_was_run(),
            "{text:?}: {error}"
        );
        assert!(
            !error.to_string().contains("Authenticated") && !error.to_string().contains("forged"),
            "{error}"
        );
    }
}

/// A gate that answers slowly, with counters for failed requests.
struct Slow {
    sshd: Sshd,
    /// How many requests failed after the gate had started.
    begun: u32,
    /// How many requests failed with an error that states that nothing was run.
    not_run: u32,
}

impl Slow {
    fn new() -> Slow {
        Slow {
            sshd: Plan::new().gate(&format!("sleep 0.3\n{GOOD_GATE}")).start(),
            begun: 0,
            not_run: 0,
        }
    }

    /// Requests a repair. If the request fails after the gate has started, checks that the error
    /// does not claim that nothing was run.
    fn request(&mut self, route: &HostRoute, limit: Duration) {
        let before = self.sshd.requests().len();
        let (answer, _) = common::send(&by_openssh(route.clone()), &repair(), limit);
        // Wait before checking whether the gate has started, because sshd may start it with a
        // delay.
        std::thread::sleep(Duration::from_millis(200));
        let begun = self.sshd.requests().len() > before;
        if let Err(error) = answer {
            assert!(!(begun && error.nothing_was_run()), "{error}");
            self.begun += u32::from(begun);
            self.not_run += u32::from(error.nothing_was_run());
        }
    }
}

#[test]
fn never_denies_a_started_repair_after_a_cut_at_any_byte() {
    let mut slow = Slow::new();
    for bytes in (0..6000).step_by(120) {
        let route = instead_of(&slow.sshd, cut_after(bytes, slow.sshd.port));
        slow.request(&route, LONG);
    }
    assert!(slow.begun > 0 && slow.not_run > 0, "{} {}", slow.begun, slow.not_run);
}

#[test]
fn never_denies_a_started_repair_after_a_deadline_at_any_time() {
    let mut slow = Slow::new();
    let route = slow.sshd.route();
    // Try deadlines from 5 to 405 ms. On a busy machine, the gate may take longer than that to
    // start. In this case, continue until a request has failed after the gate started.
    let mut milliseconds = 5;
    while milliseconds < 405 || slow.begun == 0 && milliseconds < 30_000 {
        slow.request(&route, Duration::from_millis(milliseconds));
        milliseconds += 8.max(milliseconds / 50);
    }
    assert!(slow.begun > 0 && slow.not_run > 0, "{} {}", slow.begun, slow.not_run);
}

#[test]
fn never_denies_a_started_repair_with_a_jump_host_or_a_configuration() {
    let jump_host = Plan::new().options("restrict,port-forwarding").start();
    let sshd = Plan::new().gate("kill -9 $PPID; sleep 1").start();
    let config = sshd.path("ssh_config");
    fs::write(&config, "Host *\n PermitLocalCommand no\n LocalCommand true\n").unwrap();
    let configured = HostRoute { config: Some(config), ..sshd.route() };
    let behind = HostRoute { via: Some(Box::new(jump_host.route())), ..sshd.route() };
    for route in [behind, configured] {
        let error = failure(&by_openssh(route));
        assert_eq!((error.code(), error.nothing_was_run()), ("cut", false), "{error}");
    }
    assert_eq!(sshd.requests().len(), 2);
}

/// If ssh cannot run its local command, it logs the command line and sends the request anyway. The
/// repair may then have started, so the error must not claim that nothing was run.
#[test]
fn reports_unknown_outcome_if_ssh_cannot_run_its_local_command() {
    let sshd = Plan::new().start();
    let program = sshd.path("ssh");
    let script = r#"#!/bin/sh
for word; do
  case "$word" in LocalCommand=*) command=${word#*=};; /proc/*) log=$word;; esac
done
echo "Couldn't execute /bin/echo -c \"$command\": Permission denied" > "$log"
exit 255
"#;
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut gate = OpenSshGate::with_program(&sshd.route(), program).unwrap();
    let error = gate.request(&repair(), Instant::now() + LONG).unwrap_err();
    assert!(!error.nothing_was_run(), "{error}");
}
