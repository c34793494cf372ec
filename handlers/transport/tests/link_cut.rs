//! A real link that is cut: the host is in a network namespace, and the cable is pulled. Nothing
//! comes any more, not even an acknowledgement, and nothing that is sent arrives.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::net::Ipv4Addr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use common::{GOOD_GATE, Plan, repair, signal, soon};
use policy_file::HostRoute;
use rustix::process::Signal;
use transport::{Error, Phase, Request};

const LIMIT: Duration = Duration::from_secs(8);
const SLACK: Duration = Duration::from_secs(25);

/// A namespace with one cable to it.
struct Cable {
    name: String,
    address: String,
}

fn ip(words: &str) {
    let ran = Command::new("ip")
        .args(words.split(' '))
        .output()
        .expect("these tests need ip: install iproute2");
    assert!(
        ran.status.success(),
        "ip {words}: {} (are you root?)",
        String::from_utf8_lossy(&ran.stderr)
    );
}

impl Cable {
    /// `number`, below 4, keeps the cables of this file apart, the process id the runs of it; the
    /// addresses are those for measurements (RFC 2544).
    fn lay(number: u32) -> Cable {
        let name = format!("shn{}-{number}", std::process::id() % 100_000);
        let block = (std::process::id() * 4 + number) % 0x8000;
        let address = |host: u32| {
            Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + block * 4 + host)
        };
        let (here, address) = (format!("{}/30", address(1)), address(2).to_string());
        ip(&format!("netns add {name}"));
        let cable = Cable { name, address };
        let (name, far) = (&cable.name, format!("{}f", cable.name));
        ip(&format!("link add {name} type veth peer name {far} netns {name}"));
        ip(&format!("addr add {here} dev {name}"));
        ip(&format!("link set {name} up"));
        ip(&format!("-n {name} addr add {}/30 dev {far}", cable.address));
        ip(&format!("-n {name} link set {far} up"));
        cable
    }

    /// Packets vanish on the way: this side notices nothing.
    fn cut(&self) {
        ip(&format!("-n {0} link set {0}f down", self.name));
    }

    fn plan(&self) -> Plan {
        Plan::new().inside(&self.name, &self.address)
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // The namespace lives on with the sessions in it; the cable must not.
        let _ = Command::new("ip").args(["link", "del", &self.name]).output();
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

fn timeout(error: &Error) -> Option<Phase> {
    if let Error::Timeout { phase, .. } = error { Some(*phase) } else { None }
}

#[test]
#[ignore = "needs: root, iproute2"]
fn reports_that_nothing_was_run_when_the_cable_is_out_before_the_repair() {
    let cable = Cable::lay(1);
    let sshd = cable.plan().start();
    assert!(common::send(&sshd.route(), &repair(), Duration::from_secs(30)).0.is_ok());
    cable.cut();
    let (answer, took) = common::send(&sshd.route(), &repair(), LIMIT);
    let error = answer.unwrap_err();
    assert!(matches!(error.code(), "connect" | "timeout") && error.nothing_was_run(), "{error}");
    assert!(took < LIMIT + SLACK, "{took:?}");
}

#[test]
#[ignore = "needs: root, iproute2"]
fn a_cable_pulled_during_the_repair_leaves_the_outcome_unknown() {
    for (number, keepalive) in [(2, Duration::from_secs(2)), (0, Duration::from_secs(10))] {
        let cable = Cable::lay(number);
        let sshd = cable.plan().gate("echo $$ > pid; exec sleep 60").start();
        let route = HostRoute { keepalive, ..sshd.route() };
        let mut gate = transport::connect(&route, soon()).unwrap();
        let begun = Instant::now();
        let error = thread::scope(|scope| {
            let cutter = scope.spawn(|| {
                let pid = sshd.wait_for("pid");
                cable.cut();
                pid
            });
            let error = gate.request(&repair(), begun + LIMIT).unwrap_err();
            signal(cutter.join().unwrap().parse().unwrap(), Signal::KILL);
            error
        });
        drop(gate);
        assert!(begun.elapsed() < LIMIT + SLACK, "{:?}", begun.elapsed());
        assert_eq!(
            (timeout(&error), error.nothing_was_run()),
            (Some(Phase::Repair), false),
            "{error}"
        );
    }
}

#[test]
#[ignore = "needs: root, iproute2"]
fn reports_that_nothing_was_run_when_the_cable_is_pulled_between_requests() {
    let cable = Cable::lay(3);
    let sshd = cable.plan().gate(GOOD_GATE).start();
    let mut gate = transport::connect(&sshd.route(), soon()).unwrap();
    assert!(gate.request(&Request::Version, soon()).is_ok());
    // Stopped, sshd takes the connection but does not get to answer.
    signal(sshd.pid(), Signal::STOP);
    thread::scope(|scope| {
        let begun = Instant::now();
        let early = scope.spawn(|| common::send(&sshd.route(), &repair(), LIMIT));
        thread::sleep(Duration::from_millis(500));
        cable.cut();
        signal(sshd.pid(), Signal::CONT);
        let error = gate.request(&repair(), begun + LIMIT).unwrap_err();
        assert!(error.nothing_was_run() && begun.elapsed() < LIMIT + SLACK, "{error}");
        let (answer, took) = early.join().unwrap();
        let error = answer.unwrap_err();
        assert_eq!(timeout(&error), Some(Phase::Handshake), "{error}");
        assert!(took < LIMIT + SLACK, "{took:?}");
    });
    assert_eq!(sshd.requests(), ["version"]);
}
