//! What a command is about: everything, a host with its services, or one service.

use std::fmt;
use std::os::unix::ffi::OsStrExt;

use clap::builder::{OsStringValueParser, TypedValueParser};
use ledger::Record;
use policy::{respell, spell};

/// Parses a name on the command line: the bytes of Nagios, or the spelling that we print.
pub fn name_parser() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(|word| match word.to_str() {
        Some(spelled) => respell(spelled),
        None => spell(word.as_bytes()),
    })
}

/// A host, perhaps one service of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object<'a> {
    /// The host's name in Nagios, spelled.
    pub host: &'a str,
    /// The service's description; `None` is the host itself.
    pub service: Option<&'a str>,
}

impl Object<'_> {
    /// Says that Nagios does not know it, and which services its host has; `None` is a host that
    /// Nagios does not know either.
    pub fn is_unknown(&self, services: Option<&[String]>) -> String {
        let Some(services) = services else {
            let host = Object { host: self.host, service: None };
            return format!("Nagios knows no host {host}");
        };
        let services: Vec<String> = services.iter().map(|name| plugin_kit::clean(name)).collect();
        let has = if services.is_empty() { "none".into() } else { services.join(", ") };
        format!("Nagios knows no {self}; services of {}: {has}", plugin_kit::clean(self.host))
    }
}

impl<'a> From<&'a Record> for Object<'a> {
    fn from(record: &'a Record) -> Object<'a> {
        Object { host: &record.host, service: record.service.as_deref() }
    }
}

impl fmt::Display for Object<'_> {
    /// `host/service`, as everywhere in this project; cleaned, for these names come from files.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.service {
            Some(service) => format!("{}/{service}", self.host),
            None => self.host.to_owned(),
        };
        f.pad(&plugin_kit::clean(&text))
    }
}
