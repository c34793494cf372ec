//! Sends a storm of events to three servers at once. During the storm, the link of one server is
//! down for a while, the primary database server is killed and its synchronous standby takes over,
//! and a worker is stopped until its lease is over. The records of the gates show whether the
//! limits held.

use std::collections::BTreeSet;
use std::io::{Write, stdout};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::LIMIT;
use crate::gate_run::{GateRun, most_at_once};
use crate::storm_site::{LATE, StormCall, StormSite, object, status_file};
use e2e::until;

/// Number of services, each of which breaks once. Each server gets an event for each of them.
const EVENTS: usize = 1000;
/// How many repairs may run at the same time.
pub const RUNNING: usize = 8;
/// How many repairs may start after the storm. The other services stay broken, because repairing
/// all of them would take too long.
const FEW: usize = 30;

#[test]
fn repairs_each_service_once_in_a_storm_with_failover() {
    let site = &StormSite::start(EVENTS);
    let stopped = site.stop_worker();
    let mut calls = site.storm(0..400);
    site.wait_for_repairs(20);

    let cut = &site.servers[2];
    cut.node.cut();
    calls.extend(site.storm(400..500));
    let failure = until("a call without a database", LIMIT, || cut.failures().pop());
    assert!(failure.contains("PostgreSQL") && failure.contains("nothing"), "{failure}");
    cut.node.join();
    let without_link = cut.failures().len();

    thread::scope(|scope| {
        let more = scope.spawn(|| site.storm(500..950));
        site.wait_for_repairs(5);
        site.primary.kill();
        site.standby.promote();
        calls.extend(more.join().unwrap());
    });
    calls.extend(site.storm(950..EVENTS));
    let all_failures = || site.servers.iter().flat_map(|server| server.failures());
    until("a refusal because of the failover", LIMIT, || {
        all_failures().any(|text| text.contains(" has taken over ")).then_some(())
    });
    let failover = site.sql("SELECT failed_over, failed_over + longest_lease FROM site");
    let (failed_over, resumed) = failover.trim().split_once('|').unwrap();
    let (failed_over, resumed): (u64, u64) =
        (failed_over.parse().unwrap(), resumed.parse().unwrap());

    // Calls can still be waiting when the pause ends. Let them start only a few repairs.
    let allow_more = || {
        let begun: usize = site.sql("SELECT count(*) FROM repair").trim().parse().unwrap();
        site.write_status(EVENTS);
        site.write_policies(EVENTS, |monitor, policy| {
            policy["status_file"] = json!(status_file(monitor));
            policy["fleet"]["started"] = json!({"count": begun + FEW, "per": "1h"});
        });
        begun + FEW
    };
    allow_more();
    site.settle(Some(&stopped));
    allow_more();

    // The repair of the stopped worker is over when its lease is over, so another server can repair
    // the service. The worker must notice this when it wakes up.
    let mut problem = 1;
    until("the end of the pause", LIMIT, || {
        problem += 1;
        let (code, text) = site.call_late(1, problem);
        thread::sleep(Duration::from_secs(1));
        (code == 0 && text.starts_with("REPAIRED ")).then_some(())
    });
    drop(stopped);
    site.settle(None);
    let of_late = site.repaired().into_iter().filter(|object| object.starts_with(LATE));
    assert_eq!(of_late.count(), 1);
    let failures = all_failures().count();
    let (most, before) = (allow_more(), site.repaired().len());
    thread::scope(|scope| {
        for server in 0..site.servers.len() {
            scope.spawn(move || site.sweep(server, &[]));
        }
    });
    assert!(site.repaired().len() > before, "the sweeps have repaired nothing");
    let runs = site.gate_runs();
    check_runs(site, &runs, most);
    let reserved = site.sql(&format!(
        "SELECT count(*) FROM repair WHERE reserved > {failed_over} AND reserved < {resumed}"
    ));
    assert_eq!(reserved.trim(), "0", "a repair was reserved during the pause");
    let lost = check_calls(site, &calls, &runs);

    say(&format!(
        "{} calls of handlers for {EVENTS} events; {without_link} were refused while a link was \
         down, and {} in the failover; {lost} refusals were lost in the failover",
        calls.len(),
        failures - without_link,
    ));
    let mut starts: Vec<u64> = runs.iter().map(|run| run.started).collect();
    starts.sort_unstable();
    let pause = starts.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    say(&format!(
        "{} repairs, at most {} at once; repairs paused for {:.1} s, and reservations for {:.1} s",
        runs.len(),
        most_at_once(&runs),
        seconds(pause),
        seconds(resumed - failed_over),
    ));
}

/// Checks what the gates have recorded: no service was repaired twice, and no fleet limit was
/// exceeded. `most` is the limit on started repairs.
fn check_runs(site: &StormSite, runs: &[GateRun], most: usize) {
    let objects: BTreeSet<&str> = runs.iter().map(|run| run.object.as_str()).collect();
    assert_eq!(objects.len(), runs.len(), "a service was repaired twice: {runs:#?}");
    assert!(runs.iter().all(|run| run.state == "done"), "{runs:#?}");
    let mut repaired = site.repaired();
    repaired.sort();
    assert_eq!(repaired, objects.into_iter().collect::<Vec<_>>());
    let at_once = most_at_once(runs);
    assert!(at_once > 1 && at_once <= RUNNING, "{at_once} repairs ran at once: {runs:#?}");
    assert!(runs.len() <= most, "{} repairs", runs.len());
    // The standby was synchronous, so no reservation was lost.
    let recorded = site.sql("SELECT job FROM repair");
    let recorded: BTreeSet<&str> = recorded.lines().collect();
    let unknown = runs.iter().find(|run| !recorded.contains(run.job.as_str()));
    assert!(unknown.is_none(), "the ledger has lost a reservation: {unknown:?}");
}

/// Checks that no event is lost: each service was repaired, or the sweep will offer it. Returns the
/// number of calls whose refusal was lost in the failover. The ledger does not wait until the
/// standby has received a refusal, so a failover can undo the last refusals.
fn check_calls(site: &StormSite, calls: &[StormCall], runs: &[GateRun]) -> usize {
    assert_eq!(calls.len(), EVENTS * site.servers.len());
    let answered = site.sql("SELECT job FROM repair UNION SELECT job FROM refusal");
    let answered: BTreeSet<&str> = answered.lines().collect();
    let failed: Vec<_> = site.servers.iter().map(|server| server.undecided()).collect();
    let is_lost = |call: &&StormCall| {
        !answered.contains(call.job.as_str()) && !failed[call.server].contains(&call.object)
    };
    let lost = calls.iter().filter(is_lost).count();
    assert!(lost < calls.len() / 10, "{lost} calls have no answer");

    site.write_status(EVENTS);
    site.write_policies(EVENTS, |monitor, policy| {
        policy["status_file"] = json!(status_file(monitor))
    });
    let repaired: BTreeSet<&str> = runs.iter().map(|run| run.object.as_str()).collect();
    let rows = site.sweep(1, &["--dry-run"]);
    let word = |object: &(String, String)| {
        let row = rows.iter().find(|row| row["host"] == object.0 && row["service"] == object.1)?;
        Some((row["outcome"].as_str()?, row["code"].as_str()))
    };
    for object in (0..EVENTS).map(object) {
        let is_repaired = repaired.contains(format!("{}/{}", object.0, object.1).as_str());
        let is_right = match word(&object) {
            None => is_repaired,
            Some(("would offer", _) | (_, Some("tried-lately" | "cooling-down"))) => !is_repaired,
            Some(_) => false,
        };
        assert!(is_right, "{object:?}, repaired: {is_repaired}: {:?}", word(&object));
    }
    lost
}

fn seconds(millis: u64) -> f64 {
    Duration::from_millis(millis).as_secs_f64()
}

/// Prints a line with figures, even if the test passes. The test harness would hide `println!`.
fn say(text: &str) {
    let _ = writeln!(stdout(), "storm on three servers: {text}");
}
