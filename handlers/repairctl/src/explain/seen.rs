//! What Nagios' status file says of the object, and the call that Nagios would make for it.

use std::ffi::OsString;
use std::path::Path;
use std::time::SystemTime;

use handle_repair::cli::{self, Invocation};
use handle_repair::status::{self, Blind, Object, Program};
use plugin_kit::Problem;
use policy::{ObjectState, Rounded, StateType};

use super::args::ExplainArgs;

/// One reading of the status file, for one object.
pub struct Seen {
    program: Program,
    /// The object; `None` when Nagios does not know it.
    pub object: Option<Object>,
    host: Option<Object>,
    /// Of how many objects with a repair how many are in trouble.
    pub share: (u32, u32),
}

/// Reads the file.
pub fn look(file: &Path, host: &str, service: Option<&str>) -> Result<Seen, Problem> {
    let unusable = |why: Blind| Problem::Usage(why.to_string());
    let (mut object, mut its_host, mut share) = (None, None, (0, 0));
    let scanned = status::scan(status::open(file).map_err(unusable)?, |one| {
        share.0 += u32::from(one.has_repair() && one.in_trouble());
        share.1 += u32::from(one.has_repair());
        if one.is(host, service) {
            object = Some(one.clone());
        }
        if one.is(host, None) {
            its_host = Some(one.clone());
        }
    });
    let program =
        scanned.map_err(|why| unusable(Blind::Unreadable { path: file.to_owned(), why }))?;
    Ok(Seen { program, object, host: its_host, share })
}

impl Seen {
    /// How it is, for people.
    pub fn told(&self, now: SystemTime) -> String {
        let age = Rounded(now.duration_since(self.program.written).unwrap_or_default());
        let Some(object) = &self.object else {
            return format!(
                "Nagios' status file, {age} old, does not show it: is the name right? as given, \
                 then"
            );
        };
        let repair = if object.has_repair() {
            String::from_utf8_lossy(&object.repair)
        } else {
            "none".into()
        };
        let flag = |on: bool, text: &'static str| if on { text } else { "" };
        let host = self.host.as_ref().filter(|_| object.service().is_some());
        let host = host.map(|host| format!(", host {}", host.state())).unwrap_or_default();
        format!(
            "{};{};{} of {}{host}{}{}{}{}; _REPAIR {repair}; the status file is {age} old",
            object.state(),
            object.state_type,
            object.attempt,
            object.max_attempts,
            flag(object.acknowledged, ", acknowledged"),
            flag(object.flapping, ", flapping"),
            flag(object.downtime > 0, ", in downtime"),
            flag(!object.event_handler_enabled, ", its event handler is off"),
        )
    }
}

/// The call for the state that was given, or the one it is in.
pub fn call(
    words: &ExplainArgs,
    seen: Option<&Seen>,
    policy: &Path,
) -> Result<Invocation, Problem> {
    let object = seen.and_then(|seen| seen.object.as_ref());
    match (&words.state, object) {
        (Some(text), _) => made(words, seen, policy, event_words(text)?),
        (None, Some(object)) => {
            let event = [
                object.state().to_string(),
                object.state_type.to_string(),
                object.attempt.to_string(),
            ];
            made(words, seen, policy, event)
        }
        (None, None) => Err(Problem::Usage(unknown(words, seen))),
    }
}

fn unknown(words: &ExplainArgs, seen: Option<&Seen>) -> String {
    let object = crate::object::Object { host: &words.host, service: words.service.as_deref() };
    let known = match seen {
        Some(_) => format!("Nagios' status file does not show {object}: is the name right?"),
        None => "how it is now is not known: the policy has no \"status_file\"".to_owned(),
    };
    format!("{known} Else say what to suppose: --state CRITICAL --repair NAME")
}

/// The call for the state in which it would be repaired first of all.
pub fn broken(
    words: &ExplainArgs,
    seen: Option<&Seen>,
    policy: &Path,
) -> Result<Invocation, Problem> {
    let state = if words.service.is_some() { ObjectState::Critical } else { ObjectState::Down };
    let attempts =
        seen.and_then(|seen| seen.object.as_ref()).map_or(1, |object| object.max_attempts.max(1));
    made(
        words,
        seen,
        policy,
        [state.to_string(), StateType::Hard.to_string(), attempts.to_string()],
    )
}

/// `CRITICAL`, or `CRITICAL;SOFT;2`.
fn event_words(text: &str) -> Result<[String; 3], Problem> {
    let words: Vec<String> = text.split(';').map(|word| word.trim().to_uppercase()).collect();
    match <[String; 3]>::try_from(words) {
        Ok(all) => Ok(all),
        Err(words) if words.len() == 1 => {
            Ok([words.concat(), StateType::Hard.to_string(), "1".into()])
        }
        Err(_) => Err(Problem::Usage(format!(
            "--state '{}': write CRITICAL, or CRITICAL;SOFT;2",
            text.escape_debug()
        ))),
    }
}

/// The words with which Nagios would call, read as handle_repair reads them.
fn made(
    words: &ExplainArgs,
    seen: Option<&Seen>,
    policy: &Path,
    event: [String; 3],
) -> Result<Invocation, Problem> {
    let object = seen.and_then(|seen| seen.object.as_ref());
    let host = seen.and_then(|seen| seen.host.as_ref());
    let repair = words
        .repair
        .clone()
        .or_else(|| object.map(|object| String::from_utf8_lossy(&object.repair).into_owned()));
    let [state, state_type, _] = &event;
    // The status file has no state before this one; what has been HARD for more than one check was
    // the same before.
    let settled = object
        .is_some_and(|object| object.last_check > object.last_hard_change || words.state.is_some());
    let last = if state_type == "HARD" && settled { state.clone() } else { String::new() };
    let mut argv: Vec<String> = event.to_vec();
    argv.push(format!("--last-state={last}"));
    argv.push(format!("--host={}", words.host));
    argv.push(format!("--repair={}", repair.unwrap_or_default()));
    argv.push(format!("--policy={}", policy.display()));
    if let Some(host) = host {
        argv.push(format!("--host-downtime={}", host.downtime));
    }
    if let Some(object) = object {
        argv.push(format!("--max-attempts={}", object.max_attempts));
        // A state that is only supposed is another problem than the one there is.
        let id =
            if words.state.is_none() && !object.state().is_good() { object.problem_id } else { 0 };
        argv.push(format!("--problem-id={id}"));
    }
    if let Some(service) = &words.service {
        argv.push(format!("--service={service}"));
        argv.push(format!("--downtime={}", object.map_or(0, |object| object.downtime)));
        argv.push(format!(
            "--host-state={}",
            host.map(|host| host.state().to_string()).unwrap_or_default()
        ));
    }
    let argv: Vec<OsString> = argv.into_iter().map(OsString::from).collect();
    cli::read(&argv)
        .map_err(|problem| Problem::Usage(problem.to_string().replace("; nothing was run", "")))
}
