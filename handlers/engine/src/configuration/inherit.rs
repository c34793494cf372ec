//! Applies templates: `use` with several parents, `+` and `null`, as described in "Object
//! Inheritance" in Nagios' documentation. Each template is resolved once, and the objects that use
//! it share its values.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use super::define::Definition;
use super::directive::Directive;
use super::value::{DirectiveValue, Location};

/// The undefined templates, each with the location of its `use` line.
pub type MissingTemplates = BTreeSet<(Location, String)>;

/// An object with its templates applied. Each value keeps its location, which can be in a template.
#[derive(Debug)]
pub struct ResolvedObject {
    definition: Definition,
    parents: Parents,
}

impl ResolvedObject {
    /// Returns the location of the object's own definition.
    pub fn at(&self) -> &Location {
        &self.definition.at
    }

    /// Returns the value of a directive; `None` if it is missing, empty or `null`.
    pub fn get(&self, directive: Directive) -> Option<DirectiveValue> {
        let own = self.definition.own(directive);
        let theirs = self.parents.iter().filter_map(|template| template.get(directive));
        let mut value = theirs.fold(own, |own, theirs| Some(inherited(directive, own, theirs)))?;
        if let Some(rest) = value.text.strip_prefix('+') {
            value.text = rest.into();
        }
        Some(value).filter(|value| *value.text != *"null" && !value.text.is_empty())
    }

    /// Returns the text of a directive.
    pub fn text(&self, directive: Directive) -> Option<Rc<str>> {
        self.get(directive).map(|value| value.text)
    }

    /// Returns the value of an on/off directive if it is off. Returns `None` if it is on or
    /// missing.
    pub fn off(&self, directive: Directive) -> Option<DirectiveValue> {
        self.get(directive).filter(|value| !value.is_on())
    }
}

/// Splits a comma-separated list into its items.
pub fn items(list: &str) -> impl Iterator<Item = &str> {
    let items = list.split(',').map(|item| item.trim_matches([' ', '\t', '\r', '\n']));
    items.filter(|item| !item.is_empty())
}

/// Combines an object's own value with the inherited value `theirs`. The object's own value takes
/// precedence. If it is a list that begins with `+`, the inherited list is appended to it.
fn inherited(
    directive: Directive,
    own: Option<DirectiveValue>,
    theirs: &DirectiveValue,
) -> DirectiveValue {
    let Some(mut own) = own else { return theirs.clone() };
    let adds = own.text.starts_with('+') && directive != Directive::Repair;
    if adds && *theirs.text != *"null" {
        let (sign, theirs) = match theirs.text.strip_prefix('+') {
            Some(rest) => ("+", rest),
            None => ("", &*theirs.text),
        };
        own.text = format!("{sign}{},{theirs}", own.text.trim_start_matches('+')).into();
    }
    own
}

/// The templates that a `use` line names, in order.
type Parents = Rc<[Rc<Template>]>;

/// A template, including the values that it inherits from its own templates.
#[derive(Debug, Default)]
struct Template(Vec<(Directive, DirectiveValue)>);

impl Template {
    fn of(definition: &Definition) -> Template {
        let mut template = Template::default();
        for directive in definition.directives().filter(|directive| directive.is_inherited()) {
            if template.get(directive).is_none() {
                let value = definition.get(directive, true);
                template.0.extend(value.map(|value| (directive, value)));
            }
        }
        template
    }

    fn get(&self, directive: Directive) -> Option<&DirectiveValue> {
        self.0.iter().find(|(known, _)| *known == directive).map(|(_, value)| value)
    }

    fn inherit(&mut self, from: &Template) {
        for (directive, theirs) in &from.0 {
            match self.0.iter_mut().find(|(known, _)| known == directive) {
                Some((_, own)) => *own = inherited(*directive, Some(own.clone()), theirs),
                None => self.0.push((*directive, theirs.clone())),
            }
        }
    }
}

/// The templates of one type of object.
struct Templates<'a> {
    definitions: HashMap<Rc<str>, &'a Definition>,
    /// The templates resolved so far, by name.
    resolved: HashMap<Rc<str>, Rc<Template>>,
    /// For each distinct `use` line, its templates and the names that are undefined.
    lines: HashMap<Rc<str>, (Parents, Vec<String>)>,
    missing: &'a mut MissingTemplates,
}

/// Maximum length of a chain of templates. Templates beyond it are ignored, because a longer chain
/// could exhaust the stack. Chains written by people have fewer than ten templates.
const DEEPEST: usize = 500;

impl Templates<'_> {
    /// Returns the templates that a definition uses, and records the undefined ones.
    fn parents(&mut self, of: &Definition, depth: usize) -> Parents {
        let Some(line) = of.own(Directive::Use) else { return Parents::default() };
        if !self.lines.contains_key(&line.text) {
            let (mut parents, mut missing) = (Vec::new(), Vec::new());
            for name in items(&line.text) {
                match self.template(name, depth) {
                    Some(template) => parents.push(template),
                    None => missing.push(name.to_owned()),
                }
            }
            self.lines.insert(Rc::clone(&line.text), (parents.into(), missing));
        }
        let Some((parents, missing)) = self.lines.get(&line.text) else {
            return Parents::default();
        };
        self.missing.extend(missing.iter().map(|name| (line.at.clone(), name.clone())));
        Rc::clone(parents)
    }

    /// Returns a template, including the values that it inherits from its own templates. If
    /// templates form a cycle, a template that is requested again while it is being resolved passes
    /// on only its own values.
    fn template(&mut self, name: &str, depth: usize) -> Option<Rc<Template>> {
        if let Some(known) = self.resolved.get(name) {
            return Some(Rc::clone(known));
        }
        let definition = *self.definitions.get(name)?;
        let own = Rc::new(Template::of(definition));
        self.resolved.insert(name.into(), Rc::clone(&own));
        if depth >= DEEPEST {
            return Some(own);
        }
        let mut template = Template::of(definition);
        for parent in self.parents(definition, depth + 1).iter() {
            template.inherit(parent);
        }
        let template = Rc::new(template);
        self.resolved.insert(name.into(), Rc::clone(&template));
        Some(template)
    }
}

/// Returns the objects that the definitions of one type register, with their templates applied.
/// Definitions with `register 0` are only templates, so they are left out. Adds undefined templates
/// to `missing`.
pub fn registered(
    definitions: Vec<Definition>,
    missing: &mut MissingTemplates,
) -> Vec<ResolvedObject> {
    let named = |one| Some((Definition::own(one, Directive::Name)?.text, one));
    let mut templates = Templates {
        definitions: definitions.iter().filter_map(named).collect(),
        resolved: HashMap::new(),
        lines: HashMap::new(),
        missing,
    };
    let is_registered =
        |one: &Definition| one.own(Directive::Register).is_none_or(|register| register.is_on());
    let parents: Vec<Option<Parents>> = definitions
        .iter()
        .map(|one| is_registered(one).then(|| templates.parents(one, 0)))
        .collect();
    let objects = definitions.into_iter().zip(parents);
    objects
        .filter_map(|(definition, parents)| Some(ResolvedObject { definition, parents: parents? }))
        .collect()
}
