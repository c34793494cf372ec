//! The values behind a decision, one line for each rule, for `--explain` and `repairctl explain`.

use std::time::Duration;

use policy::{Act, Event, Fleet, History, Limits, ObjectState, Reason, Rounded, Rule, Rules, Rung};

use crate::cli::Invocation;
use crate::event_age::{answered_by, is_too_old};
use policy_file::{Config, HostRoute};

/// Returns one row each for the event, the policy, the trigger and the age of the event, then one
/// for each rule and one for each of the repair's rungs. A row consists of a name and a sentence.
/// The age of the event in `history` is the time since the check that found the fault.
pub fn rows(
    invocation: &Invocation,
    config: &Config,
    history: Option<(&History, Duration)>,
) -> Vec<(String, String)> {
    let event = &invocation.event;
    let rules = event.repair.as_ref().and_then(|name| config.policy.repairs.get(name));
    let row = |name: &str, text: String| (name.to_owned(), text);
    let mut rows =
        vec![row("event", event_line(event)), row("policy", policy_line(invocation, config))];
    let Some(rules) = rules else { return rows };
    rows.push(row("trigger", trigger(event, rules)));
    match history {
        None => rows.push(row("history", "not read, because the event alone decides".to_owned())),
        Some((known, age)) => {
            rows.push(row("age", age_line(age, config, known)));
            let line = |rule: Rule| match (rule, answered_by(age, known)) {
                (Rule::SameEvent, Some(job)) => format!("no: {}", Reason::SameEvent { job }),
                _ => rule_line(rule, &rules.limits, &config.policy.fleet, known),
            };
            rows.extend(Rule::ALL.iter().map(|rule| row(rule.as_str(), line(*rule))));
        }
    }
    let rungs = rules.ladder.iter().enumerate();
    rows.extend(
        rungs.map(|(n, rung)| (format!("rung {}", n + 1), rung_line(invocation, config, rung))),
    );
    rows
}

/// Length of the longest row name, in characters.
pub const COLUMN: usize = 15;

/// Formats [`rows`] as aligned lines.
pub(crate) fn lines(
    invocation: &Invocation,
    config: &Config,
    history: Option<(&History, Duration)>,
) -> Vec<String> {
    rows(invocation, config, history)
        .into_iter()
        .map(|(name, text)| format!("  {name:<COLUMN$} {text}"))
        .collect()
}

fn event_line(event: &Event) -> String {
    let max = event.max_attempts.map(|max| format!(" of {max}")).unwrap_or_default();
    let host = match (event.host_state, &event.service) {
        (Some(state), Some(_)) => format!(", host {state}"),
        _ => String::new(),
    };
    let downtime = match (event.downtime, event.host_downtime) {
        (0, 0) => ", no downtime".to_owned(),
        (service, host) => {
            format!(", active downtimes: {service} of the service, {host} of the host")
        }
    };
    format!("{} is {}{max}{host}{downtime}", event.object(), event.change())
}

fn policy_line(invocation: &Invocation, config: &Config) -> String {
    let file = invocation.options.policy.display();
    match &invocation.event.repair {
        Some(name) if config.policy.repairs.contains_key(name) => {
            format!("{file} has the repair '{name}'")
        }
        Some(name) => format!("{file} has no repair '{name}'; its repairs are: {}", names(config)),
        None => format!("{file} is not consulted: the object names no repair"),
    }
}

fn names(config: &Config) -> String {
    let names: Vec<&str> = config.policy.repairs.keys().map(policy::RepairName::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn trigger(event: &Event, rules: &Rules) -> String {
    let on: Vec<String> = rules.on.iter().map(ObjectState::to_string).collect();
    let soft = match event.max_attempts {
        Some(0 | 1) => " only".to_owned(),
        Some(max) if max <= rules.soft_attempt => {
            format!(
                " from SOFT attempt {} on (the last SOFT attempt; the policy says {}), and",
                max - 1,
                rules.soft_attempt
            )
        }
        _ => format!(" from SOFT attempt {} on, and", rules.soft_attempt),
    };
    let row = match (rules.in_a_row, event.last_state) {
        (0 | 1, _) => String::new(),
        (n, Some(last)) => {
            format!("; requires {n} such results in a row, and the previous result was {last}")
        }
        (n, None) => {
            format!("; requires {n} such results in a row, and the previous result is unknown")
        }
    };
    format!("repairs {}{soft} in a HARD state{row}", on.join(" or "))
}

/// Describes the age of the event, and whether it is too old.
fn age_line(age: Duration, config: &Config, known: &History) -> String {
    let longest = Rounded(config.max_event_age);
    let found = format!("a check found the fault {} ago; max_event_age is {longest}", Rounded(age));
    match (is_too_old(age, config, known), age > config.max_event_age) {
        (true, _) => format!("no: {found}, and the engine shows no newer result"),
        (false, true) => format!("ok: {found}, but the engine shows a newer result"),
        (false, false) => format!("ok: {found}"),
    }
}

/// Describes the result of a rule: why it refuses the repair, or which values allow it.
fn rule_line(rule: Rule, limits: &Limits, fleet: &Fleet, history: &History) -> String {
    match rule.check(limits, fleet, history) {
        Err(why) => format!("no: {why}"),
        Ok(()) => format!("ok: {}", value(rule, limits, fleet, history)),
    }
}

/// Describes the values that satisfied a rule.
fn value(rule: Rule, limits: &Limits, fleet: &Fleet, history: &History) -> String {
    let recorded = &history.recorded;
    let seen = |text: &str| match history.observed {
        Some(_) => text.to_owned(),
        None => "unknown: the policy has neither status_file nor icinga2".to_owned(),
    };
    match rule {
        Rule::Recovery => seen("no check has shown a recovery since the event"),
        Rule::Downtime => seen("no downtime is in effect"),
        Rule::Acknowledgement => seen("not acknowledged"),
        Rule::Flapping => seen("not flapping"),
        Rule::Pause => "no pause applies".to_owned(),
        Rule::SameEvent => "no job has handled this event".to_owned(),
        Rule::Clock => "the ledger holds no time in the future".to_owned(),
        Rule::Running => "no repair is running on the host".to_owned(),
        Rule::Cooldown => match recorded.repairs.first() {
            Some(last) => format!(
                "job {} ended {} ago; the cooldown is {}",
                last.job,
                Rounded(last.ended),
                Rounded(limits.cooldown)
            ),
            None => "no recent repair".to_owned(),
        },
        Rule::Breaker => format!(
            "{} repairs in this incident did not help; the breaker opens at {}{}",
            recorded.ineffective(limits),
            limits.breaker,
            recorded
                .reset
                .map(|reset| format!("; an admin reset the count {} ago", Rounded(reset)))
                .unwrap_or_default()
        ),
        Rule::Incident => {
            format!(
                "{} of the {} repairs allowed in one incident have been used",
                recorded.spent(limits),
                limits.per_incident
            )
        }
        Rule::Window => format!(
            "{} of the {} repairs allowed in {} have been used",
            recorded.in_window(limits).count(),
            limits.window.count,
            Rounded(limits.window.per)
        ),
        Rule::SameProblem => "no job has repaired this problem before".to_owned(),
        Rule::FleetRunning => format!(
            "{} of the {} repairs allowed at the same time are running",
            recorded.fleet.running, fleet.running
        ),
        Rule::FleetStarted => format!(
            "{} of the {} repairs allowed in {} have started",
            recorded.fleet.started,
            fleet.started.count,
            Rounded(fleet.started.per)
        ),
        Rule::FleetShare => match history.observed.map(|observed| observed.share) {
            Some((troubled, of)) => {
                format!("{troubled} of {of} objects are in trouble; the limit is {} %", fleet.share)
            }
            None => seen(""),
        },
    }
}

fn rung_line(invocation: &Invocation, config: &Config, rung: &Rung) -> String {
    let act = match &rung.act {
        Act::Ssh { repair, at } => {
            let HostRoute { user, address, port, via, .. } =
                invocation.route(config, at.as_deref());
            let via = via.map(|via| format!(" through {}", via.host)).unwrap_or_default();
            format!("requests '{repair}' from the gate at {user}@{address} port {port}{via}")
        }
        Act::Local(argv) => format!("runs {}", invocation.filled_text(argv)),
    };
    let limit = Rounded(rung.timeout);
    format!(
        "{act} (at most {limit}), waits {}, verifies with {}",
        Rounded(rung.settle),
        invocation.filled_text(&rung.verify)
    )
}
