//! Compares the settings of an object with the rules of its repair in the policy. Finds settings
//! that prevent or delay the repair.

use std::time::Duration;

use engine::configuration::{
    Directive, DirectiveValue, Location, MainFile, ResolvedObject, number,
};
use handle_repair::cli::{Invocation, Mode};
use policy::{ObjectState, Rules};

use super::finding::{LintFinding, error, warning};
use super::handler::{ObjectKind, RefusedArguments};

/// How Nagios would call handle_repair for objects with the same event handler.
pub struct AttachedHandler<'a> {
    /// The command's `command_line` directive.
    pub line: &'a DirectiveValue,
    /// The arguments of handle_repair, with unexpanded macros.
    pub arguments: Vec<String>,
    /// The result of parsing these arguments with handle_repair's own parser, after replacing the
    /// macros with sample values.
    pub call: Result<Invocation, RefusedArguments>,
    /// The findings about the arguments. They apply to every object with this event handler.
    pub findings: Vec<LintFinding>,
}

/// The definition of a host or service.
pub struct LintedObject<'a> {
    pub kind: ObjectKind,
    pub object: &'a ResolvedObject,
    /// `host` or `host/service` for each object that the definition creates.
    pub labels: Vec<String>,
}

/// Compares an object with the rules of its repair. `at` is the line that names the repair.
pub fn check(
    subject: &LintedObject<'_>,
    at: &Location,
    rules: &Rules,
    attached: &AttachedHandler<'_>,
    main: &MainFile,
) -> Vec<(Location, LintFinding)> {
    let line = &attached.line.at;
    let found = [
        states(subject, rules).map(|finding| (at.clone(), finding)),
        checks(subject, main),
        volatile(subject),
        attempts(subject, rules),
        settles(subject, at, rules, main),
        last_soft(subject, rules, attached).map(|finding| (line.clone(), finding)),
        in_a_row(subject, rules, attached).map(|finding| (line.clone(), finding)),
        foreground(rules, attached, main),
    ];
    found.into_iter().flatten().collect()
}

/// Checks `event_handler_timeout` for calls with `--foreground`, because Nagios then waits for the
/// whole ladder.
fn foreground(
    rules: &Rules,
    attached: &AttachedHandler<'_>,
    main: &MainFile,
) -> Option<(Location, LintFinding)> {
    attached.call.as_ref().ok().filter(|call| call.options.mode == Mode::Foreground)?;
    let named = main.get("event_handler_timeout").map(|value| value.at.clone());
    let at = named.or_else(|| main.whole())?;
    let (limit, needs) = (main.number("event_handler_timeout", 30.0), longest(rules).as_secs());
    (limit < needs as f64).then(|| {
        let text = format!(
            "event_handler_timeout is {limit} s, but with --foreground a ladder can take {needs} \
             s: Nagios then kills handle_repair during a repair"
        );
        let fix = format!(
            "remove --foreground from the command line, or set event_handler_timeout={needs}"
        );
        (at, error("timeout-shorter-than-ladder", text, fix))
    })
}

/// Returns the maximum duration of a ladder, not counting the check after the last rung.
fn longest(rules: &Rules) -> Duration {
    rules.ladder.iter().map(|rung| rung.timeout + rung.settle).sum()
}

/// Checks whether the repair covers at least one state that this kind of object can have.
fn states(subject: &LintedObject<'_>, rules: &Rules) -> Option<LintFinding> {
    let of_kind = |state: &&ObjectState| {
        matches!(state, ObjectState::Down | ObjectState::Unreachable)
            == (subject.kind == ObjectKind::Host)
    };
    if rules.on.iter().any(|state| of_kind(&state)) {
        return None;
    }
    let on: Vec<String> = rules.on.iter().map(ObjectState::to_string).collect();
    let word = subject.kind.word();
    let wanted = if subject.kind == ObjectKind::Host { "DOWN" } else { "CRITICAL" };
    let text = format!(
        "the repair covers only {states}, but a {word} never has such a state",
        states = on.join(", ")
    );
    let fix = format!("add {wanted} to the repair's \"on\" list, or choose another repair");
    Some(error("trigger-unreachable", text, fix))
}

/// Checks that Nagios gets check results for the object, and warns if all of them are passive.
fn checks(subject: &LintedObject<'_>, main: &MainFile) -> Option<(Location, LintFinding)> {
    let object = subject.object;
    let word = subject.kind.word();
    let (active, passive) =
        (format!("execute_{word}_checks"), format!("accept_passive_{word}_checks"));
    let no_command =
        subject.kind == ObjectKind::Host && object.get(Directive::CheckCommand).is_none();
    let never = object
        .get(Directive::CheckInterval)
        .filter(|value| subject.kind == ObjectKind::Service && number(&value.text) == Some(0.0));
    let off = |directive, name: &str| object.off(directive).or_else(|| main.off(name).cloned());
    let inactive = off(Directive::ActiveChecksEnabled, &active).or(never).map(|value| value.at);
    let inactive = inactive.or_else(|| no_command.then(|| object.at().clone()))?;
    if let Some(impassive) = off(Directive::PassiveChecksEnabled, &passive) {
        let text = "active and passive checks are both disabled, so Nagios never notices a fault";
        return Some((
            impassive.at,
            error("trigger-unreachable", text, "enable active or passive checks"),
        ));
    }
    let text = if no_command {
        "the host has no check_command: only passive results can set it DOWN, and Nagios does not \
         check it after a repair"
    } else {
        "all results are passive: Nagios counts attempts and notices a recovery only if new \
         results arrive"
    };
    let fix = "add an active check, or make sure that results keep arriving during a fault";
    Some((inactive, warning("passive-only", text, fix)))
}

fn volatile(subject: &LintedObject<'_>) -> Option<(Location, LintFinding)> {
    let value = subject.object.get(Directive::IsVolatile).filter(|value| value.is_on())?;
    let text = "is_volatile is 1: while a problem is HARD, Nagios calls the event handler and \
                sends a notification after every check, although one repair is enough";
    Some((value.at, warning("volatile", text, "set is_volatile to 0, or remove _REPAIR")))
}

/// Checks objects with `max_check_attempts 1`. Their first bad result is already HARD, so Nagios
/// sends the notification before the repair can help. Nagios also calls the handler only for this
/// first bad result, so the policy must not require several in a row.
fn attempts(subject: &LintedObject<'_>, rules: &Rules) -> Option<(Location, LintFinding)> {
    let value = subject.object.get(Directive::MaxCheckAttempts);
    let value = value.filter(|value| number(&value.text) == Some(1.0))?;
    let fix = "set max_check_attempts to 4, which allows three failures, then a repair, and then \
               one more check";
    let finding = match rules.in_a_row {
        0 | 1 => {
            let text = "max_check_attempts is 1: Nagios sends a notification when the repair \
                        starts, before the repair can help";
            warning("page-before-repair", text, fix)
        }
        wanted => {
            let text = format!(
                "max_check_attempts is 1, but the policy requires {wanted} bad results in a row: \
                 Nagios calls the event handler only for the first bad result"
            );
            error("trigger-unreachable", text, fix)
        }
    };
    Some((value.at, finding))
}

fn settles(
    subject: &LintedObject<'_>,
    at: &Location,
    rules: &Rules,
    main: &MainFile,
) -> Option<(Location, LintFinding)> {
    let value = subject.object.get(Directive::RetryInterval);
    let units = value.as_ref().and_then(|value| number(&value.text)).unwrap_or(1.0);
    let retry = units * main.number("interval_length", 60.0);
    let settle =
        rules.ladder.iter().map(|rung| rung.settle).max().unwrap_or_default().as_secs_f64();
    (retry < settle).then(|| {
        let text = format!(
            "Nagios checks again after {retry} s, but a repair can need {settle} s until it takes \
             effect: a check that runs earlier fails and can lead to a notification"
        );
        let fix = "make retry_interval longer than the repair's settle time";
        let at = value.map_or_else(|| at.clone(), |value| value.at);
        (at, warning("retry-shorter-than-settle", text, fix))
    })
}

/// Checks that `--max-attempts` is passed if the object has fewer SOFT attempts than the policy's
/// `soft_attempt`. Without this option, handle_repair does not recognize the last SOFT attempt.
fn last_soft(
    subject: &LintedObject<'_>,
    rules: &Rules,
    attached: &AttachedHandler<'_>,
) -> Option<LintFinding> {
    attached.call.as_ref().ok().filter(|call| call.event.max_attempts.is_none())?;
    let max = number(&subject.object.text(Directive::MaxCheckAttempts)?)?;
    let name = format!("MAX{}ATTEMPTS", subject.kind.word().to_uppercase());
    (max > 1.0 && max <= f64::from(rules.soft_attempt)).then(|| {
        let text = format!(
            "${name}$ is not passed, and a fault never reaches SOFT attempt {attempt}: the repair \
             starts only when the fault is HARD, together with the notification",
            attempt = rules.soft_attempt
        );
        let fix = format!("add --max-attempts '${name}$' to the command line");
        warning("max-attempts-not-passed", text, fix)
    })
}

/// Checks that `--last-state` is passed if the policy requires several bad results in a row.
fn in_a_row(
    subject: &LintedObject<'_>,
    rules: &Rules,
    attached: &AttachedHandler<'_>,
) -> Option<LintFinding> {
    let call = attached.call.as_ref().ok()?;
    let name = format!("LAST{}STATE", subject.kind.word().to_uppercase());
    (rules.in_a_row > 1 && call.event.last_state.is_none()).then(|| {
        let text = format!(
            "${name}$ is not passed, but the policy requires {wanted} bad results in a row: no \
             repair ever runs",
            wanted = rules.in_a_row
        );
        error(
            "last-state-not-passed",
            text,
            format!("add --last-state '${name}$' to the command line"),
        )
    })
}
