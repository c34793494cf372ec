//! Checks the hosts and services of Icinga 2 that have opted in. Their settings come from the API,
//! so they include what templates and apply rules set, and what was changed at runtime.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use engine::configuration::Location;
use engine::{Engine, Icinga2, RepairSettings};
use policy::{ObjectState, RepairName, Rules};
use policy_file::{Config, Icinga2Api};

use super::finding::{Findings, LintCounts, LintFinding, error, note, warning};
use super::handler::ObjectKind;
use super::policies::verify_commands;
use crate::context::ENGINE_TIMEOUT;

/// Checks everything. `path` is the policy's path.
///
/// # Errors
/// Fails if the API cannot be used.
pub fn check(
    api: &Icinga2Api,
    config: &Config,
    path: &Path,
    findings: &mut Findings,
) -> Result<LintCounts, engine::Error> {
    let deadline = Instant::now() + ENGINE_TIMEOUT;
    let mut engine = Icinga2::new(api, config.check_repairs.as_ref());
    let objects = engine.settings(deadline)?;
    let mut counts = LintCounts::default();
    for object in &objects {
        let at = Location { file: Rc::from(object.file.as_path()), line: object.line };
        for finding in object_findings(object, config, path) {
            findings.add(&at, finding, &object.label());
        }
        let handled = object.event_command == kind(object).command();
        counts.commands += usize::from(handled);
        match kind(object) {
            ObjectKind::Host => counts.hosts += 1,
            ObjectKind::Service => counts.services += 1,
        }
    }
    verify_commands(path, config, findings);
    let whole = Location { file: Rc::from(path), line: 0 };
    if engine.summary(deadline)?.is_some_and(|summary| !summary.program.event_handlers) {
        let text = "enable_event_handlers of the IcingaApplication is false: Icinga 2 runs no \
                    event commands, so nothing is repaired";
        let fix = "enable event handlers in Icinga 2's web interface, or remove the setting from \
                   icinga2.conf";
        findings.add(&whole, error("handlers-disabled", text, fix), "");
    }
    Ok(counts)
}

fn kind(object: &RepairSettings) -> ObjectKind {
    if object.service.is_some() { ObjectKind::Service } else { ObjectKind::Host }
}

fn object_findings(object: &RepairSettings, config: &Config, path: &Path) -> Vec<LintFinding> {
    let mut found = handler(object);
    match rules(object, config, path) {
        Err(finding) => found.push(finding),
        Ok(rules) => {
            let all = [states(object, rules), attempts(object, rules), settles(object, rules)];
            found.extend(all.into_iter().flatten());
        }
    }
    found.extend([checks(object), volatile(object)].into_iter().flatten());
    found
}

/// Checks that Icinga 2 runs handle_repair for the object.
fn handler(object: &RepairSettings) -> Vec<LintFinding> {
    let (kind, mut found) = (kind(object), Vec::new());
    let (word, right) = (kind.word(), kind.command());
    let template = format!("import \"repairable-{word}\" from nagios-config/icinga2");
    let other = if kind == ObjectKind::Host { ObjectKind::Service } else { ObjectKind::Host };
    match object.event_command.as_str() {
        "" => {
            let text = format!("vars.repair names a repair, but the {word} has no event_command");
            let fix = format!("{template}, or set event_command = \"{right}\"");
            found.push(error("repair-without-handler", text, fix));
        }
        command if command == other.command() => {
            let text = format!(
                "the {word} uses the event command '{command}', which is for a {other}",
                other = other.word()
            );
            let fix = format!("set event_command = \"{right}\"");
            found.push(error("handler-of-other-kind", text, fix));
        }
        command if command != right => {
            let text = format!(
                "vars.repair names a repair, but the event_command '{command}' is not {right}"
            );
            let fix = format!(
                "{template}, or set event_command = \"{right}\"; ignore this if '{command}' \
                 runs handle_repair"
            );
            found.push(warning("repair-without-handler", text, fix));
        }
        _ => {}
    }
    if !object.event_handler {
        let text = "enable_event_handler is false: Icinga 2 never runs the event command";
        let fix = "set enable_event_handler = true; if it is true in the configuration, it was \
                   switched off at runtime, so enable it in Icinga 2's web interface";
        found.push(error("handler-disabled", text, fix));
    }
    found
}

/// Returns the rules of the object's repair.
fn rules<'a>(
    object: &RepairSettings,
    config: &'a Config,
    path: &Path,
) -> Result<&'a Rules, LintFinding> {
    let Some(name) = &object.repair else {
        let text = "vars.repair is not a string, so nothing is ever repaired";
        return Err(error("unknown-repair", text, "set vars.repair to the name of a repair"));
    };
    let repairs = &config.policy.repairs;
    let known = name.parse::<RepairName>().ok();
    known.and_then(|name| repairs.get(&name)).ok_or_else(|| {
        let names: Vec<&str> = repairs.keys().map(RepairName::as_str).collect();
        let (path, name) = (path.display(), name.escape_debug());
        let text = format!("the policy {path} has no repair '{name}'");
        let names = names.join(", ");
        let fix = format!("use one of the repairs in the policy ({names}), or add this one");
        error("unknown-repair", text, fix)
    })
}

/// Checks whether the repair covers at least one state that this kind of object can have.
fn states(object: &RepairSettings, rules: &Rules) -> Option<LintFinding> {
    let kind = kind(object);
    let is_of_host = |state| matches!(state, ObjectState::Down | ObjectState::Unreachable);
    if rules.on.iter().any(|state| is_of_host(*state) == (kind == ObjectKind::Host)) {
        return None;
    }
    let on: Vec<String> = rules.on.iter().map(ObjectState::to_string).collect();
    let (on, word) = (on.join(", "), kind.word());
    let wanted = if kind == ObjectKind::Host { "DOWN" } else { "CRITICAL" };
    let text = format!("the repair covers only {on}, but a {word} never has such a state");
    let fix = format!("add {wanted} to the repair's \"on\" list, or choose another repair");
    Some(error("trigger-unreachable", text, fix))
}

/// Checks that the repair starts before the problem is HARD and Icinga 2 sends notifications.
fn attempts(object: &RepairSettings, rules: &Rules) -> Option<LintFinding> {
    let (most, wanted) = (object.max_check_attempts, rules.soft_attempt);
    let fix = format!(
        "set max_check_attempts = {}, which allows {wanted} failures, then a repair, and then one \
         more check",
        wanted + 1
    );
    if most <= 1 && rules.in_a_row > 1 {
        let text = format!(
            "max_check_attempts is 1, but the policy requires {} bad results in a row: Icinga 2 \
             runs the event command only for the first bad result",
            rules.in_a_row
        );
        return Some(error("trigger-unreachable", text, fix));
    }
    if most <= 1 {
        let text = "max_check_attempts is 1: Icinga 2 sends a notification when the repair starts, \
                    before the repair can help";
        return Some(warning("page-before-repair", text, fix));
    }
    (most <= wanted).then(|| {
        let text = format!(
            "max_check_attempts is {most}, so a problem never reaches SOFT attempt {wanted}: the \
             repair starts at SOFT attempt {}",
            most - 1
        );
        note("trigger-earlier", text, fix)
    })
}

/// Checks that the next check does not come before the repair takes effect.
fn settles(object: &RepairSettings, rules: &Rules) -> Option<LintFinding> {
    let settle = rules.ladder.iter().map(|rung| rung.settle).max().unwrap_or_default();
    let retry = object.retry_interval;
    (Duration::try_from_secs_f64(retry).is_ok_and(|retry| retry < settle)).then(|| {
        let settle = settle.as_secs_f64();
        let text = format!(
            "Icinga 2 checks again after {retry} s, but a repair can need {settle} s until it \
             takes effect: a check before that fails and can lead to a notification"
        );
        let fix = "make retry_interval longer than the repair's settle time";
        warning("retry-shorter-than-settle", text, fix)
    })
}

/// Checks that Icinga 2 gets check results, and warns if all of them are passive.
fn checks(object: &RepairSettings) -> Option<LintFinding> {
    match (object.active_checks, object.passive_checks) {
        (true, _) => None,
        (false, false) => {
            let text = "enable_active_checks and enable_passive_checks are both false, so Icinga 2 \
                        never notices a fault";
            Some(error("trigger-unreachable", text, "enable active or passive checks"))
        }
        (false, true) => {
            let text = "all results are passive: Icinga 2 counts attempts and notices a recovery \
                        only if new results arrive";
            let fix = "set enable_active_checks = true, or make sure that results keep arriving \
                       during a fault";
            Some(warning("passive-only", text, fix))
        }
    }
}

fn volatile(object: &RepairSettings) -> Option<LintFinding> {
    object.is_volatile.then(|| {
        let text = "volatile is true: Icinga 2 runs the event command and sends a notification \
                    after every bad check, although a repair helps only once";
        warning("volatile", text, "set volatile = false, or remove vars.repair")
    })
}
