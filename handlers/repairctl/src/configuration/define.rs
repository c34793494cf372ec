//! `define host { ... }`: the definitions of an object file, as they are written.

use std::path::Path;
use std::rc::Rc;

use super::lines::{logical, physical, without_comment};
use super::{At, Value};

/// What is read of Nagios' kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A command.
    Command,
    /// A host.
    Host,
    /// A group of hosts.
    HostGroup,
    /// A service.
    Service,
    /// All others.
    Other,
}

/// One definition: names of directives as Nagios' documentation writes them, those of custom
/// variables in capitals.
#[derive(Debug, Clone)]
pub struct Definition {
    pub kind: Kind,
    /// Its `define` line.
    pub at: At,
    pub values: Vec<(String, Value)>,
}

impl Definition {
    /// The value that counts: the last one.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

/// What an object file holds.
#[derive(Debug, Default)]
pub struct ObjectFile {
    pub definitions: Vec<Definition>,
    /// `include_file=` and `include_dir=` lines.
    pub includes: Vec<(String, Value)>,
}

/// Whether a file begins with a definition, and so is no main file.
pub fn is_object_file(bytes: &[u8]) -> bool {
    let lines = logical(bytes);
    let first = lines
        .iter()
        .map(|(_, line)| line.trim())
        .find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    first.is_some_and(|line| line.starts_with("define") && !line.contains('='))
}

/// Nagios writes its object cache without escaping what it unescaped when it read: `;` begins no
/// comment there, and no line goes on in the next one.
const CACHE_MARK: &[u8] = b"OBJECT CACHE FILE";

/// Reads an object file. What is no definition is left to Nagios, which refuses it.
pub fn parse(path: &Path, bytes: &[u8]) -> ObjectFile {
    let head = bytes.get(..200.min(bytes.len())).unwrap_or_default();
    let is_cache = head.windows(CACHE_MARK.len()).any(|window| window == CACHE_MARK);
    let file: Rc<Path> = path.into();
    let mut read = ObjectFile::default();
    let mut open: Option<Definition> = None;
    for (line, text) in if is_cache { physical(bytes) } else { logical(bytes) } {
        let at = At { file: Rc::clone(&file), line };
        let (text, cut) =
            if is_cache { (text.trim().to_owned(), None) } else { without_comment(&text) };
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if text == "}" {
            read.definitions.extend(open.take());
        } else if let Some(rest) = text.strip_prefix("define") {
            open = Some(Definition { kind: kind(rest), at, values: Vec::new() });
        } else if let Some(definition) = &mut open {
            let (name, value) = text.split_once([' ', '\t']).unwrap_or((&text, ""));
            let value = Value { text: value.trim().to_owned(), cut, at };
            definition.values.push((canonical(definition.kind, name), value));
        } else if let Some((name, value)) = text.split_once('=') {
            read.includes.push((name.to_owned(), Value { text: value.to_owned(), cut, at }));
        }
    }
    read
}

fn kind(rest: &str) -> Kind {
    match rest.trim_start().split([' ', '\t', '{']).next() {
        Some("command") => Kind::Command,
        Some("host") => Kind::Host,
        Some("hostgroup") => Kind::HostGroup,
        Some("service") => Kind::Service,
        _ => Kind::Other,
    }
}

/// Custom variables are the same in any case; some directives have older names.
fn canonical(kind: Kind, name: &str) -> String {
    if name.starts_with('_') {
        return name.to_ascii_uppercase();
    }
    let known = match (kind, name) {
        (Kind::Service, "host") => "host_name",
        (Kind::Service, "hostgroup" | "hostgroups") => "hostgroup_name",
        (Kind::Service, "description") => "service_description",
        (Kind::Host, "host_groups") => "hostgroups",
        (_, "retry_check_interval") => "retry_interval",
        (_, "normal_check_interval") => "check_interval",
        (_, other) => other,
    };
    known.to_owned()
}
