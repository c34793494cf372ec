//! The arguments of a call: what Nagios has to pass to handle_repair.

use handle_repair::cli::{Invocation, Mode};
use policy::ObjectState;

use super::finding::{LintFinding, LintLevel, error};
use super::handler::{HOST, ObjectKind, REPAIR_OF_HOST, RefusedArguments, SERVICE};

/// A host names the handler of services, or the other way round: wrong where it is named, not at
/// the command.
pub const OTHER_KIND: &str = "handler-of-other-kind";

/// An argument that a call has to pass: the finding if it does not, with `{kind}` and `{KIND}` for
/// the kind of object.
struct ArgumentCheck {
    level: LintLevel,
    code: &'static str,
    is_passed: fn(ObjectKind, &Invocation) -> bool,
    text: &'static str,
    fix: &'static str,
}

const ARGUMENTS: [ArgumentCheck; 9] = [
    ArgumentCheck {
        level: LintLevel::Error,
        code: "host-not-passed",
        is_passed: |_, call| call.event.host == HOST,
        text: "--host is not $HOSTNAME$: pauses, locks and the status file go by that name",
        fix: "write --host '$HOSTNAME$'",
    },
    ArgumentCheck {
        level: LintLevel::Error,
        code: "service-not-passed",
        is_passed: |_, call| call.event.service.as_deref().is_none_or(|name| name == SERVICE),
        text: "--service is not $SERVICEDESC$: pauses and the status file go by that name",
        fix: "write --service '$SERVICEDESC$'",
    },
    ArgumentCheck {
        level: LintLevel::Error,
        code: "host-state-not-passed",
        is_passed: |kind, call| {
            kind == ObjectKind::Host || call.event.host_state == Some(ObjectState::Down)
        },
        text: "$HOSTSTATE$ is not passed: it would repair services of a host that is down",
        fix: "add --host-state '$HOSTSTATE$' to the command line",
    },
    ArgumentCheck {
        level: LintLevel::Error,
        code: "downtime-not-passed",
        is_passed: |kind, call| kind == ObjectKind::Host || call.event.downtime == 5,
        text: "$SERVICEDOWNTIME$ is not passed: it would repair during planned work, for Nagios \
               calls in downtimes too",
        fix: "add --downtime '$SERVICEDOWNTIME$' to the command line",
    },
    ArgumentCheck {
        level: LintLevel::Error,
        code: "host-downtime-not-passed",
        is_passed: |kind, call| {
            call.event.host_downtime == 6 || kind == ObjectKind::Host && call.event.downtime == 6
        },
        text: "$HOSTDOWNTIME$ is not passed: it would repair during planned work, and a host's \
               downtime is not its services'",
        fix: "add --host-downtime '$HOSTDOWNTIME$' to the command line",
    },
    ArgumentCheck {
        level: LintLevel::Error,
        code: "repair-not-passed",
        is_passed: |_, call| {
            call.event.repair.as_ref().is_some_and(|name| name.as_str() != REPAIR_OF_HOST)
        },
        text: "_REPAIR is not passed: no {kind} can opt in",
        fix: "add --repair '$_{KIND}REPAIR$' to the command line",
    },
    ArgumentCheck {
        level: LintLevel::Warning,
        code: "problem-id-not-passed",
        is_passed: |_, call| call.event.problem_id.is_some(),
        text: "${KIND}PROBLEMID$ is not passed: a call that Nagios repeats, when a worker of its \
               dies, is taken for a new one",
        fix: "add --problem-id '${KIND}PROBLEMID$' to the command line",
    },
    ArgumentCheck {
        level: LintLevel::Note,
        code: "address-not-passed",
        is_passed: |_, call| call.address != HOST,
        text: "--address is not passed: the host is reached by its name",
        fix: "add --address '$HOSTADDRESS$' to the command line",
    },
    ArgumentCheck {
        level: LintLevel::Error,
        code: "dry-run",
        is_passed: |_, call| call.options.mode != Mode::DryRun,
        text: "--dry-run stands in the command line: nothing is ever repaired",
        fix: "remove --dry-run",
    },
];

/// Checks what a call passes.
pub fn check(
    kind: ObjectKind,
    arguments: &[String],
    call: &Result<Invocation, RefusedArguments>,
) -> Vec<LintFinding> {
    let call = match call {
        Ok(call) => call,
        Err(why) => return vec![refused(kind, arguments, why)],
    };
    match (kind, &call.event.service) {
        (ObjectKind::Service, None) => {
            return vec![error(
                OTHER_KIND,
                "a service names a handler without --service: handle_repair takes its event for \
                 one of the host",
                "name handle_repair as its event_handler, or add --service '$SERVICEDESC$' and the \
                 $SERVICE...$ macros",
            )];
        }
        (ObjectKind::Host, Some(_)) => {
            return vec![error(
                OTHER_KIND,
                "a host names a handler with --service",
                "name handle_host_repair as its event_handler",
            )];
        }
        _ => {}
    }
    let prefix = kind.word().to_uppercase();
    let filled = |text: &str| text.replace("{kind}", kind.word()).replace("{KIND}", &prefix);
    let missing = ARGUMENTS.iter().filter(|argument| !(argument.is_passed)(kind, call));
    missing
        .map(|&ArgumentCheck { level, code, text, fix, .. }| {
            let (text, fix) = (filled(text), filled(fix));
            LintFinding { level, code, text, fix }
        })
        .collect()
}

fn refused(kind: ObjectKind, arguments: &[String], why: &RefusedArguments) -> LintFinding {
    let other = match kind {
        ObjectKind::Host => ObjectKind::Service,
        ObjectKind::Service => ObjectKind::Host,
    };
    let wanted = |kind: ObjectKind| {
        let prefix = kind.word().to_uppercase();
        ["STATE", "STATETYPE", "ATTEMPT"].map(|end| format!("${prefix}{end}$"))
    };
    let has = |kind| wanted(kind).iter().all(|word| arguments.contains(word));
    let positional = wanted(kind).map(|word| format!("'{word}'")).join(" ");
    let places = wanted(kind).map(|wanted| arguments.iter().position(|word| *word == wanted));
    if has(kind) && !places.is_sorted() {
        return error(
            "argument-order",
            format!("its first three words are in a wrong order: {why}"),
            format!("write {positional}"),
        );
    }
    if !has(kind) && has(other) {
        let (word, other) = (kind.word(), other.word());
        return error(
            OTHER_KIND,
            format!("a {word} names a handler with the macros of a {other}: {why}"),
            format!("name {} as its event_handler: {positional}", kind.command()),
        );
    }
    error(
        "refused-arguments",
        format!("handle_repair refuses its arguments: {why}"),
        "compare with nagios-config/commands.cfg",
    )
}
