//! Values of the configuration and their locations.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use policy::{spell, unspell};

/// A location in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Path of the file.
    pub file: Rc<Path>,
    /// Line number, counted from 1; 0 stands for the whole file.
    pub line: u32,
}

impl fmt::Display for Location {
    /// Writes `file:line`, as compilers do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = plugin_kit::clean(&self.file.display().to_string());
        if self.line == 0 { write!(f, "{file}") } else { write!(f, "{file}:{}", self.line) }
    }
}

/// The value of a directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectiveValue {
    /// Text without its comment, with `\;` unescaped, and encoded by [`policy::spell`].
    pub text: Rc<str>,
    /// The comment after the value, including the `;` at its start.
    pub cut: Option<Rc<str>>,
    /// Location of the value.
    pub at: Location,
    /// Line of another value for the same directive in the same definition; `None` if there is
    /// none. That other value has no effect.
    pub again: Option<u32>,
}

impl DirectiveValue {
    /// Whether the value turns a switch on. Nagios computes this as `atoi(value) > 0`.
    pub fn is_on(&self) -> bool {
        number(&self.text).is_some_and(|number| number > 0.0)
    }

    /// Returns the value as a path. A relative path is resolved against the directory of the
    /// configuration file.
    pub fn path(&self) -> PathBuf {
        self.at.file.parent().unwrap_or(Path::new("")).join(file_name(&self.text))
    }
}

/// The strings in all values, each stored only once. The definitions of a large site repeat a few
/// strings thousands of times.
#[derive(Debug, Default)]
pub struct SharedTexts(HashSet<Rc<str>>);

impl SharedTexts {
    /// Encodes the text with [`policy::spell`], and returns the shared copy of the result.
    pub fn spelled(&mut self, text: &[u8]) -> Rc<str> {
        match str::from_utf8(text) {
            Ok(text) if !text.contains('\\') => self.shared(text),
            _ => self.shared(&spell(text)),
        }
    }

    /// Returns the shared copy of the text.
    pub fn shared(&mut self, text: &str) -> Rc<str> {
        if let Some(known) = self.0.get(text) {
            return Rc::clone(known);
        }
        let text: Rc<str> = text.into();
        self.0.insert(Rc::clone(&text));
        text
    }
}

/// Decodes a path that [`policy::spell`] has encoded.
pub fn file_name(text: &str) -> PathBuf {
    OsString::from_vec(unspell(text)).into()
}

/// Parses the number at the start of a value, as atoi(3) and strtod(3) do. Returns `None` if the
/// value does not start with a number.
pub fn number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-' || c == '+'))
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}
