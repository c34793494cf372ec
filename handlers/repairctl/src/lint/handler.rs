//! Checks command lines that call handle_repair. To find out what Nagios would pass, lint expands
//! the macros with sample values and parses the arguments with handle_repair's own parser.

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
    Host,
    Service,
}

impl ObjectKind {
    /// Returns `host` or `service`. The names of the macros for this kind of object start with the
    /// same word in upper case.
    pub fn word(self) -> &'static str {
        match self {
            ObjectKind::Host => "host",
            ObjectKind::Service => "service",
        }
    }

    /// Returns the name of the command that nagios-config/commands.cfg defines for this kind of
    /// object.
    pub fn command(self) -> &'static str {
        match self {
            ObjectKind::Host => "handle_host_repair",
            ObjectKind::Service => "handle_repair",
        }
    }
}

/// Sample value of `$HOSTNAME$`.
pub const HOST: &str = "lint-host";
/// Sample value of `$SERVICEDESC$`.
pub const SERVICE: &str = "lint-service";
const REPAIR: &str = "lint-repair";
/// Sample value of `$_HOSTREPAIR$` in a service's handler.
pub const REPAIR_OF_HOST: &str = "lint-repair-of-the-host";

/// Returns the sample value of a macro. Each macro for a name or a repair has a different value, so
/// the parsed arguments show which of these macros the command line contains. Service macros have
/// no value in a host's handler, because Nagios does not expand them there.
fn sample(kind: ObjectKind, arguments: &[&str], name: &str) -> Option<String> {
    let service = |value: &str| (kind == ObjectKind::Service).then(|| value.to_owned());
    let host = |value: &str| Some(value.to_owned());
    match name {
        "SERVICESTATE" => service("CRITICAL"),
        "SERVICESTATETYPE" => service("SOFT"),
        "SERVICEATTEMPT" => service("3"),
        "MAXSERVICEATTEMPTS" => service("17"),
        "LASTSERVICESTATE" => service("WARNING"),
        "LASTSERVICECHECK" => service("1700000000"),
        "SERVICEDOWNTIME" => service("5"),
        "SERVICEPROBLEMID" => service("4711"),
        "SERVICEDESC" => service(SERVICE),
        "_SERVICEREPAIR" => service(REPAIR),
        "HOSTSTATE" => host("DOWN"),
        "HOSTSTATETYPE" => host("SOFT"),
        "HOSTATTEMPT" => host("3"),
        "MAXHOSTATTEMPTS" => host("17"),
        "LASTHOSTSTATE" => host("UP"),
        "LASTHOSTCHECK" => host("1700000000"),
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

/// Returns the value of `$ARGn$` for a command with these arguments, or `None` for other macros.
pub fn argument(arguments: &[&str], name: &str) -> Option<String> {
    let number: usize = name.strip_prefix("ARG")?.parse().ok()?;
    Some(arguments.get(number.checked_sub(1)?).copied().unwrap_or_default().to_owned())
}

/// How a command line calls handle_repair.
pub enum HandlerCall {
    /// handle_repair is a separate word. The strings are the arguments between this word and the
    /// first shell operator, with unexpanded macros.
    Direct(Vec<String>),
    /// handle_repair is part of an argument of another program, as in `sh -c '...'`.
    Nested,
}

/// Finds out how a command line calls handle_repair. Returns `None` if it does not.
pub fn find(line: &CommandLine, main: &MainFile) -> Option<HandlerCall> {
    if let Some(arguments) = arguments_of("handle_repair", line, main) {
        return Some(HandlerCall::Direct(arguments));
    }
    line.words.iter().any(|word| is_named(&word.text)).then_some(HandlerCall::Nested)
}

/// Returns the arguments that a command line passes to a program, up to the first shell operator
/// and with unexpanded macros. Returns `None` if the command line does not call the program.
pub fn arguments_of(program: &str, line: &CommandLine, main: &MainFile) -> Option<Vec<String>> {
    let is_it = |text: &str| text.rsplit('/').next() == Some(program);
    let at = line.words.iter().position(|word| is_it(&main.with_users(&word.text)))?;
    let after = line.words.iter().skip(at + 1).take_while(|word| !word.is_operator);
    Some(after.map(|word| word.text.clone()).collect())
}

/// Whether `text` contains the name handle_repair.
pub fn is_named(text: &str) -> bool {
    text.contains("handle_repair")
}

/// Whether a command line names handle_repair only after a `;`, in the part that Nagios ignores.
pub fn is_cut_off(line: &DirectiveValue) -> bool {
    line.cut.as_deref().is_some_and(is_named)
}

/// The error that handle_repair prints when it rejects the arguments.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct RefusedArguments(String);

/// Returns the call that Nagios would make, with sample values. `$USERn$` macros stay unexpanded,
/// because their value can be a password, which a finding must not print.
///
/// # Errors
/// Returns an error if handle_repair would refuse the arguments.
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

/// Returns the repair that the command line itself names, or `None` if the repair comes from
/// `_REPAIR`.
pub fn fixed_repair(call: &Invocation) -> Option<&str> {
    let name = call.event.repair.as_ref().map(policy::RepairName::as_str);
    name.filter(|name| ![REPAIR, REPAIR_OF_HOST].contains(name))
}

/// Returns the value of `--policy`, with its `$USERn$` macros expanded.
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

/// Checks a command line by itself, regardless of the objects that use it.
pub fn line(line: &DirectiveValue, words: &CommandLine, found: &HandlerCall) -> Vec<LintFinding> {
    // Report only this error, because it would also cause misleading findings about missing
    // arguments.
    if let Some(broken) = cut(line, words).or_else(|| text_for_macros(words)) {
        return vec![broken];
    }
    if let HandlerCall::Nested = found {
        return vec![warning(
            "nested-in-a-shell",
            "the command line calls handle_repair inside an argument of another program, where \
             lint cannot check handle_repair's arguments",
            "call handle_repair itself, with each macro in single quotes, as in \
             nagios-config/commands.cfg",
        )];
    }
    let quoting = |(name, quote): &(String, Quote)| quoting(name, *quote);
    let mut all: Vec<LintFinding> = words.macros.iter().filter_map(quoting).collect();
    if words.needs_shell {
        all.push(note(
            "through-a-shell",
            "the command line contains shell syntax: Nagios starts /bin/sh for every call",
            "remove redirections and wildcards; handle_repair writes its own log",
        ));
    }
    all
}

/// Reports a `;` that cuts off a command line. Nagios treats everything after an unescaped `;` as a
/// comment, without a warning.
pub fn cut(line: &DirectiveValue, words: &CommandLine) -> Option<LintFinding> {
    let cut = line.cut.as_ref()?;
    let goes_on = words.unclosed || cut.contains('$') || is_named(cut) || cut.contains(" --");
    goes_on.then(|| {
        let text = format!(
            "the ';' in the command line begins a comment: Nagios ignores '{ignored}'",
            ignored = cut.trim()
        );
        error("cut-by-semicolon", text, r"write \; for a literal ';'")
    })
}

/// Reports text between two `$` that is not a macro. Nagios passes such text on unchanged and gives
/// no warning.
pub fn text_for_macros(words: &CommandLine) -> Option<LintFinding> {
    let (at, wrong) = words.dollars.iter().find_map(|(at, dollar)| match dollar {
        Dollar::Macro(_) | Dollar::Escaped => None,
        Dollar::Text(text) => Some((at, text.as_str())),
        Dollar::Last => Some((at, "")),
    })?;
    if macros::is_like_a_name(wrong) {
        let text = format!(
            "Nagios has no macro ${wrong}$, so it passes the text ${wrong}$ to handle_repair \
             unchanged"
        );
        return Some(error("unknown-macro", text, "correct the name of the macro"));
    }
    let text = format!(
        "the $ at character {position} of the command line does not begin a macro: from there on, \
         Nagios mistakes text for macros and macros for text",
        position = at + 1
    );
    Some(error("stray-dollar", text, "write $$ for a literal $, or remove it"))
}

fn quoting(name: &str, quote: Quote) -> Option<LintFinding> {
    // The values of these macros come from Nagios itself. They are states and numbers, which are
    // always a single word and need no quotes.
    let own_words = ["STATE", "STATETYPE", "ATTEMPT", "DOWNTIME"];
    let own = name.strip_prefix("SERVICE").or_else(|| name.strip_prefix("HOST"));
    let is_output = ["OUTPUT", "PERFDATA", "COMMENT", "AUTHOR", "AUTHORNAME", "AUTHORALIAS"]
        .iter()
        .any(|end| name.ends_with(end));
    if is_output {
        let text = format!(
            "${name}$ contains text that other people can choose, for example through a plugin's \
             output, and handle_repair does not need it"
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
                "${name}$ is not quoted: if its value is empty or contains a blank, handle_repair \
                 misreads all arguments after it"
            );
            Some(error("unquoted-macro", text, fix))
        }
        Quote::Double if !is_harmless => {
            let text = format!(
                "${name}$ is in double quotes, so a shell runs every command that its value \
                 contains in backticks or $(...)"
            );
            Some(warning("double-quoted-macro", text, fix))
        }
        _ => None,
    }
}
