//! What anyone on the network can write is not believed: the peers here know no key of the host.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by panicking"
)]

mod common;
#[path = "common/peer.rs"]
mod peer;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use common::{GOOD_GATE, Plan, Sshd, repair};
use peer::{cut_after, disconnect, peer};
use transport::{Backend, Error, OpenSsh, SshTarget};

const LONG: Duration = Duration::from_secs(30);

/// What ssh, a reader or a terminal may take for something else.
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

fn ask(way: &Backend, target: &SshTarget) -> Error {
    let deadline = Instant::now() + LONG;
    way.connect(target, deadline).and_then(|mut gate| gate.ask(&repair(), deadline)).unwrap_err()
}

/// The target with somebody else at this port of it.
fn instead_of(sshd: &Sshd, port: u16) -> SshTarget {
    SshTarget { port, ..sshd.target_with(&format!("[*]:* {}\n", sshd.host_key("ed25519"))) }
}

fn openssh() -> Backend {
    Backend::OpenSsh(OpenSsh::default())
}

/// This is one error for every text; it says that nothing was run and that the text proves nothing.
fn proves_nothing(error: &Error, written: &str) {
    let text = error.to_string();
    assert_eq!((error.code(), error.nothing_was_run()), ("no-login", true), "{written:?}: {text}");
    assert!(text.contains("unverified: \"") && text.ends_with("; nothing was run"), "{text}");
    assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text:?}");
    assert_eq!(text.matches('"').count() % 2, 0, "the text ends its own quotes: {text}");
}

#[test]
fn ssh_log_proves_nothing_when_a_peer_disconnects_with_a_forged_text() {
    let sshd = Plan::new().start();
    for text in TEXTS {
        let bytes = [b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), disconnect(text)].concat();
        proves_nothing(&ask(&openssh(), &instead_of(&sshd, peer(bytes))), text);
    }
}

#[test]
fn ssh_log_proves_nothing_when_a_peer_writes_lines_before_its_version() {
    let sshd = Plan::new().start();
    for text in TEXTS {
        for bytes in [
            format!("{text}\r\n"),
            format!("{text}\r\nSSH-2.0-x\r\n"),
            format!("SSH-9.9-{text}\r\n"),
        ] {
            proves_nothing(&ask(&openssh(), &instead_of(&sshd, peer(bytes.into_bytes()))), text);
        }
    }
}

#[test]
fn ssh_log_proves_nothing_behind_a_bastion_and_in_place_of_one() {
    let bastion = Plan::new().options("restrict,port-forwarding").start();
    let sshd = Plan::new().start();
    for text in TEXTS {
        let forged = || peer([b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), disconnect(text)].concat());
        let via = Some(Box::new(bastion.target()));
        proves_nothing(&ask(&openssh(), &SshTarget { via, ..instead_of(&sshd, forged()) }), text);
        let via = Some(Box::new(instead_of(&bastion, forged())));
        proves_nothing(&ask(&openssh(), &SshTarget { via, ..sshd.target() }), text);
    }
}

#[test]
fn libssh2_keeps_forged_texts_out_of_its_errors() {
    let sshd = Plan::new().start();
    for text in TEXTS {
        let bytes = [b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), disconnect(text)].concat();
        let error = ask(&Backend::BuiltIn, &instead_of(&sshd, peer(bytes)));
        assert!(
            matches!(error.code(), "cut" | "protocol") && error.nothing_was_run(),
            "{text:?}: {error}"
        );
        assert!(
            !error.to_string().contains("Authenticated") && !error.to_string().contains("forged"),
            "{error}"
        );
    }
}

/// A gate that is slow to answer, and what came of asking it for a repair in one way after another.
struct Slow {
    sshd: Sshd,
    begun: u32,
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

    /// If the gate has been started, the error does not say that nothing was run.
    fn ask(&mut self, target: &SshTarget, limit: Duration) {
        let before = self.sshd.asked().len();
        let deadline = Instant::now() + limit;
        let answer =
            openssh().connect(target, deadline).and_then(|mut gate| gate.ask(&repair(), deadline));
        // sshd may be slow to start what it was asked for.
        std::thread::sleep(Duration::from_millis(200));
        let begun = self.sshd.asked().len() > before;
        if let Err(error) = answer {
            assert!(!(begun && error.nothing_was_run()), "{error}");
            self.begun += u32::from(begun);
            self.not_run += u32::from(error.nothing_was_run());
        }
    }
}

#[test]
fn a_cut_after_any_number_of_bytes_never_denies_a_repair_that_has_begun() {
    let mut slow = Slow::new();
    for bytes in (0..6000).step_by(120) {
        let target = instead_of(&slow.sshd, cut_after(bytes, slow.sshd.port));
        slow.ask(&target, LONG);
    }
    assert!(slow.begun > 0 && slow.not_run > 0, "{} {}", slow.begun, slow.not_run);
}

#[test]
fn a_deadline_at_any_moment_never_denies_a_repair_that_has_begun() {
    let mut slow = Slow::new();
    let target = slow.sshd.target();
    for milliseconds in (5..405).step_by(8) {
        slow.ask(&target, Duration::from_millis(milliseconds));
    }
    assert!(slow.begun > 0 && slow.not_run > 0, "{} {}", slow.begun, slow.not_run);
}

#[test]
fn a_cut_behind_a_bastion_or_with_a_configuration_never_denies_a_repair_that_has_begun() {
    let bastion = Plan::new().options("restrict,port-forwarding").start();
    let sshd = Plan::new().gate("kill -9 $PPID; sleep 1").start();
    let config = sshd.path("ssh_config");
    fs::write(&config, "Host *\n PermitLocalCommand no\n LocalCommand true\n").unwrap();
    let configured = Backend::OpenSsh(OpenSsh { config: Some(config), ..OpenSsh::default() });
    let behind = SshTarget { via: Some(Box::new(bastion.target())), ..sshd.target() };
    for (way, target) in [(openssh(), &behind), (configured, &sshd.target())] {
        let error = ask(&way, target);
        assert_eq!((error.code(), error.nothing_was_run()), ("cut", false), "{error}");
    }
    assert_eq!(sshd.asked().len(), 2);
}

/// ssh goes on when it cannot run its local command, and logs the command's words.
#[test]
fn a_repair_may_have_begun_when_ssh_cannot_run_its_local_command() {
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
    let error = ask(&Backend::OpenSsh(OpenSsh { program, config: None }), &sshd.target());
    assert!(!error.nothing_was_run(), "{error}");
}
