//! The same conversation through the `ssh` program: what libssh2 cannot do, with the same
//! strictness.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by panicking"
)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use common::{GOOD_GATE, Plan, free_port, keygen, public_key, repair, signal};
use rustix::process::Signal;
use transport::{Answer, Backend, Error, Gate, OpenSsh, Request, SshTarget};

const LONG: Duration = Duration::from_secs(30);

fn ask(
    target: &SshTarget,
    request: &Request,
    limit: Duration,
) -> (Result<Answer, Error>, Duration) {
    let begun = Instant::now();
    let answer =
        OpenSsh::default().gate(target).and_then(|mut gate| gate.ask(request, begun + limit));
    (answer, begun.elapsed())
}

fn trusted(target: &SshTarget) {
    assert_eq!(ask(target, &Request::Version, LONG).0, Ok(Answer::Version("0.1.0".into())));
}

fn refused(target: &SshTarget, code: &str) -> Error {
    let error = ask(target, &repair(), LONG).0.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(error.nothing_was_run(), "{error}");
    error
}

/// Fails in a way that leaves the outcome unknown.
fn in_doubt(script: &str, code: &str) -> Error {
    let sshd = Plan::new().gate(script).start();
    let error = ask(&sshd.target(), &repair(), LONG).0.unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(!error.nothing_was_run() && !error.to_string().contains(char::is_control), "{error}");
    error
}

#[test]
fn the_recorded_host_is_trusted_under_either_name() {
    let sshd = Plan::new().host_keys(&["rsa", "ed25519"]).start();
    trusted(&sshd.target());
    trusted(&sshd.target_with(&format!("[127.0.0.1]:{} {}\n", sshd.port, sshd.host_key("rsa"))));
}

#[test]
fn other_unknown_and_revoked_hosts_are_refused() {
    let sshd = Plan::new().start();
    let (port, key) = (sshd.port, sshd.host_key("ed25519"));
    keygen("ed25519", "", &sshd.path("other"));
    let other = public_key(&sshd.path("other.pub"));
    let error = refused(&sshd.target_with(&format!("[web1]:{port} {other}\n")), "no-login");
    assert!(
        error.to_string().contains("unverified: \"")
            && error.to_string().contains("Host key verification"),
        "{error}"
    );
    refused(&sshd.target_with(&format!("[web2]:{port} {key}\n")), "host-key-unknown");
    refused(
        &sshd.target_with(&format!("[web1]:{port} {key}\n@revoked * {key}\n")),
        "host-key-revoked",
    );
    refused(
        &sshd.target_with(&format!("[web1]:{port} {key}\n@revoked 127.0.0.1 {key}\n")),
        "host-key-revoked",
    );
    refused(
        &sshd.target_with(&format!("[web1]:{port} {other}\n@revoked [web1]:{port} {key}\n")),
        "no-login",
    );
    // ssh looks under one name, and would take the key that is revoked under the other.
    let lines = format!("[web1]:{port} {key}\n[web1]:{port} {other}\n@revoked 127.0.0.1 {key}\n");
    refused(&sshd.target_with(&lines), "host-key-revoked");
    assert!(sshd.asked().is_empty());
}

fn sign(ca: &Path, options: &[&str], key: &Path) {
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-s"])
        .arg(ca)
        .args(["-I", "test"])
        .args(options)
        .arg(key)
        .output();
    let signed = signed.unwrap();
    assert!(signed.status.success(), "{}", String::from_utf8_lossy(&signed.stderr));
}

#[test]
fn a_host_certificate_is_trusted_by_its_authority() {
    let dir = tempfile::tempdir().unwrap();
    keygen("ed25519", "", &dir.path().join("ca"));
    let ca = public_key(&dir.path().join("ca.pub"));
    // The certificate is made before sshd starts, for a key of the test's own.
    let host_key = dir.path().join("host");
    keygen("ed25519", "", &host_key);
    sign(&dir.path().join("ca"), &["-h", "-n", "web1"], &dir.path().join("host.pub"));
    let config = format!("HostKey {0}\nHostCertificate {0}-cert.pub", host_key.display());
    let sshd = Plan::new().host_keys(&["rsa"]).config(&config).start();
    let target = sshd.target_with(&format!("@cert-authority web* {ca}\n"));
    trusted(&target);
    // A certificate for another host, by the same authority, is not this host's.
    refused(&SshTarget { host: "web2".into(), ..target.clone() }, "no-login");
    assert_eq!(
        transport::connect(&target, Instant::now() + LONG).err().unwrap().code(),
        "cert-authority-only"
    );
}

#[test]
fn both_ways_are_one_kind_of_gate() {
    let sshd = Plan::new().start();
    for way in [Backend::BuiltIn, Backend::OpenSsh(OpenSsh::default())] {
        let deadline = Instant::now() + LONG;
        let mut gate = way.connect(&sshd.target(), deadline).unwrap();
        assert!(
            gate.ask(&repair(), deadline).is_ok() && gate.ask(&Request::List, deadline).is_ok(),
            "{way:?}"
        );
    }
}

#[test]
fn a_user_certificate_lets_us_in() {
    let dir = tempfile::tempdir().unwrap();
    keygen("ed25519", "", &dir.path().join("ca"));
    let config = format!("TrustedUserCAKeys {}", dir.path().join("ca.pub").display());
    let sshd = Plan::new().config(&config).start();
    keygen("ed25519", "", &sshd.path("visitor"));
    let gate = format!("force-command=exec {}", sshd.path("gate").display());
    sign(
        &dir.path().join("ca"),
        &["-V", "+5m", "-O", "clear", "-O", &gate, "-n", &common::me()],
        &sshd.path("visitor.pub"),
    );
    let target = SshTarget { key: sshd.path("visitor"), ..sshd.target() };
    trusted(&target);
    fs::remove_file(sshd.path("visitor-cert.pub")).unwrap();
    refused(&target, "no-login");
}

#[test]
fn a_key_that_cannot_be_used_is_said_before_ssh_is_run() {
    let sshd = Plan::new().passphrase("secret").start();
    assert!(refused(&sshd.target(), "passphrase").to_string().contains("agent"));
    refused(&SshTarget { key: sshd.path("gate"), ..sshd.target() }, "key-file-open");
}

#[test]
fn quotes_ssh_about_an_sshd_that_is_not_there_and_a_wrong_user() {
    let sshd = Plan::new().start();
    let target = sshd.target_with(&format!("[*]:* {}\n", sshd.host_key("ed25519")));
    for (target, said) in [
        (SshTarget { port: free_port(), ..target.clone() }, "Connection refused"),
        (
            SshTarget { address: "no-such-host.invalid".into(), ..target.clone() },
            "Could not resolve",
        ),
        (SshTarget { user: "nobody-at-all".into(), ..target }, "Permission denied"),
    ] {
        let error = refused(&target, "no-login").to_string();
        assert!(error.contains("unverified: \"") && error.contains(said), "{error}");
    }
}

#[test]
fn a_host_that_says_nothing_ends_at_the_deadline_and_leaves_no_process() {
    let sshd = Plan::new().start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let target =
        SshTarget { port, ..sshd.target_with(&format!("[*]:* {}\n", sshd.host_key("ed25519"))) };
    let (answer, took) = ask(&target, &repair(), Duration::from_secs(2));
    let error = answer.unwrap_err();
    assert_eq!((error.code(), error.nothing_was_run()), ("timeout", true), "{error}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert_eq!(processes_about(&format!("\0-p\0{port}\0")), 0);
    drop(listener);
}

/// Processes whose command line holds this.
fn processes_about(what: &str) -> usize {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter(|entry| {
            fs::read(entry.path().join("cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(what))
        })
        .count()
}

#[test]
fn a_slow_repair_has_an_unknown_outcome() {
    let sshd = Plan::new().gate("echo $$ > pid; exec sleep 60").start();
    let (answer, took) = ask(&sshd.target(), &repair(), Duration::from_secs(10));
    let error = answer.unwrap_err();
    assert_eq!((error.code(), error.nothing_was_run()), ("timeout", false), "{error}");
    assert!(took < Duration::from_secs(40), "{took:?}");
    assert_eq!(processes_about(&format!("\0-p\0{}\0", sshd.port)), 0, "ssh is still there");
    signal(sshd.wait_for("pid").parse().unwrap(), Signal::KILL);
}

#[test]
fn only_the_frame_is_believed() {
    assert!(in_doubt("echo all is well", "not-framed").to_string().contains("all is well"));
    assert!(in_doubt("exit 255", "cut").to_string().contains("255"));
    in_doubt("kill -9 $$", "cut");
    in_doubt("yes", "not-framed");
    in_doubt(r"printf '\033[31m\n'; printf '\033[31m' >&2", "not-framed");
    in_doubt("kill -9 $PPID; sleep 1", "cut");
}

/// What the host writes to stderr is not what ssh says.
#[test]
fn a_host_cannot_pretend_that_nothing_was_run() {
    in_doubt(
        "echo 'Host key verification failed.' >&2; echo 'root@x: Permission denied (publickey).' \
         >&2; exit 255",
        "cut",
    );
}

#[test]
fn a_daemon_that_keeps_the_channel_does_not_keep_us() {
    let sshd = Plan::new().gate(&format!("sleep 300 & echo $! > daemon\n{GOOD_GATE}")).start();
    let (answer, took) = ask(&sshd.target(), &repair(), LONG);
    assert!(answer.is_ok(), "{answer:?}");
    assert!(took < Duration::from_secs(100), "{took:?}");
    signal(sshd.wait_for("daemon").parse().unwrap(), Signal::KILL);
}

#[test]
fn a_bastion_is_passed_through_and_checked() {
    let bastion = Plan::new().options("restrict,port-forwarding").start();
    let sshd = Plan::new().start();
    let target = SshTarget { via: Some(Box::new(bastion.target())), ..sshd.target() };
    trusted(&target);
    assert!(bastion.asked().is_empty());
    let wrong =
        bastion.target_with(&format!("[web1]:{} {}\n", bastion.port, sshd.host_key("ed25519")));
    let error =
        ask(&SshTarget { via: Some(Box::new(wrong)), ..target }, &repair(), LONG).0.unwrap_err();
    assert!(error.nothing_was_run(), "{error}");
    assert_eq!(sshd.asked(), ["version"]);
}

#[test]
fn a_configuration_file_is_read_only_when_it_is_given() {
    let sshd = Plan::new().start();
    let target =
        SshTarget { port: 1, ..sshd.target_with(&format!("[*]:* {}\n", sshd.host_key("ed25519"))) };
    let config = sshd.path("ssh_config");
    fs::write(&config, "Host 127.0.0.1\n ProxyCommand /bin/false\n StrictHostKeyChecking no\n")
        .unwrap();
    let how = OpenSsh { config: Some(config), ..OpenSsh::default() };
    let target = SshTarget { port: sshd.port, ..target };
    trusted(&target);
    let error = how.gate(&target).unwrap().ask(&repair(), Instant::now() + LONG).unwrap_err();
    assert!(error.nothing_was_run(), "{error}");
    let missing = OpenSsh { program: "/nowhere/ssh".into(), ..OpenSsh::default() };
    assert_eq!(
        missing.gate(&target).unwrap().ask(&repair(), Instant::now() + LONG).unwrap_err().code(),
        "local"
    );
}

/// The original as the oracle: for every file of host keys, ssh and libssh2 with our rules come to
/// the same verdict.
#[test]
fn ssh_and_the_built_in_transport_agree_on_every_known_hosts_file() {
    let sshd = Plan::new().host_keys(&["rsa", "ed25519"]).start();
    let (port, key, rsa) = (sshd.port, sshd.host_key("ed25519"), sshd.host_key("rsa"));
    keygen("ed25519", "", &sshd.path("other"));
    let other = public_key(&sshd.path("other.pub"));
    let here = format!("[127.0.0.1]:{port}");
    for lines in [
        format!("{here} {key}\n"),
        format!("{here} {rsa}\n"),
        format!("{here} {other}\n"),
        format!("{here} {other}\n{here} {key}\n"),
        format!("[127.0.0.?]:{port} {key}\n"),
        format!("[*]:{port} {key}\n"),
        format!("* {key}\n"),
        format!("127.0.0.1 {key}\n"),
        format!("127.0.0.1 {key}\n{here} {other}\n"),
        format!("*,!127.0.0.1,!{here} {key}\n"),
        format!("!*,{here} {key}\n"),
        format!("{here},x {key}\n"),
        format!("x,{here} {key} a comment\n"),
        format!("  \t{here}\t{key}\r\n"),
        format!("#{here} {key}\n"),
        format!("@revoked {here} {key}\n{here} {key}\n{here} {rsa}\n"),
        format!("@revoked * {key}\n{here} {key}\n"),
        format!("@cert-authority {here} {key}\n"),
        format!("@nonsense {here} {key}\n{here} {key}\n"),
        format!("{here} ssh-rsa {}\n", key.split(' ').nth(1).unwrap()),
        format!("{here} {}\n", &key[..key.len() - 8]),
        format!("{here}\n{here} ssh-ed25519\n{here} {key}\n"),
    ] {
        let target = SshTarget { host: "127.0.0.1".into(), ..sshd.target_with(&lines) };
        let ours = common::ask(&target, &Request::Version, LONG).0;
        let theirs = plain_ssh(&target);
        // Where one of several keys is revoked, ssh insists on the first; we take the other, which
        // is not.
        if !lines.starts_with(&format!("@revoked {here} ")) {
            assert_eq!(ours.is_ok(), theirs, "{lines}\n{ours:?}");
        }
    }
}

fn plain_ssh(target: &SshTarget) -> bool {
    let files = format!("UserKnownHostsFile={}", target.known_hosts[0].display());
    let mut ssh = Command::new("ssh");
    for option in
        ["BatchMode=yes", "StrictHostKeyChecking=yes", "GlobalKnownHostsFile=/dev/null", &files]
    {
        ssh.args(["-o", option]);
    }
    ssh.args(["-F", "/dev/null", "-n", "-p", &target.port.to_string(), "-i"]).arg(&target.key);
    ssh.args(["-l", &target.user, &target.address, "version"]).output().unwrap().status.success()
}
