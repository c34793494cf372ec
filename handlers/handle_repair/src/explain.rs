//! The reasons behind a decision, one line each, for `--explain`.

use std::time::Duration;

use policy::{Act, Event, History, Rules, Rung, State};

use crate::cli::Call;
use crate::config::{Config, Ssh};

/// `CRITICAL;SOFT;3`, as Nagios' log writes it.
pub fn event_text(event: &Event) -> String {
    format!("{};{};{}", event.state, event.state_type, event.attempt)
}

/// What was asked, what the rules say, what is known, and what a repair would do.
pub fn lines(call: &Call, config: &Config, history: Option<&History>) -> Vec<String> {
    let event = &call.event;
    let rules = event.repair.as_ref().and_then(|name| config.policy.repairs.get(name));
    let mut lines = vec![row("event", event_line(event)), row("policy", policy_line(call, config))];
    let Some(rules) = rules else { return lines };
    lines.push(row("trigger", trigger(event, rules)));
    lines.push(row(
        "history",
        history.map_or_else(|| "not asked: the event alone decides".to_owned(), |known| past(event, rules, known)),
    ));
    for (n, rung) in rules.ladder.iter().enumerate() {
        lines.push(row(&format!("rung {}", n + 1), rung_line(call, &config.ssh, rung)));
    }
    lines
}

fn row(name: &str, text: String) -> String {
    format!("  {name:<8} {text}")
}

fn event_line(event: &Event) -> String {
    let max = event.max_attempts.map(|max| format!(" of {max}")).unwrap_or_default();
    let host = match (event.host_state, &event.service) {
        (Some(state), Some(_)) => format!(", host {state}"),
        _ => String::new(),
    };
    let downtime = match (event.downtime, event.host_downtime) {
        (0, 0) => ", no downtime".to_owned(),
        (service, host) => format!(", in downtime (service {service}, host {host})"),
    };
    format!("{} is {}{max}{host}{downtime}", event.object(), event_text(event))
}

fn policy_line(call: &Call, config: &Config) -> String {
    let file = call.policy.display();
    match &call.event.repair {
        Some(name) if config.policy.repairs.contains_key(name) => format!("{file} has the repair '{name}'"),
        Some(name) => format!("{file} has no repair '{name}'; it has: {}", names(config)),
        None => format!("{file} is not asked: no repair is named"),
    }
}

fn names(config: &Config) -> String {
    let names: Vec<&str> = config.policy.repairs.keys().map(policy::RepairName::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn trigger(event: &Event, rules: &Rules) -> String {
    let on: Vec<String> = rules.on.iter().map(State::to_string).collect();
    let soft = match event.max_attempts {
        Some(0 | 1) => String::new(),
        Some(max) if max <= rules.soft_attempt => {
            format!(" from SOFT {} on (the last before HARD, for it would be SOFT {}),", max - 1, rules.soft_attempt)
        }
        _ => format!(" from SOFT {} on,", rules.soft_attempt),
    };
    format!("repairs {}{soft} and when HARD", on.join(" or "))
}

fn past(event: &Event, rules: &Rules, known: &History) -> String {
    let running = match &known.running {
        Some((job, since)) => format!("job {job} has been running on {} for {}", event.host, seconds(*since)),
        None => format!("no repair runs on {}", event.host),
    };
    let last = match &known.last {
        Some((job, ago)) => format!("job {job} ended {} ago", seconds(*ago)),
        None => "never repaired before".to_owned(),
    };
    format!("{running}; {last}; the cooldown is {}", seconds(rules.cooldown))
}

fn rung_line(call: &Call, ssh: &Ssh, rung: &Rung) -> String {
    let act = match &rung.act {
        Act::Ssh(name) => format!("asks the gate of {}@{} port {} for '{name}'", ssh.user, call.address, ssh.port),
        Act::Local(argv) => format!("runs {}", call.fill(argv).join(" ")),
    };
    let limit = seconds(rung.timeout);
    format!("{act}, at most {limit}; waits {}; is verified by {}", seconds(rung.settle), call.fill(&rung.verify).join(" "))
}

fn seconds(span: Duration) -> String {
    let text = format!("{:.1}", span.as_secs_f64());
    format!("{} s", text.trim_end_matches(".0"))
}
