//! The whole loop on real programs: Nagios sees Apache die, and it is healed before anybody is paged.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::time::Duration;

use e2e::{Journal, Monitor, Nagios, Place, WebSide, until};
use ledger::Outcome;
use policy::{Decision, Event, Fleet, History, Policy, Rules, State, decide};

#[test]
fn a_dead_apache_is_healed_once_before_hard() {
    let place = Place::new();
    let web = WebSide::start(&place);
    let monitor = Monitor::new(&place, &web);
    let nagios = Nagios::start(&place, &monitor, &web);
    let mut journal = Journal::new(&nagios.log, &monitor.ledger);

    web.apache.kill();
    let mut seen = Vec::new();
    until("OK in Nagios", Duration::from_secs(30), || {
        seen.extend(journal.news().into_iter().map(|happening| happening.what));
        seen.iter().any(|what| what == "OK").then_some(())
    });
    assert_eq!(seen.iter().filter(|what| what.starts_with("SOFT")).collect::<Vec<_>>(), ["SOFT 1", "SOFT 2", "SOFT 3"]);
    assert!(!seen.iter().any(|what| what.starts_with("HARD")), "{seen:?}");

    // The recovery is a call as well: it and whatever might follow have had their time.
    until("the call of the recovery", Duration::from_secs(10), || {
        nagios.log_lines().iter().any(|line| line.contains("SERVICE EVENT HANDLER: web1;HTTP;OK;SOFT;4")).then_some(())
    });
    std::thread::sleep(Duration::from_secs(2));
    let records = monitor.records();
    assert_eq!(records.len(), 1, "{records:?}");
    assert_eq!(web.jobs().len(), 1, "the gate was asked for more than one repair");
    assert_eq!((records[0].event.as_str(), records[0].outcome), ("CRITICAL;SOFT;3", Some(Outcome::Healed)));
    let order = |what: &str| seen.iter().position(|seen| seen == what).unwrap();
    assert!(order("SOFT 3") <= order("reserved") && order("verified") < order("OK"), "{seen:?}");
    until("the comment in Nagios", Duration::from_secs(10), || {
        nagios.comments().iter().any(|comment| comment.starts_with("REPAIRED web1/HTTP with httpd")).then_some(())
    });
    assert!(!nagios.log_lines().iter().any(|line| line.contains("SERVICE NOTIFICATION")), "somebody was paged");
    every_call_is_decided_the_same_way_from_the_log_alone(&nagios);
}

/// Nobody is helped by the same repair again and again: HARD comes while the cooldown holds.
#[test]
fn a_repair_that_does_not_help_is_not_repeated_and_people_are_told() {
    let place = Place::new();
    let web = WebSide::start(&place);
    let monitor = Monitor::new(&place, &web);
    let mut policy = monitor.default_policy(&web);
    policy["repairs"]["httpd"]["cooldown"] = serde_json::json!("10m");
    monitor.write_policy(&policy);
    web.write_repairs(&serde_json::json!({"repairs": {"httpd": {"run": ["/bin/true"], "timeout": "15s", "cooldown": "1s"}}}));
    let nagios = Nagios::start(&place, &monitor, &web);

    web.apache.kill();
    until("the call at HARD", Duration::from_secs(30), || {
        nagios.log_lines().iter().any(|line| line.contains("SERVICE EVENT HANDLER: web1;HTTP;CRITICAL;HARD;4")).then_some(())
    });
    until("the comment in Nagios", Duration::from_secs(10), || {
        nagios.comments().iter().any(|comment| comment.starts_with("NOT REPAIRED web1/HTTP")).then_some(())
    });
    until("the refusal on record", Duration::from_secs(10), || {
        monitor.refusals().iter().any(|refusal| refusal.why == "cooling-down").then_some(())
    });
    assert_eq!((monitor.records().len(), web.jobs().len()), (1, 1));
}

/// The decisions of a real run, replayed: `SERVICE EVENT HANDLER: web1;HTTP;CRITICAL;SOFT;3;handle_repair`.
fn every_call_is_decided_the_same_way_from_the_log_alone(nagios: &Nagios) {
    let rules = Rules::with_ladder(Vec::new());
    let policy = Policy { repairs: [("httpd".parse().unwrap(), rules)].into(), fleet: Fleet::default() };
    let lines = nagios.log_lines();
    let calls = lines.iter().filter_map(|line| line.split_once("SERVICE EVENT HANDLER: web1;HTTP;"));
    let decided: Vec<(String, bool)> = calls
        .map(|(_, call)| {
            let fields: Vec<&str> = call.split(';').collect();
            let event = Event {
                state: State::of_service(fields[0]).unwrap(),
                state_type: fields[1].parse().unwrap(),
                attempt: fields[2].parse().unwrap(),
                max_attempts: Some(4),
                host: "web1".into(),
                service: Some("HTTP".into()),
                host_state: Some(State::Up),
                last_state: None,
                downtime: 0,
                host_downtime: 0,
                problem_id: None,
                repair: Some("httpd".parse().unwrap()),
            };
            let decision = decide(&event, &policy, &History::default());
            (fields[..3].join(";"), matches!(decision, Decision::Repair(_)))
        })
        .collect();
    let decided: Vec<(&str, bool)> = decided.iter().map(|(call, repairs)| (call.as_str(), *repairs)).collect();
    assert_eq!(
        decided,
        [("CRITICAL;SOFT;1", false), ("CRITICAL;SOFT;2", false), ("CRITICAL;SOFT;3", true), ("OK;SOFT;4", false)]
    );
}
