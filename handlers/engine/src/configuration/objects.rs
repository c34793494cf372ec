//! The objects of a configuration, with templates and host groups applied.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::inherit::{MissingTemplates, ResolvedObject};
use super::value::DirectiveValue;

/// All objects of a configuration.
#[derive(Debug, Default)]
pub struct Objects {
    /// The command lines, by command name.
    pub commands: BTreeMap<Rc<str>, DirectiveValue>,
    /// The hosts, in the order of the files.
    pub hosts: Vec<HostDefinition>,
    /// The service definitions, in the order of the files. One definition can apply to many hosts.
    pub services: Vec<ServiceDefinition>,
    /// The names of the time periods that cover the whole week.
    pub always: BTreeSet<Rc<str>>,
    /// The undefined templates, each with the location of its `use` line.
    pub missing: MissingTemplates,
}

impl Objects {
    /// Returns the command line of an event handler, which is given as `name` or
    /// `name!argument!...`.
    pub fn command(&self, handler: &str) -> Option<&DirectiveValue> {
        self.commands.get(handler.split('!').next()?)
    }
}

/// A host in the configuration.
#[derive(Debug)]
pub struct HostDefinition {
    /// The host's `host_name`.
    pub name: Rc<str>,
    /// The directives of the host, with its templates applied.
    pub object: ResolvedObject,
}

/// A service in the configuration, which runs on one or more hosts.
#[derive(Debug)]
pub struct ServiceDefinition {
    /// The service's `service_description`.
    pub description: Rc<str>,
    /// Names of the hosts that have this service.
    pub hosts: Vec<Rc<str>>,
    /// The directives of the service, with its templates applied.
    pub object: ResolvedObject,
}
