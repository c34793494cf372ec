//! Tests three Nagios servers that share their ledger in a Patroni cluster of three nodes. Their
//! handlers get a storm of events while the leader is killed, and while the next leader is cut off.
//! What the repairs write on their hosts shows whether the limits held.
//!
//! `make test-cluster` runs this test. It is not part of `make test`, because it takes several
//! minutes, most of which it waits for failovers and for the pauses after them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod site;

use std::collections::BTreeSet;
use std::io::{Write, stdout};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use e2e::{LabNetwork, PatroniCluster, Place, until};
use site::{ClusterServer, ClusterSite, DATABASE, HOSTS, HostRun, RUNNING, host, now};

/// Number of services that are broken at the same time.
const BACKLOG: usize = 30;
/// Least number of events that the servers get in total.
const EVENTS: usize = 1000;
/// How many repairs run before the first fault, and after each fault.
const REPAIRS: usize = 10;
const LIMIT: Duration = Duration::from_secs(900);

#[test]
fn repairs_each_service_once_while_the_cluster_loses_its_leaders() {
    let (place, network) = (Place::new(), LabNetwork::new());
    let mut cluster = PatroniCluster::start(&place, &network);
    let site = ClusterSite::start(place, &network, &cluster);
    let storm = Storm::new(&site);
    thread::scope(|scope| {
        let _stop = StopStorm(&storm);
        for server in &site.servers {
            let storm = &storm;
            scope.spawn(move || storm.send(server));
        }
        storm.wait_for_repairs();

        let old = cluster.wait_until_complete();
        let fault = Fault::new("leader killed", &storm);
        cluster.kill(old);
        fault.check_failover(&cluster, cluster.wait_for_leader_other_than(Some(old)));
        cluster.restart(old);
        let old = cluster.wait_until_complete();
        storm.wait_for_repairs();

        let fault = Fault::new("leader cut off", &storm);
        cluster.cut(old);
        fault.check_failover(&cluster, cluster.wait_for_leader_other_than(Some(old)));
        // Patroni before 3.0.3 can make the node the leader again. All records of its successor are
        // then lost, but no repair may run until all leases are over.
        let fault = Fault::new("link restored", &storm);
        cluster.join(old);
        let role = match cluster.wait_for_role(old) {
            true => "the node was the leader again",
            false => "the node was a standby",
        };
        fault.wait_for_repairs(role);

        let enough = || storm.calls.load(Ordering::Relaxed) >= EVENTS;
        until("the whole storm", LIMIT, || enough().then_some(()));
    });
    storm.check();
    let sql = "SELECT count(DISTINCT host) FROM selfheal.repair";
    let leader = cluster.wait_for_leader_other_than(None);
    let recorded = cluster.query_in(leader, DATABASE, sql).unwrap();
    say(&format!("the leader has records of {recorded} of the repaired services"));
}

/// Events of all servers for a growing number of services.
struct Storm<'a> {
    site: &'a ClusterSite,
    /// Number of services that have broken so far.
    broken: AtomicUsize,
    calls: AtomicUsize,
    /// Whether no further service breaks.
    is_over: AtomicBool,
}

/// Ends the storm when it is dropped, even if the test fails.
struct StopStorm<'a>(&'a Storm<'a>);

impl Drop for StopStorm<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}

impl<'a> Storm<'a> {
    fn new(site: &'a ClusterSite) -> Storm<'a> {
        let (broken, calls) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Storm { site, broken, calls, is_over: AtomicBool::new(false) }
    }

    /// Calls the handler of one server for all broken services, again and again until all of them
    /// are repaired. Repeats the calls as notifications and sweeps would, because the fleet limit
    /// refuses most calls.
    fn send(&self, server: &ClusterServer) {
        loop {
            let broken = self.broken();
            if broken.is_empty() {
                return;
            }
            for number in broken {
                server.call(number);
                self.calls.fetch_add(1, Ordering::Relaxed);
            }
            until("answers to all calls", LIMIT, || (!server.has_waiting()).then_some(()));
            thread::sleep(Duration::from_secs(1));
        }
    }

    /// Returns the broken services. Breaks further ones if the storm is not over.
    fn broken(&self) -> Vec<usize> {
        let all = self.broken.load(Ordering::Relaxed);
        let repaired = (0..all).filter(|number| self.site.is_repaired(*number)).count();
        if !self.is_over.load(Ordering::Relaxed) {
            self.broken.fetch_max(HOSTS.min(repaired + BACKLOG), Ordering::Relaxed);
        }
        let all = self.broken.load(Ordering::Relaxed);
        (0..all).filter(|number| !self.site.is_repaired(*number)).collect()
    }

    /// Waits until further repairs have begun.
    fn wait_for_repairs(&self) {
        let begun = self.site.runs().len();
        until("more repairs", LIMIT, || (self.site.runs().len() >= begun + REPAIRS).then_some(()));
    }

    fn undecided(&self) -> usize {
        self.site.servers.iter().map(ClusterServer::undecided).sum()
    }

    /// Checks what the repairs have written on their hosts.
    fn check(&self) {
        let runs = self.site.runs();
        let repaired: Vec<String> = runs.iter().map(|run| run.host.clone()).collect();
        let broken: BTreeSet<String> = (0..self.broken.load(Ordering::Relaxed)).map(host).collect();
        assert_eq!(repaired.len(), broken.len(), "services were repaired twice: {repaired:?}");
        assert_eq!(repaired.into_iter().collect::<BTreeSet<_>>(), broken);
        assert!(runs.iter().all(|run| run.ended.is_some()), "a repair did not end");
        let most = most_at_once(&runs);
        assert!(most > 1 && most <= RUNNING, "{most} repairs ran at once");
        let (calls, undecided) = (self.calls.load(Ordering::Relaxed), self.undecided());
        say(&format!(
            "{calls} calls on three servers, {undecided} of them without a decision; \
             {} services repaired, each once, at most {most} at once",
            runs.len()
        ));
    }
}

/// Returns the highest number of repairs that ran at the same time.
fn most_at_once(runs: &[HostRun]) -> usize {
    let at_start = |one: &HostRun| {
        let ran = |other: &&HostRun| {
            other.began <= one.began && other.ended.is_none_or(|ended| one.began < ended)
        };
        runs.iter().filter(ran).count()
    };
    runs.iter().map(at_start).max().unwrap_or(0)
}

/// A fault of the cluster.
struct Fault<'a> {
    name: &'static str,
    storm: &'a Storm<'a>,
    began: Duration,
    /// Number of calls without a decision before the fault.
    undecided: usize,
}

impl<'a> Fault<'a> {
    /// Call this immediately before the fault.
    fn new(name: &'static str, storm: &'a Storm<'a>) -> Fault<'a> {
        Fault { name, storm, began: now(), undecided: storm.undecided() }
    }

    /// Call this when another node has become the leader. Waits until repairs run, and checks that
    /// they paused for at least the longest lease.
    fn check_failover(&self, cluster: &PatroniCluster, leader: usize) {
        let pause = self.wait_for_repairs("another leader");
        let lease = cluster.query_in(leader, DATABASE, "SELECT longest_lease FROM selfheal.site");
        let lease = Duration::from_millis(lease.unwrap().parse().unwrap());
        assert!(pause >= lease, "the pause was shorter than the longest lease, {lease:?}");
        assert!(self.storm.undecided() > self.undecided, "the fault led to no refused call");
    }

    /// Call this when the cluster is able to work again, which `recovered` describes. Waits until
    /// repairs run, and returns how long they paused.
    fn wait_for_repairs(&self, recovered: &str) -> Duration {
        let ready = now();
        let runs = || self.storm.site.runs();
        let has_new = |runs: &Vec<HostRun>| runs.iter().any(|run| run.began > ready);
        let runs = until("repairs run again", LIMIT, || Some(runs()).filter(has_new));
        let mut begun: Vec<Duration> = runs.iter().map(|run| run.began).collect();
        begun.sort_unstable();
        let pauses = begun.windows(2).filter(|pair| pair[1] > self.began);
        let pause = pauses.map(|pair| pair[1] - pair[0]).max().unwrap_or_default();
        let undecided = self.storm.undecided() - self.undecided;
        say(&format!(
            "{}: {recovered} after {:.1} s; repairs paused for {:.1} s; {undecided} calls without \
             a decision",
            self.name,
            (ready - self.began).as_secs_f64(),
            pause.as_secs_f64(),
        ));
        pause
    }
}

/// Prints a line with figures, even if the test passes. The test harness would hide `println!`.
fn say(text: &str) {
    let _ = writeln!(stdout(), "three servers on a Patroni cluster: {text}");
}
