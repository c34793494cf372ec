//! The objects in answers from the API. Icinga 2 sends numbers as integers or as floats, depending
//! on its version, and times as seconds since 1970 with a fraction.

use std::time::{Duration, SystemTime};

use policy::{StateType, spell};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::status::{ObjectStatus, ProgramStatus};

/// The attributes that hosts and services have in common.
const COMMON: [&str; 15] = [
    "name",
    "state",
    "last_reachable",
    "vars",
    "state_type",
    "check_attempt",
    "max_check_attempts",
    "last_check",
    "next_check",
    "last_state_change",
    "last_hard_state_change",
    "acknowledgement",
    "flapping",
    "downtime_depth",
    "enable_event_handler",
];

/// The attributes of a service's host that [`Row`] needs. The host's custom variables are not among
/// them, because they can be long.
pub(super) const JOINED: [&str; 4] =
    ["host.name", "host.state", "host.last_reachable", "host.downtime_depth"];

/// Returns the attributes of a host that [`Row`] needs.
pub(super) fn host_attributes() -> Vec<&'static str> {
    COMMON.iter().chain(&["last_state_up"]).copied().collect()
}

/// Returns the attributes of a service that [`Row`] needs.
pub(super) fn service_attributes() -> Vec<&'static str> {
    COMMON.iter().chain(&["last_state_ok", "host_name"]).copied().collect()
}

/// A host, or a service with its host.
#[derive(Deserialize)]
pub(super) struct Row {
    attrs: Attributes,
    #[serde(default)]
    joins: Joins,
}

#[derive(Default, Deserialize)]
struct Joins {
    host: Option<JoinedHost>,
}

/// The host of a service.
#[derive(Deserialize)]
struct JoinedHost {
    name: String,
    state: f64,
    last_reachable: bool,
    downtime_depth: f64,
}

#[derive(Deserialize)]
struct Attributes {
    name: String,
    /// Only services have this attribute.
    host_name: Option<String>,
    state: f64,
    /// Whether all dependencies were met at the last check.
    last_reachable: bool,
    state_type: f64,
    check_attempt: f64,
    max_check_attempts: f64,
    /// Time of the last check; -1 or absent before the first check.
    last_check: Option<f64>,
    next_check: f64,
    last_state_change: f64,
    last_hard_state_change: f64,
    #[serde(alias = "last_state_ok", alias = "last_state_up")]
    last_good: f64,
    /// 0 if the problem is not acknowledged, 1 if the acknowledgement ends when the state changes,
    /// and 2 if it is sticky, which means that it ends when the object recovers.
    acknowledgement: f64,
    flapping: bool,
    downtime_depth: f64,
    enable_event_handler: bool,
    vars: Option<Map<String, Value>>,
}

impl Row {
    /// Returns the status of the object.
    pub(super) fn object(&self) -> ObjectStatus {
        self.attrs.status()
    }

    /// Returns the status of the service's host, with only the name, the state and the downtimes
    /// filled in. If the object is a host, returns its own status. Returns `None` if the user may
    /// not see the host.
    pub(super) fn host(&self) -> Option<ObjectStatus> {
        match self.attrs.host_name {
            Some(_) => self.joins.host.as_ref().map(JoinedHost::status),
            None => Some(self.object()),
        }
    }
}

impl JoinedHost {
    fn status(&self) -> ObjectStatus {
        let digit = host_digit(self.state, self.last_reachable);
        let mut host = ObjectStatus::new(self.name.clone().into_bytes(), None, digit);
        host.downtime = self.downtime_depth as u32;
        host.is_reachable = self.last_reachable;
        host
    }
}

/// Returns the state of a host as Nagios encodes it. In Icinga 2, a host that cannot be reached is
/// DOWN.
fn host_digit(state: f64, is_reachable: bool) -> u8 {
    if state == 0.0 || is_reachable { state as u8 } else { 2 }
}

impl Attributes {
    fn status(&self) -> ObjectStatus {
        let name = |text: &String| text.clone().into_bytes();
        let mut object = match &self.host_name {
            Some(host) => ObjectStatus::new(name(host), Some(name(&self.name)), self.state as u8),
            None => {
                let digit = host_digit(self.state, self.last_reachable);
                ObjectStatus::new(name(&self.name), None, digit)
            }
        };
        object.is_reachable = self.last_reachable;
        object.repair = repair(self.vars.as_ref()).unwrap_or_default().into();
        object.state_type = if self.state_type == 0.0 { StateType::Soft } else { StateType::Hard };
        object.attempt = self.check_attempt as u32;
        object.max_attempts = self.max_check_attempts as u32;
        object.last_check = time(self.last_check.unwrap_or_default());
        object.next_check = time(self.next_check);
        object.last_change = time(self.last_state_change);
        object.last_hard_change = time(self.last_hard_state_change);
        object.last_good = time(self.last_good);
        // Icinga 2 has no problem IDs. Use the time of the last good result, which stays the same
        // until the object recovers. The event command passes the same time to the handler, in
        // whole seconds.
        object.problem_id = self.last_good as u64;
        object.acknowledged = self.acknowledgement != 0.0;
        object.flapping = self.flapping;
        object.downtime = self.downtime_depth as u32;
        object.knows_event_handler = true;
        object.event_handler_enabled = self.enable_event_handler;
        object
    }
}

/// Returns the repair that the custom variables of an object name.
fn repair(vars: Option<&Map<String, Value>>) -> Option<&str> {
    vars?.get("repair")?.as_str()
}

/// Converts a time in seconds since 1970. Returns `UNIX_EPOCH` if the number is not a valid time.
fn time(seconds: f64) -> SystemTime {
    let since = Duration::try_from_secs_f64(seconds).unwrap_or_default();
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// An object for which only the state was requested.
#[derive(Deserialize)]
pub(super) struct StateRow {
    attrs: StateAttribute,
}

#[derive(Deserialize)]
struct StateAttribute {
    state: f64,
}

impl StateRow {
    /// Whether the number of the object's state is at least `state`.
    pub(super) fn is_at_least(&self, state: f64) -> bool {
        self.attrs.state >= state
    }
}

/// An object for which only the names, the address and the custom variables were requested.
#[derive(Deserialize)]
pub(super) struct NameRow {
    attrs: NameAttributes,
}

#[derive(Deserialize)]
struct NameAttributes {
    name: String,
    host_name: Option<String>,
    #[serde(default)]
    address: String,
    vars: Option<Map<String, Value>>,
}

impl NameRow {
    /// Returns the name of the host, encoded by [`policy::spell`].
    pub(super) fn host(&self) -> String {
        spell(self.attrs.host_name.as_ref().unwrap_or(&self.attrs.name).as_bytes())
    }

    /// Returns the name of the host, or the description of the service, encoded by
    /// [`policy::spell`].
    pub(super) fn name(&self) -> String {
        spell(self.attrs.name.as_bytes())
    }

    /// Returns the address of the host; `None` if the host has no address.
    pub(super) fn address(&self) -> Option<&str> {
        Some(self.attrs.address.as_str()).filter(|address| !address.is_empty())
    }

    /// Returns the name of the repair; `None` if the object did not opt in.
    pub(super) fn repair(&self) -> Option<&str> {
        repair(self.attrs.vars.as_ref()).filter(|name| !name.is_empty())
    }
}

/// The status of Icinga 2 itself, at /v1/status/IcingaApplication.
#[derive(Deserialize)]
pub(super) struct ApplicationRow {
    status: ApplicationStatus,
}

#[derive(Deserialize)]
struct ApplicationStatus {
    icingaapplication: Application,
}

#[derive(Deserialize)]
struct Application {
    app: Settings,
}

#[derive(Deserialize)]
struct Settings {
    enable_event_handlers: bool,
    program_start: f64,
}

impl ApplicationRow {
    /// Returns the status of Icinga 2, with `now` as the time when it was sent.
    pub(super) fn program(&self, now: SystemTime) -> ProgramStatus {
        let Settings { enable_event_handlers, program_start } = self.status.icingaapplication.app;
        ProgramStatus {
            written: now,
            started: time(program_start),
            event_handlers: enable_event_handlers,
            event_handlers_line: 0,
        }
    }
}

/// The result of an action for one object.
#[derive(Deserialize)]
pub(super) struct ActionRow {
    /// Result of the action, as an HTTP status.
    pub(super) code: f64,
    /// What Icinga 2 did, or why it did nothing.
    pub(super) status: String,
}

/// What the API reports about the user and itself, at /v1.
#[derive(Debug, Deserialize)]
pub struct ApiUserInfo {
    /// The permissions of the user. Icinga 2 adds ` (filtered)` to a permission that covers only
    /// some objects.
    pub permissions: Vec<String>,
    /// The version of Icinga 2.
    pub version: String,
}

#[cfg(test)]
mod tests {
    use policy::ObjectState;

    use super::*;

    /// An answer from Icinga 2 2.13.6, except that `state` has the number format of newer versions.
    const ANSWER: &str = r#"{"attrs": {"acknowledgement": 1, "check_attempt": 2,
        "downtime_depth": 0, "enable_event_handler": true, "flapping": false, "host_name": "web1",
        "last_check": 1796108289.454982, "last_reachable": true, "last_hard_state_change": 1796108275.370958,
        "last_state_change": 1796108275.370958, "last_state_ok": 1796108270.954931,
        "max_check_attempts": 4, "name": "HTTP", "next_check": 1796108290.455005, "state": 2.0,
        "state_type": 0, "vars": {"repair": "httpd"}},
        "joins": {"host": {"downtime_depth": 1, "last_reachable": true, "name": "web1", "state": 1}},
        "meta": {}, "name": "web1!HTTP", "type": "Service"}"#;

    #[test]
    fn reads_a_service_with_its_host() {
        let row: Row = serde_json::from_str(ANSWER).unwrap();
        let service = row.object();
        assert!(service.is(b"web1", Some(b"HTTP")));
        assert_eq!((service.state(), service.state_type), (ObjectState::Critical, StateType::Soft));
        assert_eq!((service.attempt, service.max_attempts), (2, 4));
        assert_eq!((service.repair_name().as_str(), service.acknowledged), ("httpd", true));
        // The event command in nagios-config passes the same number as the problem ID.
        assert_eq!(service.problem_id, 1_796_108_270);
        let host = row.host().unwrap();
        assert!(host.is(b"web1", None) && !host.has_repair());
        assert_eq!((host.state(), host.downtime), (ObjectState::Down, 1));
    }

    #[test]
    fn reads_down_hosts_behind_a_fault_as_unreachable() {
        let text = ANSWER.replace("\"last_reachable\": true", "\"last_reachable\": false");
        let row: Row = serde_json::from_str(&text).unwrap();
        let (service, host) = (row.object(), row.host().unwrap());
        assert_eq!((service.state(), service.is_reachable), (ObjectState::Critical, false));
        assert_eq!((host.state(), host.is_reachable), (ObjectState::Unreachable, false));
        assert!(service.object_now(None, 0).unreachable);
        let up: Row = serde_json::from_str(&text.replace("\"state\": 1", "\"state\": 0")).unwrap();
        assert_eq!(up.host().unwrap().state(), ObjectState::Up);
    }

    #[test]
    fn accepts_times_before_1970_and_beyond_any_calendar() {
        assert_eq!(time(-1.0), SystemTime::UNIX_EPOCH);
        assert_eq!(time(f64::MAX), SystemTime::UNIX_EPOCH);
        assert_eq!(time(1.5), SystemTime::UNIX_EPOCH + Duration::from_millis(1500));
    }
}
