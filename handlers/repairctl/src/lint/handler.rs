//! A command line that calls handle_repair. It is filled with sample values and read as
//! handle_repair itself would read it; the result shows what Nagios passes.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use engine::configuration::{DirectiveValue, MainFile};
use handle_repair::cli::{self, Invocation};

use super::command_line::{CommandLine, Quote, fill};
use super::finding::{LintFinding, error, note, warning};
use super::macros::{self, Dollar};

/// The kind of object that an event handler is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A host.
    Host,
    /// A service.
    Service,
}

impl ObjectKind {
    /// The word for it; in capitals it begins the names of its macros.
    pub fn word(self) -> &'static str {
        match self {
            ObjectKind::Host => "host",
            ObjectKind::Service => "service",
        }
    }

    /// Its command in nagios-config/commands.cfg.
    pub fn command(self) -> &'static str {
        match self {
            ObjectKind::Host => "handle_host_repair",
            ObjectKind::Service => "handle_repair",
        }
    }
}

/// The sample of `$HOSTNAME$`.
pub const HOST: &str = "lint-host";
/// The sample of `$SERVICEDESC$`.
pub const SERVICE: &str = "lint-service";
const REPAIR: &str = "lint-repair";
/// The sample of `$_HOSTREPAIR$` in a service's handler.
pub const REPAIR_OF_HOST: &str = "lint-repair-of-the-host";

/// A sample value for each macro that handle_repair wants, each different. In a host's handler
/// Nagios leaves the macros of services as they are.
fn sample(kind: ObjectKind, arguments: &[&str], name: &str) -> Option<String> {
    let service = |value: &str| (kind == ObjectKind::Service).then(|| value.to_owned());
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
        "_HOSTREPAIR" => host(if kind == ObjectKind::Host { REPAIR } else { REPAIR_OF_HOST }),
        other if other.starts_with("SERVICE") => service("lint-other"),
        other if other.starts_with("HOST") => host("lint-other"),
        other => argument(arguments, other),
    }
}

/// The value of `$ARGn$`, where a command is named with these arguments; `None` for other macros.
pub fn argument(arguments: &[&str], name: &str) -> Option<String> {
    let number: usize = name.strip_prefix("ARG")?.parse().ok()?;
    Some(arguments.get(number.checked_sub(1)?).copied().unwrap_or_default().to_owned())
}

/// The place of handle_repair in a command line.
pub enum HandlerCall {
    /// Its arguments, macros as they are, without what belongs to a shell.
    Direct(Vec<String>),
    /// Within one word, as in `sh -c '...'`.
    Nested,
}

/// Finds the call of handle_repair in a command line.
pub fn find(line: &CommandLine, main: &MainFile) -> Option<HandlerCall> {
    if let Some(arguments) = arguments_of("handle_repair", line, main) {
        return Some(HandlerCall::Direct(arguments));
    }
    line.words.iter().any(|word| is_named(&word.text)).then_some(HandlerCall::Nested)
}

/// The arguments of a program in a command line, macros as they are, without what belongs to a
/// shell; `None` if it is not called.
pub fn arguments_of(program: &str, line: &CommandLine, main: &MainFile) -> Option<Vec<String>> {
    let is_it = |text: &str| text.rsplit('/').next() == Some(program);
    let at = line.words.iter().position(|word| is_it(&main.with_users(&word.text)))?;
    let after = line.words.iter().skip(at + 1).take_while(|word| !word.is_operator);
    Some(after.map(|word| word.text.clone()).collect())
}

/// Whether a text names handle_repair.
pub fn is_named(text: &str) -> bool {
    text.contains("handle_repair")
}

/// Whether what a `;` cuts off a command line names handle_repair.
pub fn is_cut_off(line: &DirectiveValue) -> bool {
    line.cut.as_deref().is_some_and(is_named)
}

/// Why handle_repair refuses its arguments.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RefusedArguments(String);

/// Returns the call that Nagios would make, with sample values. `$USERn$` stays as it is, for its
/// value might be a password, which would be shown.
///
/// # Errors
/// handle_repair would refuse it.
pub fn call(
    arguments: &[String],
    kind: ObjectKind,
    event_handler: &str,
) -> Result<Invocation, RefusedArguments> {
    let given: Vec<&str> = event_handler.split('!').skip(1).collect();
    let filled = |word: &String| fill(word, |name| sample(kind, &given, name));
    let argv: Vec<OsString> = arguments.iter().map(filled).map(OsString::from_vec).collect();
    cli::read(&argv).map_err(|problem| {
        RefusedArguments(problem.to_string().trim_end_matches("; nothing was run").to_owned())
    })
}

/// The repair that `_REPAIR` or the command line itself names: the second is the same for all.
pub fn fixed_repair(call: &Invocation) -> Option<&str> {
    let name = call.event.repair.as_ref().map(policy::RepairName::as_str);
    name.filter(|name| ![REPAIR, REPAIR_OF_HOST].contains(name))
}

/// The policy that the command line names.
pub fn policy(arguments: &[String], main: &MainFile) -> Option<PathBuf> {
    let place = |path: &str| {
        let path = main.with_users(path);
        PathBuf::from(OsString::from_vec(fill(&path, |_| None)))
    };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.strip_prefix("--policy") {
            Some("") => return words.next().map(|path| place(path)),
            Some(rest) => return rest.strip_prefix('=').map(place),
            None => {}
        }
    }
    None
}

/// Checks a command line for all objects.
pub fn line(line: &DirectiveValue, words: &CommandLine, found: &HandlerCall) -> Vec<LintFinding> {
    // The arguments after the cut are not reported as well.
    if let Some(broken) = cut(line, words).or_else(|| text_for_macros(words)) {
        return vec![broken];
    }
    if let HandlerCall::Nested = found {
        return vec![warning(
            "nested-in-a-shell",
            "handle_repair is called from within another program's argument, where its own cannot \
             be checked",
            "call handle_repair itself, each macro in single quotes of its own, as \
             nagios-config/commands.cfg does",
        )];
    }
    let quoting = |(name, quote): &(String, Quote)| quoting(name, *quote);
    let mut all: Vec<LintFinding> = words.macros.iter().filter_map(quoting).collect();
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

/// Nagios takes an unescaped `;` for the beginning of a comment, without a warning.
pub fn cut(line: &DirectiveValue, words: &CommandLine) -> Option<LintFinding> {
    let cut = line.cut.as_ref()?;
    let goes_on = words.unclosed || cut.contains('$') || is_named(cut) || cut.contains(" --");
    goes_on.then(|| {
        let text = format!(
            "the command line ends at its ';', which begins a comment: Nagios never sees '{}'",
            cut.trim()
        );
        error("cut-by-semicolon", text, r"write \; for a ';' that is meant")
    })
}

/// Nagios passes what is between two dollars and no macro as text, without a warning.
pub fn text_for_macros(words: &CommandLine) -> Option<LintFinding> {
    let (at, wrong) = words.dollars.iter().find_map(|(at, dollar)| match dollar {
        Dollar::Macro(_) | Dollar::Escaped => None,
        Dollar::Text(text) => Some((at, text.as_str())),
        Dollar::Last => Some((at, "")),
    })?;
    if macros::is_like_a_name(wrong) {
        let text = format!("${wrong}$ is not a macro of Nagios: handle_repair gets it as text");
        return Some(error("unknown-macro", text, "correct the name of the macro"));
    }
    let text = format!(
        "the $ at character {} of the command line begins no macro: from there on Nagios takes \
         text for macros and passes macros as text",
        at + 1
    );
    Some(error("stray-dollar", text, "write $$ for a $ that is meant, or remove it"))
}

fn quoting(name: &str, quote: Quote) -> Option<LintFinding> {
    // A state or a number of Nagios' own is always one word.
    let own_words = ["STATE", "STATETYPE", "ATTEMPT", "DOWNTIME"];
    let own = name.strip_prefix("SERVICE").or_else(|| name.strip_prefix("HOST"));
    let is_output = ["OUTPUT", "PERFDATA", "COMMENT", "AUTHOR", "AUTHORNAME", "AUTHORALIAS"]
        .iter()
        .any(|end| name.ends_with(end));
    if is_output {
        let text = format!(
            "${name}$ is text that anybody can write who can make a plugin print it, and no part \
             of the decision"
        );
        return Some(error("output-macro", text, format!("leave ${name}$ out")));
    }
    let is_harmless = own.is_some_and(|own| own_words.contains(&own))
        || ["MAXSERVICEATTEMPTS", "MAXHOSTATTEMPTS"].contains(&name)
        || name.starts_with("USER")
        || name.starts_with("ARG");
    let fix = format!("write '${name}$'");
    match quote {
        Quote::None if !is_harmless => {
            let text = format!(
                "${name}$ is not quoted: a blank in it, or nothing in it, shifts all words after it"
            );
            Some(error("unquoted-macro", text, fix))
        }
        Quote::Double if !is_harmless => {
            let text = format!(
                "${name}$ is in double quotes, in which a shell still runs what stands in \
                 backticks or $(...)"
            );
            Some(warning("double-quoted-macro", text, fix))
        }
        _ => None,
    }
}
