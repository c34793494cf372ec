//! Tests logins with an ssh-agent and through a jump host. The host key checks and deadlines are
//! the same as for direct logins.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Plan, Sshd, fails, free_port, keygen, repair, send, signal, soon};
use policy_file::HostRoute;
use rustix::process::Signal;
use transport::{Answer, Request};

struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(dir: &Path, keys: &[&Path]) -> Agent {
        let socket = dir.join("agent");
        let child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .expect("these tests need ssh-agent: install openssh-client");
        let agent = Agent { child, socket };
        let begun = Instant::now();
        while UnixStream::connect(&agent.socket).is_err()
            && begun.elapsed() < Duration::from_secs(20)
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        for key in keys {
            let added = Command::new("ssh-add")
                .arg("-q")
                .arg(key)
                .env("SSH_AUTH_SOCK", &agent.socket)
                .status()
                .unwrap();
            assert!(added.success());
        }
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn by_agent(sshd: &Sshd, socket: &Path) -> HostRoute {
    HostRoute { agent: true, agent_socket: Some(socket.to_owned()), ..sshd.route() }
}

#[test]
fn logs_in_with_the_named_key_of_an_agent() {
    for kind in ["ed25519", "rsa", "ecdsa"] {
        let sshd = Plan::new().user_key(kind).start();
        keygen("ed25519", "", &sshd.path("another"));
        let agent = Agent::start(&sshd.path(""), &[&sshd.path("another"), &sshd.path("user")]);
        std::fs::remove_file(sshd.path("user")).unwrap();
        let mut gate = transport::connect(&by_agent(&sshd, &agent.socket), soon()).unwrap();
        assert!(gate.request(&repair(), soon()).is_ok(), "{kind}");
        assert!(gate.request(&Request::List, soon()).is_ok(), "{kind}");
        // The client must offer only the named key. If it had offered the other key as well, the
        // host would have logged a refusal.
        assert_eq!(sshd.log().matches("Failed publickey").count(), 0);
    }
}

#[test]
fn tries_all_keys_of_an_agent_if_none_is_named() {
    let sshd = Plan::new().start();
    keygen("ed25519", "", &sshd.path("another"));
    let agent = Agent::start(&sshd.path(""), &[&sshd.path("another"), &sshd.path("user")]);
    let route = HostRoute { key: sshd.path("nameless"), ..by_agent(&sshd, &agent.socket) };
    assert!(send(&route, &repair(), Duration::from_secs(30)).0.is_ok());
}

#[test]
fn offers_no_other_key_when_the_public_half_cannot_be_read() {
    let sshd = Plan::new().start();
    let agent = Agent::start(&sshd.path(""), &[&sshd.path("user")]);
    let route = HostRoute { key: sshd.path("unreadable"), ..by_agent(&sshd, &agent.socket) };
    std::fs::create_dir(sshd.path("unreadable.pub")).unwrap();
    let error = fails(&route, &repair());
    assert!(
        error.code() == "key-file-unreadable" && error.to_string().contains("unreadable.pub"),
        "{error}"
    );
}

#[test]
fn reports_a_missing_agent_and_one_without_the_key() {
    let sshd = Plan::new().start();
    keygen("ed25519", "", &sshd.path("another"));
    let agent = Agent::start(&sshd.path(""), &[&sshd.path("another")]);
    let error = fails(&by_agent(&sshd, &agent.socket), &repair());
    assert!(error.code() == "agent" && error.to_string().contains("does not hold"), "{error}");
    let route = HostRoute { key: sshd.path("another"), ..by_agent(&sshd, &agent.socket) };
    assert_eq!(fails(&route, &repair()).code(), "auth-refused");
    assert_eq!(fails(&by_agent(&sshd, &sshd.path("no-agent")), &repair()).code(), "agent");
    assert!(sshd.requests().is_empty());
}

#[test]
fn ends_at_the_deadline_with_a_silent_agent() {
    let sshd = Plan::new().start();
    let _silent = UnixListener::bind(sshd.path("silent")).unwrap();
    let limit = Duration::from_secs(2);
    let (answer, took) = send(&by_agent(&sshd, &sshd.path("silent")), &repair(), limit);
    let error = answer.unwrap_err();
    assert!(took < limit + Duration::from_secs(30), "it took {took:?}");
    assert_eq!((error.code(), error.nothing_was_run()), ("timeout", true), "{error}");
}

/// Starts a jump host that only forwards connections, and a host that is reached through it.
fn behind_jump_host() -> (Sshd, Sshd, HostRoute) {
    let jump_host = Plan::new().options("restrict,port-forwarding").start();
    let sshd = Plan::new().start();
    let route = HostRoute { via: Some(Box::new(jump_host.route())), ..sshd.route() };
    (jump_host, sshd, route)
}

#[test]
fn connects_through_a_jump_host() {
    let (jump_host, sshd, route) = behind_jump_host();
    let mut gate = transport::connect(&route, soon()).unwrap();
    for _ in 0..3 {
        assert!(gate.request(&repair(), soon()).is_ok());
    }
    drop(gate);
    assert_eq!(sshd.requests().len(), 3);
    assert!(jump_host.requests().is_empty(), "nothing runs on the jump host");
    assert_eq!(jump_host.log().matches("Accepted publickey").count(), 1);
}

#[test]
fn refuses_ten_megabytes_of_stdout_behind_a_jump_host() {
    let jump_host = Plan::new().options("restrict,port-forwarding").start();
    let sshd =
        Plan::new().gate("head -c 10000000 /dev/zero >&2; head -c 10000000 /dev/zero").start();
    let route = HostRoute { via: Some(Box::new(jump_host.route())), ..sshd.route() };
    assert_eq!(fails(&route, &repair()).code(), "not-framed");
}

#[test]
fn checks_the_host_keys_of_jump_host_and_target() {
    let (jump_host, sshd, route) = behind_jump_host();
    let mut wrong = route.clone();
    wrong.via = Some(Box::new(jump_host.route_with(&format!(
        "[web1]:{} {}\n",
        jump_host.port,
        sshd.host_key("ed25519")
    ))));
    let error = fails(&wrong, &repair());
    assert!(
        error.code() == "host-key-mismatch"
            && error.to_string().contains(&jump_host.port.to_string()),
        "{error}"
    );
    jump_host.route();
    let line = format!("[web1]:{} {}\n", sshd.port, jump_host.host_key("ed25519"));
    let wrong = HostRoute { via: route.via.clone(), ..sshd.route_with(&line) };
    let error = fails(&wrong, &repair());
    assert!(
        error.code() == "host-key-mismatch" && error.to_string().contains(&sshd.port.to_string()),
        "{error}"
    );
    assert!(sshd.requests().is_empty() && jump_host.requests().is_empty());
}

#[test]
fn reports_a_jump_host_that_does_not_forward_and_a_target_that_is_down() {
    let (_jump_host, sshd, route) = behind_jump_host();
    let down = HostRoute { port: free_port(), ..route.clone() };
    std::fs::write(&route.known_hosts[0], format!("[*]:* {}\n", sshd.host_key("ed25519"))).unwrap();
    let error = fails(&down, &repair());
    assert!(error.code() == "connect" && error.to_string().contains("through web1"), "{error}");
    let strict = Plan::new().start();
    let error = fails(&HostRoute { via: Some(Box::new(strict.route())), ..route }, &repair());
    assert!(error.code() == "connect" && error.nothing_was_run(), "{error}");
}

#[test]
fn ends_at_the_deadline_behind_a_suspended_jump_host() {
    let (jump_host, sshd, route) = behind_jump_host();
    let mut gate = transport::connect(&route, soon()).unwrap();
    assert_eq!(gate.request(&Request::Version, soon()), Ok(Answer::Version("0.1.0".into())));
    for child in children(jump_host.pid()) {
        signal(child, Signal::STOP);
    }
    let begun = Instant::now();
    let error = gate.request(&repair(), begun + Duration::from_secs(2)).unwrap_err();
    drop(gate);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!((error.code(), error.nothing_was_run()), ("timeout", true), "{error}");
    for child in children(jump_host.pid()) {
        signal(child, Signal::KILL);
    }
    assert_eq!(sshd.requests(), ["version"]);
}

/// Returns the process IDs of all descendants of a process. The children alone are not enough,
/// because sshd starts a second process for the session of an ordinary user.
fn children(pid: u32) -> Vec<u32> {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let direct = text.split_whitespace().map(|pid| pid.parse().unwrap());
    direct.flat_map(|pid| [vec![pid], children(pid)].concat()).collect()
}
