//! The reasons behind a decision, one line each, for `--explain` and `repairctl explain`.

use policy::{
    Act, Event, Fleet, History, ObjectState, PastRepair, RecordedHistory, Rounded, Rules, Rung,
};

use crate::cli::Invocation;
use policy_file::{Config, HostRoute};

/// What was asked, what the rules say, what is known, and what a repair would do: a name and a
/// sentence each.
pub fn rows(
    invocation: &Invocation,
    config: &Config,
    history: Option<&History>,
) -> Vec<(String, String)> {
    let event = &invocation.event;
    let rules = event.repair.as_ref().and_then(|name| config.policy.repairs.get(name));
    let row = |name: &str, text: String| (name.to_owned(), text);
    let mut rows =
        vec![row("event", event_line(event)), row("policy", policy_line(invocation, config))];
    let Some(rules) = rules else { return rows };
    rows.push(row("trigger", trigger(event, rules)));
    match history {
        None => rows.push(row("history", "not asked: the event alone decides".to_owned())),
        Some(known) => {
            rows.push(row("history", past(event, known)));
            rows.push(row("limits", limits(rules, &known.recorded)));
            rows.push(row("fleet", fleet(&config.policy.fleet, known)));
        }
    }
    let rungs = rules.ladder.iter().enumerate();
    rows.extend(
        rungs.map(|(n, rung)| (format!("rung {}", n + 1), rung_line(invocation, config, rung))),
    );
    rows
}

/// The same as lines.
pub(crate) fn lines(
    invocation: &Invocation,
    config: &Config,
    history: Option<&History>,
) -> Vec<String> {
    rows(invocation, config, history)
        .into_iter()
        .map(|(name, text)| format!("  {name:<8} {text}"))
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
        (service, host) => format!(", in downtime (service {service}, host {host})"),
    };
    format!("{} is {}{max}{host}{downtime}", event.object(), event.change())
}

fn policy_line(invocation: &Invocation, config: &Config) -> String {
    let file = invocation.options.policy.display();
    match &invocation.event.repair {
        Some(name) if config.policy.repairs.contains_key(name) => {
            format!("{file} has the repair '{name}'")
        }
        Some(name) => format!("{file} has no repair '{name}'; it has: {}", names(config)),
        None => format!("{file} is not asked: no repair is named"),
    }
}

fn names(config: &Config) -> String {
    let names: Vec<&str> = config.policy.repairs.keys().map(policy::RepairName::as_str).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn trigger(event: &Event, rules: &Rules) -> String {
    let on: Vec<String> = rules.on.iter().map(ObjectState::to_string).collect();
    let soft = match event.max_attempts {
        Some(0 | 1) => String::new(),
        Some(max) if max <= rules.soft_attempt => {
            format!(
                " from SOFT {} on (the last before HARD, for it would be SOFT {}),",
                max - 1,
                rules.soft_attempt
            )
        }
        _ => format!(" from SOFT {} on,", rules.soft_attempt),
    };
    let row = match (rules.in_a_row, event.last_state) {
        (0 | 1, _) => String::new(),
        (n, Some(last)) => format!("; {n} such results in a row, and the one before was {last}"),
        (n, None) => format!("; {n} such results in a row, and the one before is not known"),
    };
    format!("repairs {}{soft} and when HARD{row}", on.join(" or "))
}

fn past(event: &Event, known: &History) -> String {
    let recorded = &known.recorded;
    let running = match &recorded.running {
        Some((job, since)) => {
            format!("job {job} has been running on {} for {}", event.host, Rounded(*since))
        }
        None => format!("no repair runs on {}", event.host),
    };
    // One that still runs is among the repairs, as one that may end any moment.
    let is_over =
        |past: &&PastRepair| recorded.running.as_ref().is_none_or(|(job, _)| *job != past.job);
    let last = match recorded.repairs.iter().find(is_over) {
        Some(past) => format!("job {} ended {} ago", past.job, Rounded(past.ended)),
        None => "never repaired before".to_owned(),
    };
    let now = match known.observed.map(|observed| observed.object) {
        Some(now) => {
            let state = now.state.map_or("nothing newer".to_owned(), |state| state.to_string());
            let acknowledged = if now.acknowledged { ", acknowledged" } else { "" };
            let flapping = if now.flapping { ", flapping" } else { "" };
            format!("; Nagios' status file says {state}{acknowledged}{flapping}")
        }
        None => String::new(),
    };
    format!("{running}; {last}{now}")
}

fn limits(rules: &Rules, known: &RecordedHistory) -> String {
    let limits = &rules.limits;
    format!(
        "cooldown {}; {} of {} repairs of this incident, {} of {} without effect; at most {} in {}",
        Rounded(limits.cooldown),
        known.incident(limits).len(),
        limits.per_incident,
        known.ineffective(limits),
        limits.breaker,
        limits.window.count,
        Rounded(limits.window.per),
    )
}

fn fleet(fleet: &Fleet, known: &History) -> String {
    let now = &known.recorded.fleet;
    let share = match known.observed.map(|observed| observed.share) {
        Some((troubled, of)) => {
            format!("{troubled} of {of} objects in trouble, at most {} %", fleet.share)
        }
        None => "the share in trouble is not known without status_file".to_owned(),
    };
    let (running, started) = (fleet.running, fleet.started);
    format!(
        "{} of {running} running; {} of {} started in {}; {share}",
        now.running,
        now.started,
        started.count,
        Rounded(started.per)
    )
}

fn rung_line(invocation: &Invocation, config: &Config, rung: &Rung) -> String {
    let act = match &rung.act {
        Act::Ssh { repair, at } => {
            let HostRoute { user, address, port, via, .. } =
                invocation.route(config, at.as_deref());
            let via = via.map(|via| format!(" through {}", via.host)).unwrap_or_default();
            format!("asks the gate of {user}@{address} port {port}{via} for '{repair}'")
        }
        Act::Local(argv) => format!("runs {}", invocation.filled_text(argv)),
    };
    let limit = Rounded(rung.timeout);
    format!(
        "{act}, at most {limit}; waits {}; is verified by {}",
        Rounded(rung.settle),
        invocation.filled_text(&rung.verify)
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use policy::{PastOutcome, StateType};

    use super::*;

    #[test]
    fn a_repair_that_runs_has_not_ended() {
        let event = Event::new("web1", Some("HTTP"), ObjectState::Critical, StateType::Hard, 4);
        let repair = |job: &str, ended| PastRepair {
            job: job.into(),
            began: Duration::from_secs(90),
            ended: Duration::from_secs(ended),
            outcome: PastOutcome::Failed,
        };
        let mut known = RecordedHistory {
            repairs: vec![repair("job-2", 0), repair("job-1", 60)],
            ..RecordedHistory::default()
        };
        known.running = Some(("job-2".into(), Duration::from_secs(23)));
        assert_eq!(
            past(&event, &known.clone().into()),
            "job job-2 has been running on web1 for 23 s; job job-1 ended 60 s ago"
        );
        known.repairs.pop();
        assert_eq!(
            past(&event, &known.clone().into()),
            "job job-2 has been running on web1 for 23 s; never repaired before"
        );
    }
}
