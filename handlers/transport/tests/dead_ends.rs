//! Hosts that hang, close, stop or are not there, at every phase: each ends within the deadline, says in which phase, and
//! knows whether a repair can have been started.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says what is wrong by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use common::{GOOD_GATE, Plan, Sshd, ask, free_port, repair, signal, soon};
use rustix::process::Signal;
use transport::{Error, Gate, Phase, Request, SshTarget};

const LIMIT: Duration = Duration::from_secs(2);
/// For a slow machine; a hang lasts far longer.
const SLACK: Duration = Duration::from_secs(3);

/// The conversation fails within its deadline.
fn in_time(target: &SshTarget) -> Error {
    let (answer, took) = ask(target, &repair(), LIMIT);
    assert!(took < LIMIT + SLACK, "it took {took:?}");
    answer.unwrap_err()
}

fn timeout(error: &Error) -> Option<Phase> {
    if let Error::Timeout { phase, .. } = error { Some(*phase) } else { None }
}

/// A target whose sshd is somebody else: this listener.
fn instead_of(sshd: &Sshd, listener: &TcpListener) -> SshTarget {
    let key = sshd.host_key("ed25519");
    SshTarget { port: listener.local_addr().unwrap().port(), ..sshd.target_with(&format!("[*]:* {key}\n")) }
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn a_host_without_sshd_is_refused_at_once() {
    let sshd = Plan::new().start();
    let target = SshTarget { port: free_port(), ..sshd.target_with(&format!("[*]:* {}\n", sshd.host_key("ed25519"))) };
    let error = in_time(&target);
    assert_eq!(error.code(), "connect", "{error}");
    assert!(error.nothing_was_run() && error.to_string().contains("refused"), "{error}");
}

#[test]
fn a_port_that_says_nothing_ends_at_the_deadline() {
    let (sshd, listener) = (Plan::new().start(), listen());
    let error = in_time(&instead_of(&sshd, &listener));
    assert_eq!(timeout(&error), Some(Phase::Handshake), "{error}");
    assert!(error.nothing_was_run());
}

#[test]
fn a_port_that_closes_is_a_cut_link() {
    let (sshd, listener) = (Plan::new().start(), listen());
    let target = instead_of(&sshd, &listener);
    thread::spawn(move || while listener.accept().is_ok() {});
    let error = in_time(&target);
    assert_eq!(error.code(), "cut", "{error}");
    assert!(error.nothing_was_run());
}

#[test]
fn a_web_server_is_not_an_ssh_server() {
    let (sshd, listener) = (Plan::new().start(), listen());
    let target = instead_of(&sshd, &listener);
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let error = in_time(&target);
    assert!(matches!(error.code(), "cut" | "protocol"), "{error}");
    assert!(error.nothing_was_run());
}

/// libssh2 reads lines before the banner for as long as they come, within one call.
#[test]
fn a_banner_that_never_ends_ends_at_the_deadline() {
    let (sshd, listener) = (Plan::new().start(), listen());
    let target = instead_of(&sshd, &listener);
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        while socket.write_all(&[b"x\n".as_slice(); 4096].concat()).is_ok() {}
    });
    let error = in_time(&target);
    assert_eq!(timeout(&error), Some(Phase::Handshake), "{error}");
}

#[test]
fn an_sshd_that_is_stopped_ends_at_the_deadline() {
    let sshd = Plan::new().start();
    signal(sshd.pid(), Signal::STOP);
    let error = in_time(&sshd.target());
    signal(sshd.pid(), Signal::CONT);
    assert_eq!(timeout(&error), Some(Phase::Handshake), "{error}");
}

#[test]
fn a_repair_that_is_slower_than_the_deadline_has_an_unknown_outcome() {
    let sshd = Plan::new().gate("echo $$ > pid; exec sleep 60").start();
    let error = in_time(&sshd.target());
    assert_eq!(timeout(&error), Some(Phase::Repair), "{error}");
    assert!(!error.nothing_was_run() && error.to_string().contains("unknown"), "{error}");
    signal(sshd.wait_for("pid").parse().unwrap(), Signal::KILL);
}

#[test]
fn a_slow_question_that_changes_nothing_leaves_no_doubt() {
    let sshd = Plan::new().gate("echo $$ > pid; exec sleep 60").start();
    let (answer, took) = ask(&sshd.target(), &Request::Version, LIMIT);
    let error = answer.unwrap_err();
    assert!(took < LIMIT + SLACK);
    assert_eq!((timeout(&error), error.nothing_was_run()), (Some(Phase::Ask), true));
    signal(sshd.wait_for("pid").parse().unwrap(), Signal::KILL);
}

#[test]
fn an_sshd_that_is_stopped_during_the_repair_ends_at_the_deadline() {
    let sshd = Plan::new().gate("echo $PPID > session; exec sleep 60").start();
    let mut gate = transport::connect(&sshd.target(), soon()).unwrap();
    let begun = Instant::now();
    let session: u32 = thread::scope(|scope| {
        let stopper = scope.spawn(|| {
            let session = sshd.wait_for("session").parse().unwrap();
            signal(session, Signal::STOP);
            session
        });
        let error = gate.ask(&repair(), begun + LIMIT).unwrap_err();
        assert_eq!((timeout(&error), error.nothing_was_run()), (Some(Phase::Repair), false), "{error}");
        drop(gate);
        assert!(begun.elapsed() < LIMIT + SLACK, "{:?}", begun.elapsed());
        stopper.join().unwrap()
    });
    signal(session, Signal::KILL);
}

#[test]
fn a_connection_that_is_cut_during_the_repair_has_an_unknown_outcome() {
    let sshd = Plan::new().gate("kill -9 $PPID; sleep 1").start();
    let error = in_time(&sshd.target());
    assert_eq!((error.code(), error.nothing_was_run()), ("cut", false), "{error}");
    assert!(error.to_string().contains("unknown"), "{error}");
}

#[test]
fn an_idle_connection_that_was_cut_is_made_anew_and_the_repair_asked_for_once() {
    let sshd = Plan::new().gate(&format!("echo $PPID > session\n{GOOD_GATE}")).start();
    let mut gate = transport::connect(&sshd.target(), soon()).unwrap();
    assert!(gate.ask(&Request::Version, soon()).is_ok());
    signal(sshd.wait_for("session").parse().unwrap(), Signal::KILL);
    thread::sleep(Duration::from_millis(200));
    assert!(gate.ask(&repair(), soon()).is_ok());
    assert_eq!(sshd.asked(), ["version", "repair httpd 20261123-4f3a9c2b"]);
}

/// A proxy that passes on so many bytes of what the host says, then goes silent: the link is dead at every phase in turn.
#[test]
fn a_link_that_dies_after_any_number_of_bytes_ends_at_the_deadline() {
    let sshd = Plan::new().start();
    let key = sshd.host_key("ed25519");
    thread::scope(|scope| {
        for bytes in [10, 30, 500, 1200, 1500, 1800, 1900, 2000, 2100] {
            let (sshd, key) = (&sshd, &key);
            scope.spawn(move || {
                let port = dying_link(sshd.port, bytes);
                let file = sshd.path(&format!("known_{bytes}"));
                std::fs::write(&file, format!("[*]:* {key}\n")).unwrap();
                let mut target = SshTarget { port, ..sshd.target() };
                target.known_hosts = vec![file];
                let (answer, took) = ask(&target, &repair(), LIMIT);
                assert!(took < LIMIT + SLACK, "{bytes} bytes: it took {took:?}");
                match answer {
                    Err(error) => assert!(timeout(&error).is_some(), "{bytes} bytes: {error}"),
                    Ok(answer) => panic!("{bytes} bytes: {answer:?}"),
                }
            });
        }
    });
}

fn dying_link(port: u16, mut bytes: usize) -> u16 {
    let listener = listen();
    let here = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut up_from, mut up_to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut up_from, &mut up_to));
        let mut buffer = [0; 1];
        let (mut from, mut to) = (server, client);
        while bytes > 0 && from.read_exact(&mut buffer).is_ok() {
            to.write_all(&buffer).unwrap();
            bytes -= 1;
        }
        thread::sleep(LIMIT + SLACK);
    });
    here
}
