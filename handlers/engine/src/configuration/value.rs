//! A value of the configuration, and where it is written.

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use policy::unspell;

/// A line of a file, counted from 1; line 0 is the whole file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file.
    pub file: Rc<Path>,
    /// The line.
    pub line: u32,
}

impl fmt::Display for Location {
    /// `file:line`, as compilers write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = plugin_kit::clean(&self.file.display().to_string());
        if self.line == 0 { write!(f, "{file}") } else { write!(f, "{file}:{}", self.line) }
    }
}

/// The value of a directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectiveValue {
    /// Without its comment, `\;` undone; spelled as [`policy::spell`] does.
    pub text: String,
    /// The comment that a `;` began, with the `;`.
    pub cut: Option<String>,
    /// Where it is written.
    pub at: Location,
    /// Where the same definition writes it again, to no effect.
    pub again: Option<Location>,
}

impl DirectiveValue {
    /// Reads a switch as Nagios does: `atoi(value) > 0`.
    pub fn is_on(&self) -> bool {
        number(&self.text).is_some_and(|number| number > 0.0)
    }

    /// Returns the file that it names, which is relative to the directory of the file it is in.
    pub fn path(&self) -> PathBuf {
        self.at.file.parent().unwrap_or(Path::new("")).join(file_name(&self.text))
    }
}

/// The path that a spelled text names.
pub fn file_name(text: &str) -> PathBuf {
    OsString::from_vec(unspell(text)).into()
}

/// The number a value begins with, as atoi(3) and strtod(3) see it; `None` if there is none.
pub fn number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-' || c == '+'))
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}
