//! Checks that a call passes the arguments that handle_repair needs.

use handle_repair::cli::{Invocation, Mode};
use policy::ObjectState;

use super::finding::{LintFinding, LintLevel, error};
use super::handler::{HOST, ObjectKind, REPAIR_OF_HOST, RefusedArguments, SERVICE};

/// Code of the finding for a host that uses the handler for services, or a service that uses the
/// handler for hosts. The finding is about the `event_handler` line, because the command itself is
/// correct.
pub const OTHER_KIND: &str = "handler-of-other-kind";

/// A required argument, and the finding to report if a call does not pass it. In `text` and `fix`,
/// `{kind}` and `{KIND}` stand for `host` or `service` in lower and upper case.
struct ArgumentCheck {
    level: LintLevel,
    code: &'static str,
    is_passed: fn(ObjectKind, &Invocation) -> bool,
    text: &'static str,
    fix: &'static str,
}

const ARGUMENTS: [ArgumentCheck; 10] = [
    ArgumentCheck {
        level: LintLevel::Error,
        code: "host-not-passed",
        is_passed: |_, call| call.event.host == HOST,
        text: "--host does not pass $HOSTNAME$, although pauses, locks and the status file \
               identify the host by this name",
        fix: "write --host '$HOSTNAME$'",
    },
    ArgumentCheck {
        level: LintLevel::Error,
        code: "service-not-passed",
        is_passed: |_, call| call.event.service.as_deref().is_none_or(|name| name == SERVICE),
        text: "--service does not pass $SERVICEDESC$, although pauses and the status file identify \
               the service by this name",
        fix: "write --service '$SERVICEDESC$'",
    },
    ArgumentCheck {
        level: LintLevel::Error,
        code: "host-state-not-passed",
        is_passed: |kind, call| {
            kind == ObjectKind::Host || call.event.host_state == Some(ObjectState::Down)
        },
        text: "$HOSTSTATE$ is not passed: services would be repaired even if their host is down",
        fix: "add --host-state '$HOSTSTATE$' to the command line",
    },
    ArgumentCheck {
        level: LintLevel::Error,
        code: "downtime-not-passed",
        is_passed: |kind, call| kind == ObjectKind::Host || call.event.downtime == 5,
        text: "$SERVICEDOWNTIME$ is not passed: repairs would run during planned work, because \
               Nagios also calls event handlers during scheduled downtime",
        fix: "add --downtime '$SERVICEDOWNTIME$' to the command line",
    },
    ArgumentCheck {
        level: LintLevel::Error,
        code: "host-downtime-not-passed",
        is_passed: |kind, call| {
            call.event.host_downtime == 6 || kind == ObjectKind::Host && call.event.downtime == 6
        },
        text: "$HOSTDOWNTIME$ is not passed: repairs would run during planned work, because Nagios \
               does not count a downtime of the host as a downtime of its services",
        fix: "add --host-downtime '$HOSTDOWNTIME$' to the command line",
    },
    ArgumentCheck {
        level: LintLevel::Error,
        code: "repair-not-passed",
        is_passed: |_, call| {
            call.event.repair.as_ref().is_some_and(|name| name.as_str() != REPAIR_OF_HOST)
        },
        text: "_REPAIR is not passed: handle_repair does not know which repair a {kind} needs",
        fix: "add --repair '$_{KIND}REPAIR$' to the command line",
    },
    ArgumentCheck {
        level: LintLevel::Warning,
        code: "problem-id-not-passed",
        is_passed: |_, call| call.event.problem_id.is_some(),
        text: "${KIND}PROBLEMID$ is not passed: if a Nagios worker process dies and Nagios repeats \
               the call, handle_repair treats the second call as a new event",
        fix: "add --problem-id '${KIND}PROBLEMID$' to the command line",
    },
    ArgumentCheck {
        level: LintLevel::Note,
        code: "seen-not-passed",
        is_passed: |_, call| call.options.seen.is_some(),
        text: "--seen is not $LAST{KIND}CHECK$: a handler that runs late, for example through \
               Mod-Gearman, would repair a fault that may be over",
        fix: "add --seen '$LAST{KIND}CHECK$' to the command line",
    },
    ArgumentCheck {
        level: LintLevel::Note,
        code: "address-not-passed",
        is_passed: |_, call| call.address != HOST,
        text: "--address is not passed: repairs use the host's name to connect to it",
        fix: "add --address '$HOSTADDRESS$' to the command line",
    },
    ArgumentCheck {
        level: LintLevel::Error,
        code: "dry-run",
        is_passed: |_, call| call.options.mode != Mode::DryRun,
        text: "the command line contains --dry-run: nothing is ever repaired",
        fix: "remove --dry-run",
    },
];

/// Checks the arguments with which Nagios calls handle_repair for objects of one kind.
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
                "a service uses an event handler without --service: handle_repair mistakes the \
                 service's events for events of its host",
                "set event_handler to handle_repair, or add --service '$SERVICEDESC$' and the \
                 $SERVICE...$ macros to the command line",
            )];
        }
        (ObjectKind::Host, Some(_)) => {
            return vec![error(
                OTHER_KIND,
                "a host uses an event handler with --service, which is only for services",
                "set event_handler to handle_host_repair",
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
            format!("the first three arguments are in the wrong order: {why}"),
            format!("write {positional}"),
        );
    }
    if !has(kind) && has(other) {
        let (word, other) = (kind.word(), other.word());
        return error(
            OTHER_KIND,
            format!("a {word} uses an event handler with the macros for a {other}: {why}"),
            format!(
                "set event_handler to {command}, which passes {positional}",
                command = kind.command()
            ),
        );
    }
    error(
        "refused-arguments",
        format!("handle_repair refuses these arguments: {why}"),
        "compare the command line with nagios-config/commands.cfg",
    )
}
