//! A command line that calls handle_repair. It is filled with made-up values and read as
//! handle_repair itself would read it; what arrives tells what Nagios passes.

use std::ffi::OsString;
use std::path::PathBuf;

use handle_repair::cli::{self, Invocation, Mode};
use policy::ObjectState;

use super::finding::{Finding, error, note, warning};
use super::words::{Quote, Words, fill, split};
use crate::configuration::{MainFile, Value};

/// What an event handler is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A host.
    Host,
    /// A service.
    Service,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Kind::Host => "HOST",
            Kind::Service => "SERVICE",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Kind::Host => "host",
            Kind::Service => "service",
        }
    }
}

const HOST: &str = "lint-host";
const SERVICE: &str = "lint-service";
const REPAIR: &str = "lint-repair";
const REPAIR_OF_HOST: &str = "lint-repair-of-the-host";

/// A host names the handler of services, or the other way round: wrong where it is named, not at
/// the command.
pub const OTHER_KIND: &str = "handler-of-other-kind";

/// A made-up value for each macro that handle_repair wants, each different. In a host's handler
/// Nagios leaves the macros of services as they are.
fn sample(kind: Kind, arguments: &[&str], name: &str) -> Option<String> {
    let service = |value: &str| (kind == Kind::Service).then(|| value.to_owned());
    let host = |value: &str| Some(value.to_owned());
    match name {
        "SERVICESTATE" => service("CRITICAL"),
        "SERVICESTATETYPE" => service("SOFT"),
        "SERVICEATTEMPT" => service("3"),
        "MAXSERVICEATTEMPTS" => service("17"),
        "LASTSERVICESTATE" => service("WARNING"),
        "SERVICEDOWNTIME" => service("5"),
        "SERVICEPROBLEMID" => service("4711"),
        "SERVICEDESC" => service(SERVICE),
        "_SERVICEREPAIR" => service(REPAIR),
        "HOSTSTATE" => host("DOWN"),
        "HOSTSTATETYPE" => host("SOFT"),
        "HOSTATTEMPT" => host("3"),
        "MAXHOSTATTEMPTS" => host("17"),
        "LASTHOSTSTATE" => host("UP"),
        "HOSTDOWNTIME" => host("6"),
        "HOSTPROBLEMID" => host("4712"),
        "HOSTNAME" => host(HOST),
        "HOSTADDRESS" => host("lint-address"),
        "_HOSTREPAIR" => host(if kind == Kind::Host { REPAIR } else { REPAIR_OF_HOST }),
        other if other.starts_with("SERVICE") => service("lint-other"),
        other if other.starts_with("HOST") => host("lint-other"),
        other => {
            let number: usize = other.strip_prefix("ARG")?.parse().ok()?;
            Some(arguments.get(number.checked_sub(1)?).copied().unwrap_or_default().to_owned())
        }
    }
}

/// Where in a command line handle_repair is called.
pub enum Found {
    /// Its arguments, macros as they are, without what belongs to a shell.
    Called(Vec<String>),
    /// Within one word, as in `sh -c '...'`.
    Nested,
}

/// Whether a command line calls handle_repair.
pub fn find(words: &Words, main: &MainFile) -> Option<Found> {
    let is_ours = |text: &str| text.rsplit('/').next() == Some("handle_repair");
    let at = words.words.iter().position(|word| is_ours(&main.with_users(&word.text)));
    if let Some(at) = at {
        let after = words.words.iter().skip(at + 1).take_while(|word| !word.is_operator);
        return Some(Found::Called(after.map(|word| word.text.clone()).collect()));
    }
    words.words.iter().any(|word| word.text.contains("handle_repair")).then_some(Found::Nested)
}

/// The call that Nagios would make, with made-up values, or what handle_repair would say against
/// it. `$USERn$` stays as it is, for its value might be a password that is then shown.
pub fn call(arguments: &[String], kind: Kind, event_handler: &str) -> Result<Invocation, String> {
    let given: Vec<&str> = event_handler.split('!').skip(1).collect();
    let argv: Vec<OsString> =
        arguments.iter().map(|word| fill(word, |name| sample(kind, &given, name)).into()).collect();
    cli::read(&argv)
        .map_err(|problem| problem.to_string().trim_end_matches("; nothing was run").to_owned())
}

/// The repair that `_REPAIR` or the command line itself names: the second is the same for all.
pub fn fixed_repair(call: &Invocation) -> Option<&str> {
    call.event
        .repair
        .as_ref()
        .map(policy::RepairName::as_str)
        .filter(|name| ![REPAIR, REPAIR_OF_HOST].contains(name))
}

/// The policy that the command line names.
pub fn policy(arguments: &[String], main: &MainFile) -> Option<PathBuf> {
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("--policy") {
            Some("") => return words.next().map(|path| main.with_users(path).into()),
            Some(rest) => return rest.strip_prefix('=').map(|path| main.with_users(path).into()),
            None => {}
        }
    }
    None
}

/// What is wrong with a command line, whoever it is called for.
pub fn line(line: &Value, words: &Words, found: &Found) -> Vec<Finding> {
    // What is missing for it is not found once more.
    if let Some(cut) = cut(line, words) {
        return vec![cut];
    }
    let mut all = Vec::new();
    if let Found::Nested = found {
        all.push(warning(
            "nested-in-a-shell",
            "handle_repair is called from within another program's argument, where its own cannot \
             be checked",
            "call handle_repair itself, each macro in single quotes of its own, as \
             nagios-config/commands.cfg does",
        ));
        return all;
    }
    all.extend(words.macros.iter().filter_map(|(name, quote)| quoting(name, *quote)));
    if words.needs_shell {
        all.push(note(
            "through-a-shell",
            "the command line holds what only a shell understands: Nagios starts /bin/sh for every \
             call",
            "leave redirections and wild cards out: handle_repair logs what it does itself",
        ));
    }
    all
}

/// Nagios takes an unescaped `;` for the beginning of a comment, and says nothing about it.
pub fn cut(line: &Value, words: &Words) -> Option<Finding> {
    let cut = line.cut.as_ref()?;
    let goes_on =
        words.unclosed || cut.contains('$') || cut.contains("handle_repair") || cut.contains(" --");
    goes_on.then(|| {
        error(
            "cut-by-semicolon",
            format!(
                "the command line ends at its ';', which begins a comment: Nagios never sees '{}'",
                cut.trim()
            ),
            r"write \; for a ';' that is meant",
        )
    })
}

fn quoting(name: &str, quote: Quote) -> Option<Finding> {
    // A state or a number of Nagios' own is one word, whatever happens.
    let own_words = [
        "SERVICESTATE",
        "SERVICESTATETYPE",
        "SERVICEATTEMPT",
        "HOSTSTATE",
        "HOSTSTATETYPE",
        "HOSTATTEMPT",
    ];
    let numbers = ["MAXSERVICEATTEMPTS", "MAXHOSTATTEMPTS", "SERVICEDOWNTIME", "HOSTDOWNTIME"];
    let is_output = ["OUTPUT", "PERFDATA", "COMMENT", "AUTHOR", "AUTHORNAME", "AUTHORALIAS"]
        .iter()
        .any(|end| name.ends_with(end));
    if is_output {
        return Some(error(
            "output-macro",
            format!(
                "${name}$ is text that anybody can write who can make a plugin print it, and no \
                 part of the decision"
            ),
            format!("leave ${name}$ out"),
        ));
    }
    let is_harmless = own_words.contains(&name)
        || numbers.contains(&name)
        || name.starts_with("USER")
        || name.starts_with("ARG");
    match quote {
        Quote::None if !is_harmless => Some(error(
            "unquoted-macro",
            format!(
                "${name}$ is not quoted: a blank in it, or nothing in it, shifts all words after it"
            ),
            format!("write '${name}$'"),
        )),
        Quote::Double if !is_harmless => Some(warning(
            "double-quoted-macro",
            format!(
                "${name}$ is in double quotes, in which a shell still runs what stands in \
                 backticks or $(...)"
            ),
            format!("write '${name}$'"),
        )),
        _ => None,
    }
}

/// What is wrong with what a call passes.
pub fn passed(kind: Kind, arguments: &[String], call: &Result<Invocation, String>) -> Vec<Finding> {
    let call = match call {
        Ok(call) => call,
        Err(why) => return vec![refused(kind, arguments, why)],
    };
    let event = &call.event;
    match (kind, event.service.as_deref()) {
        (Kind::Service, None) => {
            return vec![error(
                OTHER_KIND,
                "a service names a handler without --service: handle_repair takes its event for \
                 one of the host",
                "name handle_repair as its event_handler, or add --service '$SERVICEDESC$' and the \
                 $SERVICE...$ macros",
            )];
        }
        (Kind::Host, Some(_)) => {
            return vec![error(
                OTHER_KIND,
                "a host names a handler with --service",
                "name handle_host_repair as its event_handler",
            )];
        }
        _ => {}
    }
    let (prefix, word) = (kind.prefix(), kind.word());
    let mut all = Vec::new();
    let mut check = |good: bool, finding: Finding| {
        if !good {
            all.push(finding);
        }
    };
    let add = |option: &str, name: &str| format!("add {option} '${name}$' to the command line");
    check(
        event.host == HOST,
        error(
            "host-not-passed",
            "--host is not $HOSTNAME$: pauses, locks and the status file go by that name",
            "write --host '$HOSTNAME$'",
        ),
    );
    check(
        event.service.as_deref().is_none_or(|service| service == SERVICE),
        error(
            "service-not-passed",
            "--service is not $SERVICEDESC$: pauses and the status file go by that name",
            "write --service '$SERVICEDESC$'",
        ),
    );
    if kind == Kind::Service {
        check(
            event.host_state == Some(ObjectState::Down),
            error(
                "host-state-not-passed",
                "$HOSTSTATE$ is not passed: it would repair services of a host that is down",
                add("--host-state", "HOSTSTATE"),
            ),
        );
        check(
            event.downtime == 5,
            error(
                "downtime-not-passed",
                "$SERVICEDOWNTIME$ is not passed: it would repair during planned work, for Nagios \
                 calls in downtimes too",
                add("--downtime", "SERVICEDOWNTIME"),
            ),
        );
    }
    check(
        event.host_downtime == 6 || (kind == Kind::Host && event.downtime == 6),
        error(
            "host-downtime-not-passed",
            "$HOSTDOWNTIME$ is not passed: it would repair during planned work, and a host's \
             downtime is not its services'",
            add("--host-downtime", "HOSTDOWNTIME"),
        ),
    );
    check(
        event.repair.as_ref().is_some_and(|name| name.as_str() != REPAIR_OF_HOST),
        error(
            "repair-not-passed",
            format!("_REPAIR is not passed: no {word} can opt in"),
            add("--repair", &format!("_{prefix}REPAIR")),
        ),
    );
    check(
        event.problem_id.is_some(),
        warning(
            "problem-id-not-passed",
            format!(
                "${prefix}PROBLEMID$ is not passed: a call that Nagios repeats, when a worker of \
                 its dies, is taken for a new one"
            ),
            add("--problem-id", &format!("{prefix}PROBLEMID")),
        ),
    );
    check(
        call.address != HOST,
        note(
            "address-not-passed",
            "--address is not passed: the host is reached by its name",
            add("--address", "HOSTADDRESS"),
        ),
    );
    check(
        call.options.mode != Mode::DryRun,
        error(
            "dry-run",
            "--dry-run stands in the command line: nothing is ever repaired",
            "remove --dry-run",
        ),
    );
    all
}

fn refused(kind: Kind, arguments: &[String], why: &str) -> Finding {
    let (ours, theirs) = match kind {
        Kind::Host => ("HOST", "SERVICE"),
        Kind::Service => ("SERVICE", "HOST"),
    };
    let words =
        |prefix: &str| ["STATE", "STATETYPE", "ATTEMPT"].map(|end| format!("${prefix}{end}$"));
    let has = |prefix: &str| words(prefix).iter().all(|wanted| arguments.contains(wanted));
    let positional = words(ours).map(|word| format!("'{word}'")).join(" ");
    if has(ours) {
        let places: Vec<_> = words(ours)
            .iter()
            .map(|wanted| arguments.iter().position(|word| word == wanted))
            .collect();
        if !places.is_sorted() {
            return error(
                "argument-order",
                format!("its first three words are in a wrong order: {why}"),
                format!("write {positional}"),
            );
        }
    } else if has(theirs) {
        let (word, right) = match kind {
            Kind::Host => ("host", "handle_host_repair"),
            Kind::Service => ("service", "handle_repair"),
        };
        return error(
            OTHER_KIND,
            format!(
                "a {word} names a handler with the macros of a {}: {why}",
                theirs.to_lowercase()
            ),
            format!("name {right} as its event_handler: {positional}"),
        );
    }
    error(
        "refused-arguments",
        format!("handle_repair refuses its arguments: {why}"),
        "compare with nagios-config/commands.cfg",
    )
}

/// The words of a command line.
pub fn words(line: &Value) -> Words {
    split(&line.text)
}
