//! What Nagios' status file says of the object, and the call that Nagios would make for it.

use std::ffi::OsString;
use std::path::Path;
use std::time::SystemTime;

use engine::status_file::{self, ObjectReport, ObjectStatus};
use handle_repair::cli::{self, Invocation, with_name, with_value};
use plugin_kit::Problem;
use policy::{ObjectState, Rounded, StateType};

use super::args::ExplainArgs;
use crate::object::Object;

/// The object of the command line as the status file shows it.
pub struct ObservedObject<'a> {
    /// The command line, which may suppose another state.
    pub args: &'a ExplainArgs,
    /// The policy's file.
    pub policy: &'a Path,
    /// Nagios' status file, if the policy names one.
    pub status_file: Option<&'a Path>,
    /// What the status file says; `None` if the policy names none.
    pub report: Option<ObjectReport>,
}

impl ObservedObject<'_> {
    /// The object; `None` if Nagios does not know it, or there is no status file.
    pub fn object(&self) -> Option<&ObjectStatus> {
        self.report.as_ref()?.object.as_ref()
    }

    /// Its host, or itself; `None` if Nagios does not know it, or there is no status file.
    pub fn host(&self) -> Option<&ObjectStatus> {
        self.report.as_ref()?.host.as_ref()
    }

    /// Its state, for people; `None` if there is no status file.
    pub fn state(&self, now: SystemTime) -> Option<String> {
        let report = self.report.as_ref()?;
        let age = Rounded(report.program.age(now));
        let Some(object) = &report.object else {
            return Some(format!(
                "Nagios' status file, {age} old, does not show it: is the name right? as given, \
                 then"
            ));
        };
        let repair = match object.has_repair() {
            true => object.repair_name(),
            false => "none".into(),
        };
        let host = report.host.as_ref().filter(|_| object.service().is_some());
        let host = host.map(|host| format!(", host {}", host.state())).unwrap_or_default();
        let flags = [
            (object.acknowledged, ", acknowledged"),
            (object.flapping, ", flapping"),
            (object.downtime > 0, ", in downtime"),
            (!object.event_handler_enabled, ", its event handler is off"),
        ];
        let flags: String =
            flags.into_iter().filter(|(is_on, _)| *is_on).map(|(_, text)| text).collect();
        Some(format!(
            "{};{};{} of {}{host}{flags}; _REPAIR {repair}; the status file is {age} old",
            object.state(),
            object.state_type,
            object.attempt,
            object.max_attempts,
        ))
    }

    /// The call for the state that was given, or for the present one.
    pub fn call(&self) -> Result<Invocation, Problem> {
        match (&self.args.state, self.object()) {
            (Some(text), _) => self.call_for(event_words(text)?),
            (None, Some(object)) => self.call_for([
                object.state().to_string(),
                object.state_type.to_string(),
                object.attempt.to_string(),
            ]),
            (None, None) => Err(Problem::Usage(self.unknown())),
        }
    }

    fn unknown(&self) -> String {
        let object = Object { host: &self.args.host, service: self.args.service.as_deref() };
        let known = match self.status_file {
            Some(file) => {
                let services = status_file::services(file, &self.args.host).unwrap_or_default();
                format!("{}. Is the name right?", object.is_unknown(services.as_deref()))
            }
            None => "how it is now is not known: the policy has no \"status_file\"".to_owned(),
        };
        format!("{known} Else say what to suppose: --state CRITICAL --repair NAME")
    }

    /// The call for the first state in which it would be repaired.
    pub fn call_if_broken(&self) -> Result<Invocation, Problem> {
        let state = match self.args.service {
            Some(_) => ObjectState::Critical,
            None => ObjectState::Down,
        };
        let attempts = self.object().map_or(1, |object| object.max_attempts.max(1));
        self.call_for([state.to_string(), StateType::Hard.to_string(), attempts.to_string()])
    }

    /// The words with which Nagios would call, read as handle_repair reads them.
    fn call_for(&self, event: [String; 3]) -> Result<Invocation, Problem> {
        let args = self.args;
        let object = self.object();
        let host = self.host();
        let of_object = || object.map(ObjectStatus::repair_name);
        let repair = args.repair.clone().or_else(of_object).unwrap_or_default();
        let [state, state_type, _] = &event;
        // The status file has no state before this one; one that has been HARD for more than one
        // check was the same before.
        let is_same = |object: &ObjectStatus| object.last_check > object.last_hard_change;
        let settled = object.is_some_and(|object| is_same(object) || args.state.is_some());
        let last = if state_type == "HARD" && settled { state.clone() } else { String::new() };
        let mut argv: Vec<OsString> = event.map(OsString::from).to_vec();
        argv.push(with_value("--last-state", last));
        argv.push(with_name("--host", &args.host));
        argv.push(with_value("--repair", repair));
        argv.push(with_value("--policy", self.policy));
        let mut number = |option, number: u64| {
            argv.push(with_value(option, number.to_string()));
        };
        if let Some(host) = host {
            number("--host-downtime", host.downtime.into());
        }
        if let Some(object) = object {
            number("--max-attempts", object.max_attempts.into());
            // A state that is only supposed is another problem than the present one.
            let is_real = args.state.is_none() && !object.state().is_good();
            let id = if is_real { object.problem_id } else { 0 };
            number("--problem-id", id);
        }
        if let Some(service) = &args.service {
            number("--downtime", object.map_or(0, |object| object.downtime).into());
            argv.push(with_name("--service", service));
            let state = host.map(|host| host.state().to_string()).unwrap_or_default();
            argv.push(with_value("--host-state", state));
        }
        cli::read(&argv)
            .map_err(|problem| Problem::Usage(problem.to_string().replace("; nothing was run", "")))
    }
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
