//! Whether the settings of an object let a fault of it lead to the repair of these rules.

use std::time::Duration;

use engine::configuration::{
    CommandDefinition, DirectiveValue, Location, MainFile, ResolvedObject, number,
};
use handle_repair::cli::{Invocation, Mode};
use policy::{ObjectState, Rules};

use super::finding::{LintFinding, error, warning};
use super::handler::{ObjectKind, RefusedArguments};

/// The call of handle_repair for an object.
pub struct AttachedHandler<'a> {
    /// The directive that names it.
    pub named: &'a DirectiveValue,
    /// The command.
    pub command: &'a CommandDefinition,
    /// The arguments of handle_repair, macros as they are.
    pub arguments: Vec<String>,
    /// The call with sample values.
    pub call: Result<Invocation, RefusedArguments>,
}

/// An object and its names, for findings.
pub struct LintedObject<'a> {
    /// Host or service.
    pub kind: ObjectKind,
    /// Its definition.
    pub object: &'a ResolvedObject,
    /// `host` or `host/service` of each object that the definition makes.
    pub labels: Vec<String>,
}

/// Compares an object with the rules of its repair, which is named `at` this place.
pub fn check(
    subject: &LintedObject<'_>,
    at: &Location,
    rules: &Rules,
    attached: &AttachedHandler<'_>,
    main: &MainFile,
) -> Vec<(Location, LintFinding)> {
    let line = &attached.command.line.at;
    let found = [
        states(subject, rules).map(|finding| (at, finding)),
        checks(subject, main),
        volatile(subject),
        attempts(subject, rules),
        settles(subject, at, rules, main),
        last_soft(subject, rules, attached).map(|finding| (line, finding)),
        in_a_row(subject, rules, attached).map(|finding| (line, finding)),
    ];
    let found = found.into_iter().flatten().map(|(at, finding)| (at.clone(), finding));
    found.chain(foreground(rules, attached, main)).collect()
}

/// With `--foreground` Nagios waits for the whole ladder.
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
            "event_handler_timeout is {limit} s, and with --foreground a ladder may take {needs} \
             s: Nagios kills it half-way"
        );
        let fix = format!(
            "remove --foreground from the command line, or set event_handler_timeout={needs}"
        );
        (at, error("timeout-shorter-than-ladder", text, fix))
    })
}

/// The longest a ladder takes before its last check.
fn longest(rules: &Rules) -> Duration {
    rules.ladder.iter().map(|rung| rung.timeout + rung.settle).sum()
}

/// Whether the repair is for states of the other kind only.
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
    Some(error(
        "trigger-unreachable",
        format!("its repair is for {} alone, which no {word} ever is", on.join(", ")),
        format!("add {wanted} to its \"on\" in the policy, or name another repair"),
    ))
}

/// Whether it is checked, and how.
fn checks<'a>(
    subject: &'a LintedObject<'_>,
    main: &'a MainFile,
) -> Option<(&'a Location, LintFinding)> {
    let object = subject.object;
    let (active, passive) = match subject.kind {
        ObjectKind::Host => ("execute_host_checks", "accept_passive_host_checks"),
        ObjectKind::Service => ("execute_service_checks", "accept_passive_service_checks"),
    };
    let main_off = |name: &str| main.get(name).filter(|value| !value.is_on());
    let no_command = subject.kind == ObjectKind::Host && object.get("check_command").is_none();
    let never = object
        .get("check_interval")
        .filter(|value| subject.kind == ObjectKind::Service && number(&value.text) == Some(0.0));
    let inactive = object
        .off("active_checks_enabled")
        .or_else(|| main_off(active))
        .or(never)
        .map(|value| &value.at);
    let inactive = inactive.or(no_command.then_some(&object.at))?;
    if let Some(impassive) = object.off("passive_checks_enabled").or_else(|| main_off(passive)) {
        let text = "is checked neither actively nor passively: it never is in trouble";
        return Some((&impassive.at, error("trigger-unreachable", text, "switch one of them on")));
    }
    let text = if no_command {
        "has no check_command: only passive results ever make it DOWN, and no check follows a \
         repair"
    } else {
        "has passive results only: its attempts go on only when a result comes in, and a recovery \
         is not seen before that"
    };
    let fix =
        "give it an active check, or see to it that results keep coming while it is in trouble";
    Some((inactive, warning("passive-only", text, fix)))
}

fn volatile<'a>(subject: &'a LintedObject<'_>) -> Option<(&'a Location, LintFinding)> {
    let value = subject.object.get("is_volatile").filter(|value| value.is_on())?;
    let text = "is volatile: every check of it in HARD calls again and pages again, while a repair \
                only helps once";
    Some((&value.at, warning("volatile", text, "set is_volatile to 0, or take _REPAIR away")))
}

/// With one attempt it is HARD at once: the page and the repair start at the same moment, and the
/// result before was a good one.
fn attempts<'a>(
    subject: &'a LintedObject<'_>,
    rules: &Rules,
) -> Option<(&'a Location, LintFinding)> {
    let value = subject
        .object
        .get("max_check_attempts")
        .filter(|value| number(&value.text) == Some(1.0))?;
    let fix = "set max_check_attempts to 4: three failures, a repair, and one more check";
    let finding = match rules.in_a_row {
        0 | 1 => {
            let text = "max_check_attempts is 1: people are paged at the very moment at which the \
                        repair begins";
            warning("page-before-repair", text, fix)
        }
        wanted => {
            let text = format!(
                "max_check_attempts is 1, and the policy wants {wanted} results in a row: Nagios \
                 never calls for the second"
            );
            error("trigger-unreachable", text, fix)
        }
    };
    Some((&value.at, finding))
}

fn settles<'a>(
    subject: &'a LintedObject<'_>,
    at: &'a Location,
    rules: &Rules,
    main: &MainFile,
) -> Option<(&'a Location, LintFinding)> {
    let value = subject.object.get("retry_interval");
    let units = value.and_then(|value| number(&value.text)).unwrap_or(1.0);
    let retry = units * main.number("interval_length", 60.0);
    let settle =
        rules.ladder.iter().map(|rung| rung.settle).max().unwrap_or_default().as_secs_f64();
    (retry < settle).then(|| {
        let text = format!(
            "is checked again after {retry} s, while what was repaired may take {settle} s to come \
             up: Nagios counts that as another failure, and pages"
        );
        let fix = "make retry_interval longer than the repair's settle time";
        (value.map_or(at, |value| &value.at), warning("retry-shorter-than-settle", text, fix))
    })
}

/// Without `--max-attempts` the last SOFT before HARD is not known, if there are fewer SOFT
/// attempts than the policy waits for.
fn last_soft(
    subject: &LintedObject<'_>,
    rules: &Rules,
    attached: &AttachedHandler<'_>,
) -> Option<LintFinding> {
    attached.call.as_ref().ok().filter(|call| call.event.max_attempts.is_none())?;
    let max = number(subject.object.text("max_check_attempts")?)?;
    (max > 1.0 && max <= f64::from(rules.soft_attempt)).then(|| {
        let name =
            if subject.kind == ObjectKind::Host { "MAXHOSTATTEMPTS" } else { "MAXSERVICEATTEMPTS" };
        warning(
            "max-attempts-not-passed",
            format!(
                "${name}$ is not passed, and SOFT {} never comes: it repairs only when HARD, with \
                 the page",
                rules.soft_attempt
            ),
            format!("add --max-attempts '${name}$' to the command line"),
        )
    })
}

/// Two results in a row are known only if the one before is passed.
fn in_a_row(
    subject: &LintedObject<'_>,
    rules: &Rules,
    attached: &AttachedHandler<'_>,
) -> Option<LintFinding> {
    let call = attached.call.as_ref().ok()?;
    (rules.in_a_row > 1 && call.event.last_state.is_none()).then(|| {
        let name =
            if subject.kind == ObjectKind::Host { "LASTHOSTSTATE" } else { "LASTSERVICESTATE" };
        error(
            "last-state-not-passed",
            format!(
                "${name}$ is not passed, and the policy wants {} results in a row: it never \
                     repairs",
                rules.in_a_row
            ),
            format!("add --last-state '${name}$' to the command line"),
        )
    })
}
