//! The state of an object in the engine, and how the engine would call handle_repair for it.

use std::ffi::OsString;
use std::path::Path;
use std::time::SystemTime;

use engine::{ObjectReport, ObjectStatus};
use handle_repair::cli::{self, Invocation, with_name, with_value};
use plugin_kit::Problem;
use policy::{ObjectState, Rounded, StateType};

use super::args::ExplainArgs;
use crate::object::Object;

/// The object named on the command line, with its state from the engine.
pub struct ObservedObject<'a> {
    /// The command's arguments. With `--state`, they replace the object's actual state.
    pub args: &'a ExplainArgs,
    /// Path of the policy. Nagios would pass it to handle_repair as `--policy`.
    pub policy: &'a Path,
    /// Name of the engine, for messages.
    pub engine: &'static str,
    /// The services of the host, if the engine knows the host but not the object.
    pub services: Option<Vec<String>>,
    /// What the engine reports about the object, or `None` if the policy names no source for the
    /// state of objects.
    pub report: Option<ObjectReport>,
}

impl ObservedObject<'_> {
    /// Returns the object's status. Returns `None` if the engine does not know the object, or if
    /// the policy names no source for its state.
    pub fn object(&self) -> Option<&ObjectStatus> {
        self.report.as_ref()?.object.as_ref()
    }

    /// Returns the status of the service's host, or of the object itself if it is a host. Returns
    /// `None` if the engine does not know the host, or if the policy names no source for its state.
    pub fn host(&self) -> Option<&ObjectStatus> {
        self.report.as_ref()?.host.as_ref()
    }

    /// Describes the object's state. Returns `None` if the policy names no source for the state.
    pub fn state(&self, now: SystemTime) -> Option<String> {
        let report = self.report.as_ref()?;
        let age = Rounded(report.program.age(now));
        let Some(object) = &report.object else {
            return Some(format!(
                "as given with --state; the state of the engine, which is {age} old, does not \
                 contain this object; check the name"
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
            (!object.event_handler_enabled, ", its event handler is disabled"),
        ];
        let flags: String =
            flags.into_iter().filter(|(is_on, _)| *is_on).map(|(_, text)| text).collect();
        Some(format!(
            "{state};{state_type};{attempt} of {attempts}{host}{flags}; _REPAIR {repair}; this \
             state is {age} old",
            state = object.state(),
            state_type = object.state_type,
            attempt = object.attempt,
            attempts = object.max_attempts,
        ))
    }

    /// Returns the call that Nagios would make for the state that `--state` assumes or, without
    /// this option, for the current state.
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
        let known = match &self.report {
            Some(_) => format!(
                "{unknown}; correct the name",
                unknown = object.is_unknown(self.engine, self.services.as_deref())
            ),
            None => "the state is unknown, because the policy has neither \"status_file\" nor \
                     \"icinga2\"; add one of them to the policy"
                .to_owned(),
        };
        format!("{known}, or assume a state with --state CRITICAL --repair NAME")
    }

    /// Returns the call that Nagios would make if the object had a HARD fault.
    pub fn call_if_broken(&self) -> Result<Invocation, Problem> {
        let state = match self.args.service {
            Some(_) => ObjectState::Critical,
            None => ObjectState::Down,
        };
        let attempts = self.object().map_or(1, |object| object.max_attempts.max(1));
        self.call_for([state.to_string(), StateType::Hard.to_string(), attempts.to_string()])
    }

    /// Builds the arguments that Nagios would pass to handle_repair, and parses them as
    /// handle_repair does.
    fn call_for(&self, event: [String; 3]) -> Result<Invocation, Problem> {
        let args = self.args;
        let object = self.object();
        let host = self.host();
        let of_object = || object.map(ObjectStatus::repair_name);
        let repair = args.repair.clone().or_else(of_object).unwrap_or_default();
        let [state, state_type, _] = &event;
        // The engine does not report the previous state. However, if the state has been HARD for
        // more than one check, the previous state is the same as the current one.
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
            // An assumed state is a different problem from the current one, so do not pass the
            // current problem's ID.
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

/// Parses `CRITICAL` or `CRITICAL;SOFT;2` into the state, the state type and the attempt number.
fn event_words(text: &str) -> Result<[String; 3], Problem> {
    let words: Vec<String> = text.split(';').map(|word| word.trim().to_uppercase()).collect();
    match <[String; 3]>::try_from(words) {
        Ok(all) => Ok(all),
        Err(words) if words.len() == 1 => {
            Ok([words.concat(), StateType::Hard.to_string(), "1".into()])
        }
        Err(_) => Err(Problem::Usage(format!(
            "--state '{text}' is not a state; use a form such as CRITICAL or CRITICAL;SOFT;2",
            text = text.escape_debug()
        ))),
    }
}
