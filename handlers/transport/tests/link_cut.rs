//! Tests that cut the network link to the host. The host runs in a network namespace behind a veth
//! pair. After the cut, no packet passes in either direction, not even an acknowledgement.

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

/// A network namespace and the veth pair that connects it.
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
    /// Creates a namespace and the veth pair that connects it.
    ///
    /// Names and addresses are derived from the process ID and from `number`, which is below 4 and
    /// unique in this file. They are therefore different in each test and each run. The addresses
    /// are from the range reserved for benchmarks (RFC 2544).
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

    /// Takes down the far end, so that all packets are lost. The near end does not notice this.
    fn cut(&self) {
        ip(&format!("-n {0} link set {0}f down", self.name));
    }

    fn plan(&self) -> Plan {
        Plan::new().inside(&self.name, &self.address)
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        // Delete the link explicitly, because sshd sessions keep its namespace alive.
        let _ = Command::new("ip").args(["link", "del", &self.name]).output();
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

fn timeout(error: &Error) -> Option<Phase> {
    if let Error::Timeout { phase, .. } = error { Some(*phase) } else { None }
}

#[test]
#[ignore = "needs: root, iproute2"]
fn reports_that_nothing_ran_if_the_link_is_cut_before_the_repair() {
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
fn reports_unknown_outcome_if_the_link_is_cut_during_the_repair() {
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
fn reports_that_nothing_ran_if_the_link_is_cut_between_requests() {
    let cable = Cable::lay(3);
    let sshd = cable.plan().gate(GOOD_GATE).start();
    let mut gate = transport::connect(&sshd.route(), soon()).unwrap();
    assert!(gate.request(&Request::Version, soon()).is_ok());
    // Suspend sshd. The kernel still accepts connections for it, but sshd cannot answer them.
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
