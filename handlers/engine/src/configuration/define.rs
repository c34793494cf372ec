//! Parses the definitions of an object file, `define host { ... }`, without applying templates.

use std::borrow::Cow;
use std::path::Path;
use std::rc::Rc;

use super::lines::{logical, physical, stripped, without_comment};
use super::value::{DirectiveValue, Location};

/// The types of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectType {
    Command,
    Host,
    HostGroup,
    Service,
    TimePeriod,
    /// Any other type. These definitions are not used.
    Other,
}

/// One definition of an object. Directives have the names of Nagios' documentation, and the names
/// of custom variables are in capitals.
#[derive(Debug, Clone)]
pub struct Definition {
    pub kind: ObjectType,
    /// Location of the `define` line.
    pub at: Location,
    pub values: Vec<(String, DirectiveValue)>,
}

impl Definition {
    /// Returns the effective value of a directive. If a directive occurs more than once, this is
    /// the last value. For a custom variable, it is the first one.
    pub fn get(&self, name: &str) -> Option<&DirectiveValue> {
        let mut values =
            self.values.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
        if is_custom(name) { values.next() } else { values.next_back() }
    }
}

/// The content of an object file.
#[derive(Debug, Default)]
pub struct ObjectFile {
    pub definitions: Vec<Definition>,
    /// The `include_file=` and `include_dir=` lines.
    pub includes: Vec<(String, DirectiveValue)>,
}

/// Returns whether a file begins with a definition, and so is not a main file.
pub fn is_object_file(bytes: &[u8]) -> bool {
    let lines = logical(bytes);
    let first = lines
        .iter()
        .map(|(_, line)| line.trim())
        .find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    first.is_some_and(|line| line.starts_with("define") && !line.contains('='))
}

/// A text in the header of the object cache. Nagios writes the object cache without escapes, so a
/// `;` does not begin a comment there, and a backslash does not join lines.
const CACHE_MARK: &[u8] = b"OBJECT CACHE FILE";

/// Parses an object file. Skips invalid lines, because Nagios itself refuses them.
pub fn parse(path: &Path, bytes: &[u8]) -> ObjectFile {
    let head = bytes.get(..200.min(bytes.len())).unwrap_or_default();
    let is_cache = head.windows(CACHE_MARK.len()).any(|window| window == CACHE_MARK);
    let mut read = ObjectFile::default();
    let mut parser = DefinitionParser::new(path, |_| true);
    for (line, text) in if is_cache { physical(bytes).collect() } else { logical(bytes) } {
        let (text, cut) =
            if is_cache { (stripped(&text).to_owned(), None) } else { without_comment(&text) };
        match parser.line(line, &text, cut) {
            Some(Item::Definition(definition)) => read.definitions.push(definition),
            Some(Item::Include(name, value)) => read.includes.push((name, value)),
            None => {}
        }
    }
    read
}

/// An item of an object file. The parser returns it after the last line of the item.
pub enum Item {
    /// A definition, which ends with `}`.
    Definition(Definition),
    /// An `include_file=` or `include_dir=` line.
    Include(String, DirectiveValue),
}

/// A parser that takes the lines of an object file one at a time.
pub struct DefinitionParser {
    file: Rc<Path>,
    is_wanted: fn(&str) -> bool,
    open: Option<Definition>,
}

impl DefinitionParser {
    /// Creates a parser for a file. It keeps only the directives for which `is_wanted` returns
    /// true.
    pub fn new(file: &Path, is_wanted: fn(&str) -> bool) -> DefinitionParser {
        DefinitionParser { file: file.into(), is_wanted, open: None }
    }

    /// Parses the next line. `number` is the line number, from 1, `text` is the line without its
    /// comment and surrounding blanks, and `cut` is the comment.
    pub fn line(&mut self, number: u32, text: &str, cut: Option<String>) -> Option<Item> {
        let at = || Location { file: Rc::clone(&self.file), line: number };
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        if text == "}" {
            return self.open.take().map(Item::Definition);
        }
        if let Some(rest) = text.strip_prefix("define") {
            self.open = Some(Definition { kind: kind(rest), at: at(), values: Vec::new() });
        } else if let Some(definition) = &mut self.open {
            let (name, value) = text.split_once([' ', '\t']).unwrap_or((text, ""));
            let name = canonical(definition.kind, name);
            if (self.is_wanted)(&name) {
                let text = stripped(value).to_owned();
                let value = DirectiveValue { text, cut, at: at(), again: None };
                definition.values.push((name.into_owned(), value));
            }
        } else if let Some((name, value)) = text.split_once('=') {
            let value = DirectiveValue { text: value.to_owned(), cut, at: at(), again: None };
            return Some(Item::Include(name.to_owned(), value));
        }
        None
    }
}

fn kind(rest: &str) -> ObjectType {
    match rest.trim_start().split([' ', '\t', '{']).next() {
        Some("command") => ObjectType::Command,
        Some("host") => ObjectType::Host,
        Some("hostgroup") => ObjectType::HostGroup,
        Some("service") => ObjectType::Service,
        Some("timeperiod") => ObjectType::TimePeriod,
        _ => ObjectType::Other,
    }
}

/// Returns whether this is the name of a custom variable.
pub fn is_custom(name: &str) -> bool {
    name.starts_with('_')
}

/// Returns the canonical name of a directive. Custom variables are case-insensitive, and some
/// directives have older names.
fn canonical(kind: ObjectType, name: &str) -> Cow<'_, str> {
    if is_custom(name) {
        return name.to_ascii_uppercase().into();
    }
    match (kind, name) {
        (ObjectType::Service, "host") => "host_name",
        (ObjectType::Service, "hostgroup" | "hostgroups") => "hostgroup_name",
        (ObjectType::Service, "description") => "service_description",
        (ObjectType::Host, "host_groups") => "hostgroups",
        (_, "retry_check_interval") => "retry_interval",
        (_, "normal_check_interval") => "check_interval",
        (_, other) => other,
    }
    .into()
}
