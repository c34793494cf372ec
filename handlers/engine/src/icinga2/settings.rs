//! The settings of hosts and services in Icinga 2 that decide whether a fault can lead to a repair.

use std::path::PathBuf;

use policy::{object_name, spell};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The attributes that [`SettingsRow`] needs. Of a service, it also needs `host_name`.
pub(super) const SETTINGS: [&str; 10] = [
    "name",
    "vars",
    "event_command",
    "enable_event_handler",
    "enable_active_checks",
    "enable_passive_checks",
    "max_check_attempts",
    "retry_interval",
    "volatile",
    "source_location",
];

/// The settings of a host or a service that has opted in.
#[derive(Debug, Clone)]
pub struct RepairSettings {
    /// Name of the host, encoded by [`policy::spell`].
    pub host: String,
    /// Name of the service, encoded by [`policy::spell`]; `None` for a host.
    pub service: Option<String>,
    /// Value of `vars.repair`; `None` if it is not a string.
    pub repair: Option<String>,
    /// Name of the event command. Empty if there is none.
    pub event_command: String,
    /// Whether Icinga 2 runs the event command.
    pub event_handler: bool,
    /// Whether Icinga 2 checks the object itself.
    pub active_checks: bool,
    /// Whether Icinga 2 accepts results from other programs.
    pub passive_checks: bool,
    /// After how many bad results a problem is HARD.
    pub max_check_attempts: u32,
    /// Time between two checks of a SOFT problem, in seconds.
    pub retry_interval: f64,
    /// Whether every bad result counts as a new HARD problem.
    pub is_volatile: bool,
    /// File with the definition of the object, or with the apply rule that has created it.
    pub file: PathBuf,
    /// First line of the definition.
    pub line: u32,
}

impl RepairSettings {
    /// Returns `host` or `host/service`.
    pub fn label(&self) -> String {
        object_name(&self.host, self.service.as_deref())
    }
}

/// A host or a service in an answer from the API.
#[derive(Deserialize)]
pub(super) struct SettingsRow {
    attrs: SettingsAttributes,
}

#[derive(Deserialize)]
struct SettingsAttributes {
    name: String,
    host_name: Option<String>,
    vars: Option<Map<String, Value>>,
    event_command: Option<String>,
    enable_event_handler: bool,
    enable_active_checks: bool,
    enable_passive_checks: bool,
    max_check_attempts: f64,
    retry_interval: f64,
    volatile: bool,
    source_location: Option<SourceLocation>,
}

#[derive(Default, Deserialize)]
struct SourceLocation {
    path: PathBuf,
    first_line: f64,
}

impl From<SettingsRow> for RepairSettings {
    fn from(SettingsRow { attrs }: SettingsRow) -> RepairSettings {
        let name = spell(attrs.name.as_bytes());
        let host = attrs.host_name.map(|host| spell(host.as_bytes()));
        let (host, service) = match host {
            Some(host) => (host, Some(name)),
            None => (name, None),
        };
        let repair = attrs.vars.as_ref().and_then(|vars| vars.get("repair")?.as_str());
        let SourceLocation { path, first_line } = attrs.source_location.unwrap_or_default();
        RepairSettings {
            host,
            service,
            repair: repair.map(str::to_owned),
            event_command: attrs.event_command.unwrap_or_default(),
            event_handler: attrs.enable_event_handler,
            active_checks: attrs.enable_active_checks,
            passive_checks: attrs.enable_passive_checks,
            max_check_attempts: attrs.max_check_attempts as u32,
            retry_interval: attrs.retry_interval,
            is_volatile: attrs.volatile,
            file: path,
            line: first_line as u32,
        }
    }
}
