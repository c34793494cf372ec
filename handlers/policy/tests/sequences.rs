//! Decides about every sequence of handler calls in sequences.txt and compares the decisions with
//! those in the file. The sequences were recorded from Nagios 4.4.6 and Icinga 2.13.6, except for a
//! few that were written from descriptions.
//!
//! One check runs each minute. A repair takes no time and does not help, so the limits decide what
//! happens at later events.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::time::Duration;

use policy::{
    Act, Decision, Event, Fleet, ObjectState, PastOutcome, PastRepair, Policy, RecordedHistory,
    Rules, Rung, SAME_EVENT_WITHIN, decide,
};

const TABLE: &str = include_str!("sequences.txt");

/// Returns a policy with one repair, which has the default rules and this value of `in_a_row`.
fn policy(in_a_row: u32) -> Policy {
    let act = Act::Ssh { repair: "fix".parse().unwrap(), at: None };
    let rung = Rung {
        act,
        timeout: Duration::ZERO,
        settle: Duration::ZERO,
        verify: Vec::new(),
        good_results: 1,
    };
    let rules = Rules { in_a_row, ..Rules::with_ladder(vec![rung]) };
    Policy { repairs: [("fix".parse().unwrap(), rules)].into(), fleet: Fleet::default() }
}

/// What a ledger would know about one object. Times are in minutes.
#[derive(Default)]
struct Known {
    repairs: Vec<(u64, String)>,
    refused: Vec<u64>,
}

impl Known {
    fn history(&self, minute: u64, event: &str) -> RecordedHistory {
        let age = |at: u64| Duration::from_secs(60 * (minute - at));
        let past = |(at, _): &(u64, String)| PastRepair {
            job: format!("repaired-at-{at}"),
            began: age(*at),
            ended: age(*at),
            outcome: PastOutcome::Failed,
        };
        let recent = |wanted: &dyn Fn(&str) -> bool| {
            let mut recent = self.repairs.iter().filter(|(at, _)| age(*at) < SAME_EVENT_WITHIN);
            recent.find(|(_, known)| wanted(known)).map(|(at, _)| format!("repaired-at-{at}"))
        };
        let problem = problem(event);
        RecordedHistory {
            same_event: recent(&|known| known == event),
            same_problem: recent(&|known| problem.is_some() && self::problem(known) == problem),
            repairs: self.repairs.iter().rev().map(past).collect(),
            refused: self.refused.iter().rev().map(|at| age(*at).into()).collect(),
            ..RecordedHistory::default()
        }
    }
}

/// Returns the problem ID of a call.
fn problem(call: &str) -> Option<&str> {
    call.split(' ').find_map(|word| word.strip_prefix('p'))
}

/// Parses the words of a call, for example `host DOWN SOFT 1/3 host=DOWN downtime p1`.
fn event(words: &[&str]) -> Event {
    let of_host = words[0] == "host";
    let words = if of_host { &words[1..] } else { words };
    let [state, state_type, attempts, rest @ ..] = words else { panic!("{words:?}") };
    let (attempt, max) = attempts.split_once('/').unwrap();
    let has = |word: &str| u32::from(rest.contains(&word));
    let read_state = if of_host { ObjectState::of_host } else { ObjectState::of_service };
    let state = read_state(state).unwrap();
    let service = (!of_host).then_some("S");
    Event {
        max_attempts: max.parse().ok(),
        host_state: rest
            .iter()
            .find_map(|word| word.strip_prefix("host="))
            .map(|word| ObjectState::of_host(word).unwrap()),
        last_state: rest
            .iter()
            .find_map(|word| word.strip_prefix("last="))
            .map(|word| read_state(word).unwrap()),
        downtime: has("downtime"),
        host_downtime: has("host-downtime"),
        problem_id: rest.iter().find_map(|word| word.strip_prefix('p')).map(str::to_owned),
        repair: "fix".parse().ok(),
        ..Event::new("h1", service, state, state_type.parse().unwrap(), attempt.parse().unwrap())
    }
}

/// Returns the decision about each call in a scenario, in the same order.
fn decisions(scenario: &str) -> Vec<String> {
    let mut known: HashMap<bool, Known> = HashMap::new();
    let in_a_row = if scenario.lines().next().unwrap().ends_with(", in_a_row 2") { 2 } else { 1 };
    let calls = scenario.lines().filter(|line| !line.starts_with(['#', '>']));
    let mut minute = 0;
    let decide_line = |line: &str| {
        let (call, _) = line.split_once(" = ").unwrap();
        let words: Vec<&str> = call.split_whitespace().collect();
        minute += words
            .iter()
            .find_map(|word| word.strip_prefix("after="))
            .map_or(1, |minutes| minutes.parse().unwrap());
        let event = event(&words);
        let object = known.entry(event.service.is_some()).or_default();
        match decide(&event, &policy(in_a_row), &object.history(minute, call.trim()).into()) {
            Decision::Repair(_) => {
                object.repairs.push((minute, call.trim().to_owned()));
                "REPAIR".to_owned()
            }
            Decision::NoAction(why) => {
                if matches!(
                    why.code().as_str(),
                    "cooling-down"
                        | "breaker-open"
                        | "incident-budget"
                        | "window-budget"
                        | "same-problem"
                ) {
                    object.refused.push(minute);
                }
                why.code().as_str().to_owned()
            }
        }
    };
    calls.map(decide_line).collect()
}

#[test]
fn decides_every_sequence_as_written_in_the_table() {
    let scenarios: Vec<&str> =
        TABLE.split("\n\n").map(str::trim).filter(|text| text.starts_with('#')).collect();
    assert!(scenarios.len() > 50, "the table has only {} scenarios", scenarios.len());
    let mut wrong = String::new();
    for scenario in scenarios {
        assert!(scenario.contains("\n> "), "scenario without an explanation: {scenario}");
        let calls = scenario.lines().filter(|line| !line.starts_with(['#', '>']));
        for (line, decided) in calls.zip(decisions(scenario)) {
            let (call, expected) = line.split_once(" = ").unwrap();
            if expected.trim() != decided {
                wrong += &format!("{}\n{call} = {decided}\n", scenario.lines().next().unwrap());
            }
        }
    }
    assert!(wrong.is_empty(), "decisions that differ from the table:\n{wrong}");
}

#[test]
fn table_repairs_only_faults_on_hosts_that_are_up() {
    for line in TABLE.lines().filter(|line| line.ends_with("= REPAIR")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(["CRITICAL", "host"].contains(&words[0]), "{line}");
        assert!(!line.contains("host=") && !line.contains("downtime"), "{line}");
    }
}
