//! Tests with hosts that do not exist, or that hang or close the connection in any phase. Each
//! request ends by its deadline, and its error names the phase and says whether a repair may have
//! been started.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{GOOD_GATE, Plan, Sshd, free_port, repair, send, signal, soon};
use policy_file::HostRoute;
use rustix::process::Signal;
use transport::{Error, Phase, Request};

const LIMIT: Duration = Duration::from_secs(8);
/// Extra time for a slow machine. Without a deadline, a request would take far longer than this.
const SLACK: Duration = Duration::from_secs(25);

/// Requests a repair, checks that the request fails in time, and returns the error.
fn in_time(route: &HostRoute) -> Error {
    let (answer, took) = send(route, &repair(), LIMIT);
    assert!(took < LIMIT + SLACK, "it took {took:?}");
    answer.unwrap_err()
}

fn timeout(error: &Error) -> Option<Phase> {
    if let Error::Timeout { phase, .. } = error { Some(*phase) } else { None }
}

/// Returns a route to `listener`, which takes the place of sshd.
fn instead_of(sshd: &Sshd, listener: &TcpListener) -> HostRoute {
    let key = sshd.host_key("ed25519");
    HostRoute {
        port: listener.local_addr().unwrap().port(),
        ..sshd.route_with(&format!("[*]:* {key}\n"))
    }
}

fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn reports_a_closed_port_without_delay() {
    let sshd = Plan::new().start();
    let route = HostRoute {
        port: free_port(),
        ..sshd.route_with(&format!("[*]:* {}\n", sshd.host_key("ed25519")))
    };
    let error = in_time(&route);
    assert_eq!(error.code(), "connect", "{error}");
    assert!(error.nothing_was_run() && error.to_string().contains("refused"), "{error}");
}

#[test]
fn ends_at_the_deadline_on_a_silent_port() {
    let (sshd, listener) = (Plan::new().start(), listen());
    let error = in_time(&instead_of(&sshd, &listener));
    assert_eq!(timeout(&error), Some(Phase::Handshake), "{error}");
    assert!(error.nothing_was_run());
}

#[test]
fn reports_a_port_that_closes_every_connection() {
    let (sshd, listener) = (Plan::new().start(), listen());
    let route = instead_of(&sshd, &listener);
    thread::spawn(move || while listener.accept().is_ok() {});
    let error = in_time(&route);
    assert_eq!(error.code(), "turned-away", "{error}");
    assert!(error.nothing_was_run());
}

#[test]
fn quotes_a_web_server_in_place_of_sshd() {
    let (sshd, listener) = (Plan::new().start(), listen());
    let route = instead_of(&sshd, &listener);
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let error = in_time(&route);
    assert_eq!(error.code(), "turned-away", "{error}");
    assert!(error.to_string().contains("unverified text: \"HTTP/1.1 400 Bad Request"), "{error}");
    assert!(error.nothing_was_run());
}

/// Before its banner, the host sends an endless series of lines. libssh2 reads all of them in a
/// single call, which would never return.
#[test]
fn ends_at_the_deadline_during_an_endless_banner() {
    let (sshd, listener) = (Plan::new().start(), listen());
    let route = instead_of(&sshd, &listener);
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        while socket.write_all(&[b"x\n".as_slice(); 4096].concat()).is_ok() {}
    });
    let error = in_time(&route);
    assert!(matches!(error.code(), "timeout" | "cut") && error.nothing_was_run(), "{error}");
}

#[test]
fn ends_at_the_deadline_on_a_suspended_sshd() {
    let sshd = Plan::new().start();
    signal(sshd.pid(), Signal::STOP);
    let error = in_time(&sshd.route());
    signal(sshd.pid(), Signal::CONT);
    assert_eq!(timeout(&error), Some(Phase::Handshake), "{error}");
}

#[test]
fn reports_unknown_outcome_at_the_deadline_of_a_repair() {
    let sshd = Plan::new().gate("echo $$ > pid; exec sleep 60").start();
    let error = in_time(&sshd.route());
    assert_eq!(timeout(&error), Some(Phase::Repair), "{error}");
    assert!(!error.nothing_was_run() && error.to_string().contains("unknown"), "{error}");
    signal(sshd.wait_for("pid").parse().unwrap(), Signal::KILL);
}

#[test]
fn reports_that_a_slow_query_ran_nothing() {
    let sshd = Plan::new().gate("echo $$ > pid; exec sleep 60").start();
    let (answer, took) = send(&sshd.route(), &Request::Version, LIMIT);
    let error = answer.unwrap_err();
    assert!(took < LIMIT + SLACK);
    assert_eq!((timeout(&error), error.nothing_was_run()), (Some(Phase::Query), true));
    signal(sshd.wait_for("pid").parse().unwrap(), Signal::KILL);
}

#[test]
fn ends_at_the_deadline_if_sshd_is_suspended_during_the_repair() {
    let sshd = Plan::new().gate("echo $PPID > session; exec sleep 60").start();
    let mut gate = transport::connect(&sshd.route(), soon()).unwrap();
    let begun = Instant::now();
    let session: u32 = thread::scope(|scope| {
        let stopper = scope.spawn(|| {
            let session = sshd.wait_for("session").parse().unwrap();
            signal(session, Signal::STOP);
            session
        });
        let error = gate.request(&repair(), begun + LIMIT).unwrap_err();
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
fn reports_unknown_outcome_if_the_connection_is_cut_during_the_repair() {
    let sshd = Plan::new().gate("kill -9 $PPID; sleep 1").start();
    let error = in_time(&sshd.route());
    assert_eq!((error.code(), error.nothing_was_run()), ("cut", false), "{error}");
    assert!(error.to_string().contains("unknown"), "{error}");
}

#[test]
fn reconnects_after_an_idle_cut_and_requests_the_repair_once() {
    let sshd = Plan::new().gate(&format!("echo $PPID > session\n{GOOD_GATE}")).start();
    let mut gate = transport::connect(&sshd.route(), soon()).unwrap();
    assert!(gate.request(&Request::Version, soon()).is_ok());
    let session = sshd.wait_for("session");
    signal(session.parse().unwrap(), Signal::KILL);
    let stat = || fs::read_to_string(format!("/proc/{}/stat", session.trim())).unwrap_or_default();
    while !stat().is_empty() && !stat().contains(") Z ") {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(gate.request(&repair(), soon()).is_ok());
    assert_eq!(sshd.requests(), ["version", "repair httpd 20261123-4f3a9c2b"]);
}

#[test]
fn keeps_the_connection_during_a_long_silent_repair() {
    let sshd = Plan::new()
        .gate(&format!("case $SSH_ORIGINAL_COMMAND in repair*) sleep 11;; esac\n{GOOD_GATE}"))
        .start();
    let route = HostRoute { keepalive: Duration::from_secs(2), ..sshd.route() };
    let mut gate = transport::connect(&route, soon()).unwrap();
    assert!(gate.request(&repair(), soon()).is_ok());
    assert!(
        gate.request(&Request::Status { job: "20261123-4f3a9c2b".parse().unwrap() }, soon())
            .is_ok()
    );
}

#[test]
fn gives_up_on_an_unresponsive_host_before_the_deadline() {
    let sshd = Plan::new().gate("echo $PPID > session; exec sleep 60").start();
    let route = HostRoute { keepalive: Duration::from_secs(2), ..sshd.route() };
    let mut gate = transport::connect(&route, soon()).unwrap();
    let begun = Instant::now();
    let (error, session) = thread::scope(|scope| {
        let stopper = scope.spawn(|| {
            let session: u32 = sshd.wait_for("session").parse().unwrap();
            signal(session, Signal::STOP);
            session
        });
        (
            gate.request(&repair(), begun + Duration::from_secs(120)).unwrap_err(),
            stopper.join().unwrap(),
        )
    });
    assert_eq!((error.code(), error.nothing_was_run()), ("cut", false), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    signal(session, Signal::KILL);
}

/// A proxy relays a number of bytes from the host and then sends nothing more. The test varies this
/// number, so that the link dies in every phase.
#[test]
fn ends_at_the_deadline_if_the_link_dies_at_any_byte() {
    let sshd = Plan::new().start();
    let route = sshd.route_with(&format!("[*]:* {}\n", sshd.host_key("ed25519")));
    let whole = {
        let (port, passed) = dying_link(sshd.port, usize::MAX);
        let answer =
            send(&HostRoute { port, ..route.clone() }, &repair(), Duration::from_secs(30)).0;
        assert!(answer.is_ok(), "{answer:?}");
        passed.load(Ordering::SeqCst)
    };
    let mut phases = Vec::new();
    thread::scope(|scope| {
        let route = &route;
        // The first half of the bytes is the key exchange. The packets after that are only a few
        // dozen bytes long, so use smaller steps for them.
        let bytes =
            (0..8).map(|step| whole * step / 16).chain((1..32).map(|step| whole - step * 40));
        let conversations: Vec<_> = bytes
            .map(|bytes| {
                let (port, _) = dying_link(sshd.port, bytes);
                scope.spawn(move || {
                    (bytes, send(&HostRoute { port, ..route.clone() }, &repair(), LIMIT))
                })
            })
            .collect();
        for conversation in conversations {
            let (bytes, (answer, took)) = conversation.join().unwrap();
            assert!(took < LIMIT + SLACK, "{bytes} of {whole} bytes: it took {took:?}");
            // The request may succeed. After a complete answer, it does not matter that the channel
            // is not closed properly.
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

/// A proxy closes the link after a number of bytes. In practice, sshd may have been restarted, or a
/// firewall or a full session table may have ended the connection.
#[test]
fn reports_a_link_that_is_closed_at_any_byte() {
    let sshd = Plan::new().start();
    let route = sshd.route_with(&format!("[*]:* {}\n", sshd.host_key("ed25519")));
    for bytes in (0..3000).step_by(100) {
        let (port, _) = link(sshd.port, bytes, Duration::ZERO);
        match send(&HostRoute { port, ..route.clone() }, &repair(), Duration::from_secs(30)).0 {
            Ok(_) => assert!(bytes > 1500),
            Err(error) => {
                assert!(matches!(error.code(), "turned-away" | "cut"), "{bytes} bytes: {error}")
            }
        }
    }
}

/// Starts a proxy for `port` that goes silent after `most` bytes from the host. Returns the proxy's
/// port and a counter of the bytes that it has relayed.
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

/// The host floods the client with packets before the key exchange. libssh2 does not recognize
/// these packets and would store all of them.
#[test]
fn cuts_the_connection_of_a_host_that_floods_packets() {
    let (sshd, listener) = (Plan::new().start(), listen());
    let route = instead_of(&sshd, &listener);
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
    let error = in_time(&route);
    assert!(error.code() == "cut" && error.to_string().contains("sent more"), "{error}");
    assert!(error.nothing_was_run());
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent < 16 << 20, "the client read {sent} bytes");
}
