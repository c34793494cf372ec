//! The host or service that a command works on.

use std::fmt;
use std::os::unix::ffi::OsStrExt;

use clap::builder::{OsStringValueParser, TypedValueParser};
use ledger::Record;
use policy::{object_name, respell, spell};

/// Returns a parser for the names of hosts and services on the command line. The parser accepts the
/// raw bytes that Nagios uses, and the escaped form that repairctl prints.
pub fn name_parser() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(|word| match word.to_str() {
        Some(spelled) => respell(spelled),
        None => spell(word.as_bytes()),
    })
}

/// A host, or one service of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object<'a> {
    /// The host's name in Nagios. Bytes that are not UTF-8 are escaped; see `policy::spell`.
    pub host: &'a str,
    /// The service's description, or `None` for the host itself.
    pub service: Option<&'a str>,
}

impl Object<'_> {
    /// Returns the message for an object that the engine does not know. `services` lists the host's
    /// services, or is `None` if the engine does not know the host either.
    pub fn is_unknown(&self, engine: &str, services: Option<&[String]>) -> String {
        let Some(services) = services else {
            let host = Object { host: self.host, service: None };
            return format!("{engine} does not know host {host}");
        };
        let services: Vec<String> = services.iter().map(|name| plugin_kit::clean(name)).collect();
        let has = if services.is_empty() { "none".into() } else { services.join(", ") };
        let host = plugin_kit::clean(self.host);
        format!("{engine} does not know {self}; services of {host}: {has}")
    }
}

impl<'a> From<&'a Record> for Object<'a> {
    fn from(record: &'a Record) -> Object<'a> {
        Object { host: &record.host, service: record.service.as_deref() }
    }
}

impl fmt::Display for Object<'_> {
    /// Writes `host/service`, without control characters, because the names come from files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&plugin_kit::clean(&object_name(self.host, self.service)))
    }
}
