//! Parses the definitions in an object file (`define host { ... }`) without applying templates.

use std::path::Path;
use std::rc::Rc;

use super::directive::{Directive, ObjectType};
use super::lines::{stripped, without_comment};
use super::value::{DirectiveValue, Location, SharedTexts};

/// An object definition with the directives that these programs use.
#[derive(Debug)]
pub struct Definition {
    pub kind: ObjectType,
    /// Location of the `define` line.
    pub at: Location,
    lines: Vec<DirectiveLine>,
}

/// A line in a definition. A large site has a million such lines, so this type is kept small.
#[derive(Debug)]
struct DirectiveLine {
    directive: Directive,
    /// Line number, counted from 1, in the file that contains the definition.
    number: u32,
    text: Rc<str>,
    /// The comment after the value, including the `;` at its start.
    cut: Option<Rc<str>>,
}

impl Definition {
    /// Returns the value of a directive in the definition itself, ignoring templates. If the
    /// directive occurs more than once, the last value counts. There is one exception: if an object
    /// that is not a template repeats a custom variable, the first value counts (observed in Nagios
    /// 4.4.6).
    pub fn get(&self, directive: Directive, is_template: bool) -> Option<DirectiveValue> {
        let mut all = self.lines.iter().filter(|line| line.directive == directive);
        let first = all.next()?;
        let (line, again) = match all.next_back() {
            Some(last) if directive == Directive::Repair && !is_template => (first, Some(last)),
            Some(last) => (last, all.next_back().or(Some(first))),
            None => (first, None),
        };
        Some(DirectiveValue {
            text: Rc::clone(&line.text),
            cut: line.cut.clone(),
            at: Location { file: Rc::clone(&self.at.file), line: line.number },
            again: again.map(|line| line.number),
        })
    }

    /// Returns a directive's value as [`Definition::get`] does for an object that is not a
    /// template.
    pub fn own(&self, directive: Directive) -> Option<DirectiveValue> {
        self.get(directive, false)
    }

    /// Returns the definition's directives. A directive that occurs more than once is returned once
    /// for each occurrence.
    pub fn directives(&self) -> impl Iterator<Item = Directive> {
        self.lines.iter().map(|line| line.directive)
    }
}

/// An item in an object file. The parser returns an item when it has read the item's last line.
pub enum Item {
    /// A definition, which ends with `}`.
    Definition(Definition),
    /// An `include_file=` or `include_dir=` line.
    Include(String, DirectiveValue),
}

/// A parser that takes the lines of an object file one at a time. It skips invalid lines, because
/// Nagios itself rejects them.
pub struct DefinitionParser<'a> {
    file: Rc<Path>,
    has_comments: bool,
    texts: &'a mut SharedTexts,
    open: Option<Definition>,
}

impl<'a> DefinitionParser<'a> {
    /// Creates a parser for a file. `has_comments` is false for Nagios' object cache. Nagios writes
    /// the cache without escapes, so a `;` does not begin a comment there.
    pub fn new(file: &Path, has_comments: bool, texts: &'a mut SharedTexts) -> Self {
        DefinitionParser { file: file.into(), has_comments, texts, open: None }
    }

    /// Parses the next line. `number` is the line number, counted from 1.
    pub fn line(&mut self, number: u32, line: &[u8]) -> Option<Item> {
        let (text, cut) =
            if self.has_comments { without_comment(line) } else { (stripped(line).into(), None) };
        if text.is_empty() || text.starts_with(b"#") {
            return None;
        }
        if *text == *b"}" {
            let mut closed = self.open.take()?;
            closed.lines.shrink_to_fit();
            return Some(Item::Definition(closed));
        }
        let at = || Location { file: Rc::clone(&self.file), line: number };
        if let Some(rest) = text.strip_prefix(b"define") {
            let kind = ObjectType::parse(rest);
            self.open = Some(Definition { kind, at: at(), lines: Vec::new() });
        } else if let Some(definition) = &mut self.open {
            let (name, value) = split(&text, |byte| matches!(byte, b' ' | b'\t'));
            let directive = Directive::parse(definition.kind, name)?;
            let text = self.texts.spelled(stripped(value.unwrap_or_default()));
            let cut = cut.map(|cut| self.texts.spelled(cut));
            definition.lines.push(DirectiveLine { directive, number, text, cut });
        } else if let (name, Some(value)) = split(&text, |byte| byte == b'=') {
            let value = DirectiveValue {
                text: self.texts.spelled(value),
                cut: cut.map(|cut| self.texts.spelled(cut)),
                at: at(),
                again: None,
            };
            return Some(Item::Include(policy::spell(name), value));
        }
        None
    }
}

/// Splits `text` at the first byte that `is_end` accepts. If there is no such byte, the second part
/// is `None`.
fn split(text: &[u8], is_end: impl Fn(u8) -> bool) -> (&[u8], Option<&[u8]>) {
    let mut parts = text.splitn(2, |byte| is_end(*byte));
    (parts.next().unwrap_or_default(), parts.next())
}
