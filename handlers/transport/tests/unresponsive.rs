//! Hosts that hang, close, stop or are not there, at every phase: each ends within the deadline,
//! says in which phase, and knows whether a repair can have been started.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test says what is wrong by panicking"
)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{GOOD_GATE, Plan, Sshd, ask, free_port, repair, signal, soon};
use rustix::process::Signal;
use transport::{Error, Gate, Phase, Request, SshTarget};

const LIMIT: Duration = Duration::from_secs(8);
/// For a slow machine; a hang lasts far longer.
const SLACK: Duration = Duration::from_secs(25);

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
    SshTarget {
        port: listener.local_addr().unwrap().port(),
        ..sshd.target_with(&format!("[*]:* {key}\n"))
    }
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn a_host_without_sshd_is_refused_at_once() {
    let sshd = Plan::new().start();
    let target = SshTarget {
        port: free_port(),
        ..sshd.target_with(&format!("[*]:* {}\n", sshd.host_key("ed25519")))
    };
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
fn a_banner_that_never_ends_ends_in_time() {
    let (sshd, listener) = (Plan::new().start(), listen());
    let target = instead_of(&sshd, &listener);
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        while socket.write_all(&[b"x\n".as_slice(); 4096].concat()).is_ok() {}
    });
    let error = in_time(&target);
    assert!(matches!(error.code(), "timeout" | "cut") && error.nothing_was_run(), "{error}");
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
        assert_eq!(
            (timeout(&error), error.nothing_was_run()),
            (Some(Phase::Repair), false),
            "{error}"
        );
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
    let session = sshd.wait_for("session");
    signal(session.parse().unwrap(), Signal::KILL);
    let stat = || fs::read_to_string(format!("/proc/{}/stat", session.trim())).unwrap_or_default();
    while !stat().is_empty() && !stat().contains(") Z ") {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(gate.ask(&repair(), soon()).is_ok());
    assert_eq!(sshd.asked(), ["version", "repair httpd 20261123-4f3a9c2b"]);
}

#[test]
fn a_silent_repair_outlives_many_keepalives() {
    let sshd = Plan::new()
        .gate(&format!("case $SSH_ORIGINAL_COMMAND in repair*) sleep 11;; esac\n{GOOD_GATE}"))
        .start();
    let target = SshTarget { keepalive: Duration::from_secs(2), ..sshd.target() };
    let mut gate = transport::connect(&target, soon()).unwrap();
    assert!(gate.ask(&repair(), soon()).is_ok());
    assert!(
        gate.ask(&Request::Status { job: "20261123-4f3a9c2b".parse().unwrap() }, soon()).is_ok()
    );
}

#[test]
fn a_host_that_shows_no_sign_of_life_is_given_up_long_before_the_deadline() {
    let sshd = Plan::new().gate("echo $PPID > session; exec sleep 60").start();
    let target = SshTarget { keepalive: Duration::from_secs(2), ..sshd.target() };
    let mut gate = transport::connect(&target, soon()).unwrap();
    let begun = Instant::now();
    let (error, session) = thread::scope(|scope| {
        let stopper = scope.spawn(|| {
            let session: u32 = sshd.wait_for("session").parse().unwrap();
            signal(session, Signal::STOP);
            session
        });
        (
            gate.ask(&repair(), begun + Duration::from_secs(120)).unwrap_err(),
            stopper.join().unwrap(),
        )
    });
    assert_eq!((error.code(), error.nothing_was_run()), ("cut", false), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    signal(session, Signal::KILL);
}

/// A proxy that passes on so many bytes of what the host says, then goes silent: the link is dead
/// at every phase in turn.
#[test]
fn a_link_that_dies_after_any_number_of_bytes_ends_at_the_deadline() {
    let sshd = Plan::new().start();
    let target = sshd.target_with(&format!("[*]:* {}\n", sshd.host_key("ed25519")));
    let whole = {
        let (port, passed) = dying_link(sshd.port, usize::MAX);
        let answer =
            ask(&SshTarget { port, ..target.clone() }, &repair(), Duration::from_secs(30)).0;
        assert!(answer.is_ok(), "{answer:?}");
        passed.load(Ordering::SeqCst)
    };
    let mut phases = Vec::new();
    thread::scope(|scope| {
        let target = &target;
        // The first half is keys. What comes after them is told in packets of no more than a few
        // dozen bytes.
        let bytes =
            (0..8).map(|step| whole * step / 16).chain((1..32).map(|step| whole - step * 40));
        let conversations: Vec<_> = bytes
            .map(|bytes| {
                let (port, _) = dying_link(sshd.port, bytes);
                scope.spawn(move || {
                    (bytes, ask(&SshTarget { port, ..target.clone() }, &repair(), LIMIT))
                })
            })
            .collect();
        for conversation in conversations {
            let (bytes, (answer, took)) = conversation.join().unwrap();
            assert!(took < LIMIT + SLACK, "{bytes} of {whole} bytes: it took {took:?}");
            // The end of the channel may be missing from an answer that is whole.
            if let Err(error) = answer {
                let phase =
                    timeout(&error).unwrap_or_else(|| panic!("{bytes} of {whole} bytes: {error}"));
                assert_eq!(error.nothing_was_run(), phase != Phase::Repair);
                phases.push(phase);
            }
        }
    });
    for phase in [Phase::Handshake, Phase::Login, Phase::Open, Phase::Repair] {
        assert!(phases.contains(&phase), "the link never died while {phase}: {phases:?}");
    }
}

/// The same with a link that is closed, by a restarted sshd, a firewall, a full table of sessions.
#[test]
fn a_link_that_is_closed_after_any_number_of_bytes_is_cut() {
    let sshd = Plan::new().start();
    let target = sshd.target_with(&format!("[*]:* {}\n", sshd.host_key("ed25519")));
    for bytes in (0..3000).step_by(100) {
        let (port, _) = link(sshd.port, bytes, Duration::ZERO);
        match ask(&SshTarget { port, ..target.clone() }, &repair(), Duration::from_secs(30)).0 {
            Ok(_) => assert!(bytes > 1500),
            Err(error) => assert_eq!(error.code(), "cut", "{bytes} bytes: {error}"),
        }
    }
}

/// The port of a proxy for this one, and how many bytes of the host's it has passed on.
fn dying_link(port: u16, most: usize) -> (u16, Arc<AtomicUsize>) {
    link(port, most, LIMIT + SLACK)
}

fn link(port: u16, most: usize, silence: Duration) -> (u16, Arc<AtomicUsize>) {
    let listener = listen();
    let here = listener.local_addr().unwrap().port();
    let passed = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&passed);
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let server = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let (mut up_from, mut up_to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut up_from, &mut up_to));
        let mut buffer = [0; 4096];
        let (mut from, mut to) = (server, client);
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            let n = n.min(most - counted.load(Ordering::SeqCst));
            if to.write_all(&buffer[..n]).is_err()
                || counted.fetch_add(n, Ordering::SeqCst) + n == most
            {
                break;
            }
        }
        thread::sleep(silence);
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
    (here, passed)
}

/// Packets nobody asked for, before any key is agreed: libssh2 keeps those it does not know for
/// later.
#[test]
fn a_flood_of_packets_ends_in_time_and_is_not_kept() {
    let (sshd, listener) = (Plan::new().start(), listen());
    let target = instead_of(&sshd, &listener);
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").unwrap();
        let mut packet = vec![0; 4 + 32 * 1024];
        packet[..6].copy_from_slice(&[0, 0, 0x80, 0, 4, 60]);
        while socket.write_all(&packet).is_ok() {
            counted.fetch_add(packet.len(), Ordering::SeqCst);
        }
    });
    let error = in_time(&target);
    assert!(error.code() == "cut" && error.to_string().contains("sent more"), "{error}");
    assert!(error.nothing_was_run());
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent < 16 << 20, "{sent} bytes were taken");
}
