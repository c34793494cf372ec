//! Tests several Nagios servers that share their ledger in a real PostgreSQL, and that repair the
//! same hosts.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod database;
mod gate_run;
mod pair;
mod site;
mod storm;
mod storm_site;

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use e2e::{run, until};
use ledger::RepairOutcome;
use serde_json::json;
use site::{SharedSite, result};

const SERVERS: usize = 3;
/// Number of hosts that are repaired by a program on the Nagios server.
const HOSTS: usize = 12;
/// How many times each server gets each event.
const REPEATS: usize = 2;
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn repairs_each_fault_once_when_all_servers_get_all_events() {
    let site = SharedSite::start(SERVERS);
    site.web.apache.kill();
    let hosts: Vec<String> = (0..HOSTS).map(|n| format!("host{n}")).collect();
    let mut handlers: Vec<Child> = Vec::new();
    for _ in 0..REPEATS {
        for server in 0..SERVERS {
            handlers.push(site.begin(server, "web1", "httpd", HOSTS));
            let here = hosts.iter().enumerate();
            handlers.extend(here.map(|(n, host)| site.begin(server, host, "here", n)));
        }
    }
    let calls = handlers.len();
    for handler in handlers {
        let done = handler.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(done.status.success() && text.starts_with("DISPATCHED"), "{text}");
    }
    let last = &site.servers[SERVERS - 1];
    until("a recorded answer to every call", LIMIT, || {
        let (repairs, refusals) = (last.records(), last.refusals());
        let is_over = repairs.iter().all(|repair| repair.ended.is_some());
        (is_over && repairs.len() + refusals.len() >= calls).then_some(())
    });
    let repairs = last.records();
    assert!(repairs.iter().all(|repair| repair.outcome == Some(RepairOutcome::Healed)));
    let mut repaired: Vec<String> = repairs.into_iter().map(|repair| repair.host).collect();
    repaired.sort();
    let expected: BTreeSet<String> = hosts.iter().cloned().chain(["web1".to_owned()]).collect();
    assert_eq!(repaired, Vec::from_iter(expected));
    assert_eq!(last.refusals().len(), calls - HOSTS - 1);
    // The local repairs write a line to the file `done`. It must show one repair per host, as the
    // ledger does.
    let done = fs::read_to_string(&site.done).unwrap();
    assert_eq!(done.lines().count(), HOSTS, "{done}");
    assert_eq!(done.lines().collect::<BTreeSet<_>>().len(), HOSTS, "{done}");
    assert_eq!(site.web.jobs().len(), 1);
    assert!(site.web.apache.is_listening());
}

const CALL: &str = "CRITICAL HARD 4 --host web1 --service HTTP --address 127.0.0.1 --repair httpd";

#[test]
fn repairs_nothing_while_the_database_is_away_and_then_resumes() {
    let site = SharedSite::start(2);
    assert!(site.check_repairs(0, &[]).1.starts_with("REPAIRS OK"));
    let commands = site.commands(0);
    site.database.stop();
    site.web.apache.kill();

    let handler = site.begin(0, "web1", "httpd", 1).wait_with_output().unwrap();
    assert!(handler.status.success(), "the handler does not need the database");
    until("the call is answered", LIMIT, || site.waiting(0).is_empty().then_some(()));
    let comment = until("a comment in Nagios", LIMIT, || commands.try_recv().ok());
    assert!(comment.contains("COULD NOT REPAIR web1/HTTP"), "{comment}");
    assert!(comment.contains("selfheal") && comment.contains("nothing was run"), "{comment}");
    let (code, text) = foreground(&site, 1);
    assert!(code == 3 && text.trim_end().ends_with("nothing was run"), "{code}: {text}");
    let (code, text) = site.check_repairs(1, &["-t", "5"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.starts_with("REPAIRS CRITICAL: nothing is repaired: "), "{text}");
    assert!(site.web.jobs().is_empty() && !site.web.apache.is_listening());

    site.database.restart();
    let (code, text) = foreground(&site, 1);
    assert!(code == 0 && text.starts_with("REPAIRED web1/HTTP"), "{code}: {text}");
    let (code, text) = site.check_repairs(0, &[]);
    assert!(code == 0 && text.starts_with("REPAIRS OK: 1 healed"), "{code}: {text}");
}

#[test]
fn records_outcome_after_the_database_was_away_during_the_repair() {
    let site = SharedSite::start(2);
    let mark = site.done.with_file_name("began");
    site.write_policies(|policy| {
        let script = format!(": > {}; sleep 4", mark.display());
        policy["repairs"]["here"]["ladder"] = json!([{"local": ["/bin/sh", "-c", script]}]);
    });
    let handler = site.begin(0, "host1", "here", 1).wait_with_output().unwrap();
    assert!(handler.status.success());
    until("the repair runs", LIMIT, || mark.exists().then_some(()));
    site.database.stop();
    // Let the repair end while the database is away.
    thread::sleep(Duration::from_secs(6));
    site.database.restart();
    until("a recorded outcome", LIMIT, || {
        let records = site.servers[1].records();
        assert_eq!(records.len(), 1);
        (records[0].outcome == Some(RepairOutcome::Healed)).then_some(())
    });
}

#[test]
fn root_connects_to_the_database_only_as_nagios() {
    let site = SharedSite::start(1);
    let server = &site.servers[0];
    let (policy, trace) = (site.policy_of_root(0), site.done.with_file_name("trace"));
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-e", "trace=connect,setuid", "-o"]).arg(&trace);
    strace.arg(&server.repairctl).arg("--policy").arg(policy).arg("status");
    let text = run(&mut strace);
    assert!(text.contains("PostgreSQL database selfheal"), "{text}");
    let trace = fs::read_to_string(trace).unwrap();
    let of = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
    let with = |what: &str| -> BTreeSet<String> {
        trace.lines().filter(|line| line.contains(what)).map(of).collect()
    };
    let connected = with(&format!(".s.PGSQL.{}", site.database.port));
    let stepped_down = with(&format!("setuid({}", server.nagios.uid));
    assert!(!connected.is_empty() && connected.is_subset(&stepped_down), "{trace}");
}

/// Calls the handler of a server and waits for the repair.
fn foreground(site: &SharedSite, server: usize) -> (i32, String) {
    let monitor = &site.servers[server];
    let mut command = monitor.as_nagios(&monitor.handler);
    command.args(CALL.split(' ')).args(["--foreground", "--policy"]).arg(&monitor.policy);
    result(&mut command)
}
