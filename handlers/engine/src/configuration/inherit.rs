//! Applies templates: `use` with several parents, `+` and `null`, as described in "Object
//! Inheritance" in the documentation of Nagios.

use std::collections::{BTreeSet, HashMap};

use super::define::{Definition, ObjectType, is_custom};
use super::lines::stripped;
use super::value::{DirectiveValue, Location};

/// The undefined templates, each with the location of its `use` line.
pub type MissingTemplates = BTreeSet<(Location, String)>;

/// An object with the values of its templates. Each value keeps its location, which can be in a
/// template.
#[derive(Debug, Clone)]
pub struct ResolvedObject {
    /// Location of the definition of the object itself.
    pub at: Location,
    values: HashMap<String, DirectiveValue>,
}

impl ResolvedObject {
    /// Returns the value of a directive; `None` if it is missing, empty or `null`.
    pub fn get(&self, name: &str) -> Option<&DirectiveValue> {
        self.values.get(name).filter(|value| value.text != "null" && !value.text.is_empty())
    }

    /// Returns the text of a directive.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(|value| value.text.as_str())
    }

    /// Returns the value of a switch if it is turned off.
    pub fn off(&self, name: &str) -> Option<&DirectiveValue> {
        self.get(name).filter(|value| !value.is_on())
    }

    /// Returns the items of a directive with a comma-separated list.
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        items(self.text(name).unwrap_or_default())
    }
}

/// Splits a comma-separated list into its items.
pub fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(stripped).filter(|item| !item.is_empty())
}

/// The templates of one type of object, by name.
pub struct Templates<'a>(HashMap<&'a str, &'a Definition>);

impl<'a> Templates<'a> {
    /// Collects the templates among these definitions.
    pub fn new(kind: ObjectType, all: &'a [Definition]) -> Templates<'a> {
        let of_kind = all.iter().filter(|definition| definition.kind == kind);
        let named = |one: &'a Definition| Some((one.get("name")?.text.as_str(), one));
        Templates(of_kind.filter_map(named).collect())
    }

    /// Returns the object of a definition, with its templates applied. Adds undefined templates to
    /// `missing`.
    pub fn fill(&self, definition: &Definition, missing: &mut MissingTemplates) -> ResolvedObject {
        let mut values = self.values(definition, &mut Vec::new(), missing);
        for value in values.values_mut() {
            if let Some(rest) = value.text.strip_prefix('+') {
                value.text = rest.to_owned();
            }
        }
        ResolvedObject { at: definition.at.clone(), values }
    }

    fn values(
        &self,
        of: &Definition,
        path: &mut Vec<Location>,
        missing: &mut MissingTemplates,
    ) -> HashMap<String, DirectiveValue> {
        let mut values = own_values(of, path.is_empty());
        if path.contains(&of.at) {
            return values;
        }
        path.push(of.at.clone());
        for parent in of.get("use").map(|parents| items(&parents.text)).into_iter().flatten() {
            let Some(template) = self.0.get(parent) else {
                missing.extend(of.get("use").map(|value| (value.at.clone(), parent.to_owned())));
                continue;
            };
            for (name, value) in self.values(template, path, missing) {
                inherit(&mut values, name, value);
            }
        }
        path.pop();
        values
    }
}

/// Returns the values of a definition without its templates. If a name occurs more than once, the
/// last value counts. For a custom variable of the object itself, however, the first one counts
/// (observed in Nagios 4.4.6).
fn own_values(of: &Definition, is_the_object: bool) -> HashMap<String, DirectiveValue> {
    let mut values: HashMap<String, DirectiveValue> = HashMap::new();
    for (name, value) in of.values.iter().cloned() {
        match values.get_mut(&name) {
            None => drop(values.insert(name, value)),
            Some(first) if is_custom(&name) && is_the_object => first.again = Some(value.at),
            Some(before) => {
                let again = Some(before.at.clone());
                *before = DirectiveValue { again, ..value };
            }
        }
    }
    values
}

/// Adds an inherited value. The object's own value takes precedence. If it is a list that begins
/// with `+`, the inherited list is appended to it.
fn inherit(values: &mut HashMap<String, DirectiveValue>, name: String, value: DirectiveValue) {
    if matches!(name.as_str(), "name" | "register" | "use") {
        return;
    }
    match values.get_mut(&name) {
        None => {
            values.insert(name, value);
        }
        Some(own)
            if own.text.starts_with('+') && !name.starts_with('_') && value.text != "null" =>
        {
            let (theirs, continues) = match value.text.strip_prefix('+') {
                Some(rest) => (rest, true),
                None => (value.text.as_str(), false),
            };
            let ours = own.text.trim_start_matches('+');
            own.text = format!("{}{ours},{theirs}", if continues { "+" } else { "" });
        }
        Some(_) => {}
    }
}
