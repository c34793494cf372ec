//! Tests that replay short logs and compare the decisions.

use std::time::Duration;

use engine::log;
use policy::{Act, Fleet, Limits, Policy, Rules, Rung};

use super::args::Assume;
use super::objects::{RepairSource, ReplayedObjects};
use super::simulation::{ReplayDecision, ReplayOptions, Simulation};

fn policy(limits: Limits) -> Policy {
    let act = Act::Local(vec!["/bin/true".into()]);
    let rung = Rung {
        act,
        timeout: Duration::from_secs(30),
        settle: Duration::ZERO,
        verify: vec!["x".into()],
        good_results: 1,
    };
    let rules = Rules { limits, ..Rules::with_ladder(vec![rung]) };
    Policy { repairs: [("httpd".parse().unwrap(), rules)].into(), fleet: Fleet::default() }
}

/// Replays lines of the form `TIME TEXT`. Returns the decisions as strings, the number of saved
/// notifications, and the number of incidents.
fn replay(
    lines: &[&str],
    change: impl Fn(&mut ReplayOptions<'_>),
    policy: &Policy,
) -> (Vec<String>, u64, u64) {
    let mut options =
        ReplayOptions { policy, assume: Assume::Log, takes: Duration::ZERO, knows_status: false };
    change(&mut options);
    let mut simulation =
        Simulation::new(options, ReplayedObjects::new(RepairSource::All("httpd".parse().unwrap())));
    let mut told = Vec::new();
    let mut on_decision = |decision: &ReplayDecision<'_>| {
        let word = decision
            .verdict
            .map_or_else(|why| why.code().as_str().to_owned(), |name| format!("repair {name}"));
        told.push(format!("{} {} {word}", decision.at, decision.event.object()));
    };
    for line in lines {
        let (at, rest) = line.split_once(' ').unwrap();
        let line = format!("[{at}] {rest}");
        let (at, text) = log::timestamp(line.as_bytes()).unwrap();
        if let Some(entry) = log::parse(at, text) {
            simulation.take(&entry, &mut on_decision).unwrap();
        }
    }
    let saved = simulation.objects.iter().map(|object| object.counts.saved).sum();
    let incidents = simulation.objects.iter().map(|object| object.counts.incidents).sum();
    (told, saved, incidents)
}

fn decisions(lines: &[&str]) -> Vec<String> {
    replay(lines, |_| {}, &policy(Limits::default())).0
}

const FAULT: [&str; 7] = [
    "1000 SERVICE ALERT: web1;HTTP;CRITICAL;SOFT;1;refused",
    "1060 SERVICE ALERT: web1;HTTP;CRITICAL;SOFT;2;refused",
    "1120 SERVICE ALERT: web1;HTTP;CRITICAL;SOFT;3;refused",
    "1180 SERVICE ALERT: web1;HTTP;CRITICAL;HARD;4;refused",
    "1180 SERVICE NOTIFICATION: ann;web1;HTTP;CRITICAL;mail;refused",
    "4780 SERVICE NOTIFICATION: ann;web1;HTTP;CRITICAL;mail;refused",
    "5000 SERVICE ALERT: web1;HTTP;OK;HARD;4;fine",
];

#[test]
fn counts_notifications_saved_by_a_repair_that_is_assumed_to_heal() {
    let heals = |options: &mut ReplayOptions<'_>| options.assume = Assume::Heals;
    let (told, saved, incidents) = replay(&FAULT, heals, &policy(Limits::default()));
    assert_eq!((told, saved, incidents), (vec!["1120 web1/HTTP repair httpd".to_owned()], 2, 1));
}

#[test]
fn counts_a_repair_as_failed_if_the_log_shows_no_recovery() {
    let (told, saved, _) = replay(&FAULT, |_| {}, &policy(Limits::default()));
    assert_eq!(told, ["1120 web1/HTTP repair httpd", "1180 web1/HTTP cooling-down"]);
    assert_eq!(saved, 0);
    let slow = |options: &mut ReplayOptions<'_>| options.takes = Duration::from_secs(90);
    assert_eq!(
        replay(&FAULT, slow, &policy(Limits::default())).0[1],
        "1180 web1/HTTP already-running"
    );
}

#[test]
fn counts_only_notifications_after_the_repair_as_saved() {
    let hard_at_once = [
        "1000 SERVICE ALERT: web1;HTTP;CRITICAL;HARD;1;refused",
        "1000 SERVICE NOTIFICATION: ann;web1;HTTP;CRITICAL;mail;refused",
        "2000 SERVICE NOTIFICATION: ann;web1;HTTP;CRITICAL;mail;refused",
        "2000 SERVICE NOTIFICATION: ann;web1;HTTP;OK;mail;refused",
    ];
    let heals = |options: &mut ReplayOptions<'_>| options.assume = Assume::Heals;
    assert_eq!(replay(&hard_at_once, heals, &policy(Limits::default())).1, 1);
}

#[test]
fn counts_a_change_that_is_logged_twice_as_one_call() {
    let twice = [
        "1000 SERVICE ALERT: web1;HTTP;CRITICAL;HARD;1;refused",
        "1000 SERVICE EVENT HANDLER: web1;HTTP;CRITICAL;HARD;1;handle_repair",
        "1000 SERVICE EVENT HANDLER: web2;HTTP;CRITICAL;HARD;1;handle_repair",
        "1001 SERVICE ALERT: web2;HTTP;CRITICAL;HARD;1;refused",
    ];
    assert_eq!(decisions(&twice), ["1000 web1/HTTP repair httpd", "1000 web2/HTTP repair httpd"]);
}

#[test]
fn refuses_during_host_problems_downtime_and_running_repairs() {
    let lines = [
        "900 HOST ALERT: web1;DOWN;SOFT;1;gone",
        "1000 SERVICE ALERT: web1;HTTP;CRITICAL;HARD;1;refused",
        "1100 HOST ALERT: web1;UP;HARD;1;back",
        "1200 SERVICE ALERT: web1;HTTP;OK;HARD;1;fine",
        "1300 SERVICE DOWNTIME ALERT: web1;HTTP;STARTED; begins",
        "1400 SERVICE ALERT: web1;HTTP;CRITICAL;HARD;1;refused",
        "1500 SERVICE DOWNTIME ALERT: web1;HTTP;STOPPED; ends",
        "1600 SERVICE ALERT: web1;HTTP;OK;HARD;1;fine",
        "1650 HOST DOWNTIME ALERT: web1;STARTED; begins",
        "1700 SERVICE ALERT: web1;HTTP;CRITICAL;HARD;1;refused",
        "1750 HOST DOWNTIME ALERT: web1;CANCELLED; ends",
        "1800 SERVICE ALERT: web1;SMTP;CRITICAL;HARD;1;refused",
        "1810 SERVICE ALERT: web1;SSH;CRITICAL;HARD;1;refused",
    ];
    let slow = |options: &mut ReplayOptions<'_>| options.takes = Duration::from_secs(60);
    let told = replay(&lines, slow, &policy(Limits::default())).0;
    assert_eq!(
        told,
        [
            "1000 web1/HTTP host-not-up",
            "1400 web1/HTTP service-downtime",
            "1700 web1/HTTP host-downtime",
            "1800 web1/SMTP repair httpd",
            "1810 web1/SSH already-running",
        ]
    );
}

#[test]
fn counts_acknowledgements_and_flapping_only_with_a_status_file() {
    let lines = [
        "1000 SERVICE FLAPPING ALERT: web1;HTTP;STARTED; 30%",
        "1100 SERVICE ALERT: web1;HTTP;CRITICAL;HARD;4;refused",
        "1200 SERVICE FLAPPING ALERT: web1;HTTP;STOPPED; 4%",
        "1300 EXTERNAL COMMAND: ACKNOWLEDGE_SVC_PROBLEM;web1;HTTP;2;1;1;ann;mine",
        "1400 SERVICE ALERT: web1;HTTP;WARNING;HARD;4;slow",
        "1500 SERVICE ALERT: web1;HTTP;CRITICAL;HARD;4;refused",
        "1600 SERVICE ALERT: web1;HTTP;OK;HARD;4;fine",
        "9000 SERVICE ALERT: web1;HTTP;CRITICAL;HARD;4;refused",
    ];
    let with_status = |options: &mut ReplayOptions<'_>| options.knows_status = true;
    let told = replay(&lines, with_status, &policy(Limits::default())).0;
    assert_eq!(
        told,
        ["1100 web1/HTTP flapping", "1500 web1/HTTP acknowledged", "9000 web1/HTTP repair httpd"]
    );
    assert_eq!(decisions(&lines)[0], "1100 web1/HTTP repair httpd");
}

/// Each repair heals the fault, but the fault returns ten minutes later. So the breaker opens, and
/// it closes after an hour without a fault.
#[test]
fn opens_the_breaker_for_a_fault_that_returns() {
    let mut lines = Vec::new();
    for n in 0..8 {
        let at = 10_000 + 700 * n;
        lines.push(format!("{at} SERVICE ALERT: web1;HTTP;CRITICAL;HARD;4;refused"));
        lines.push(format!("{} SERVICE ALERT: web1;HTTP;OK;HARD;4;fine", at + 30));
    }
    lines.push("30000 SERVICE ALERT: web1;HTTP;CRITICAL;HARD;4;refused".to_owned());
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let limits = Limits { per_incident: 99, ..Limits::default() };
    for assume in [Assume::Log, Assume::Heals] {
        let told = replay(&lines, |options| options.assume = assume, &policy(limits)).0;
        let words: Vec<&str> =
            told.iter().map(|line| line.split_once("HTTP ").unwrap().1).collect();
        let open = "breaker-open";
        assert_eq!(
            words,
            [
                "repair httpd",
                "repair httpd",
                "repair httpd",
                open,
                open,
                open,
                open,
                open,
                "repair httpd"
            ],
            "{assume:?}"
        );
    }
}

#[test]
fn applies_the_fleet_limits_to_many_simultaneous_faults() {
    let lines: Vec<String> = (0..30)
        .map(|n| format!("1000 SERVICE ALERT: web{n};HTTP;CRITICAL;HARD;4;refused"))
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let told = decisions(&lines);
    assert_eq!(told.iter().filter(|line| line.ends_with("repair httpd")).count(), 20);
    assert_eq!(told.iter().filter(|line| line.ends_with("fleet-started")).count(), 10);
    let slow = |options: &mut ReplayOptions<'_>| options.takes = Duration::from_secs(60);
    let told = replay(&lines, slow, &policy(Limits::default())).0;
    assert_eq!(told.iter().filter(|line| line.ends_with("fleet-running")).count(), 25);
}
