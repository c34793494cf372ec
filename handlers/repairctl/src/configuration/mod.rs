//! Nagios' configuration as it is written: what its main file says, and its objects with their
//! templates filled in. Each value keeps its file and line. What only Nagios itself needs to know,
//! such as contacts, is left out.

mod define;
mod expand;
mod inherit;
mod lines;
mod main_file;

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

pub use expand::{Command, Objects};
pub use inherit::Object;
pub use main_file::{MainFile, read as read_file};

use main_file::Reader;

/// Where distributions and `make install` put the main file: Nagios 4, 3, Naemon, Icinga 1.
const PLACES: [&str; 7] = [
    "/etc/nagios4/nagios.cfg",
    "/etc/nagios/nagios.cfg",
    "/usr/local/nagios/etc/nagios.cfg",
    "/etc/naemon/naemon.cfg",
    "/etc/nagios3/nagios.cfg",
    "/etc/icinga/icinga.cfg",
    "/usr/local/icinga/etc/icinga.cfg",
];

/// A line of a file, counted from 1; line 0 is the whole file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The file.
    pub file: Rc<Path>,
    /// The line.
    pub line: u32,
}

impl fmt::Display for At {
    /// `file:line`, as compilers write it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = plugin_kit::clean(&self.file.display().to_string());
        if self.line == 0 { write!(f, "{file}") } else { write!(f, "{file}:{}", self.line) }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Without its comment, `\;` undone.
    pub text: String,
    /// What a `;` cut off.
    pub cut: Option<String>,
    /// Where.
    pub at: At,
}

impl Value {
    /// As Nagios reads a switch: `atoi(value) > 0`.
    pub fn is_on(&self) -> bool {
        number(&self.text).is_some_and(|number| number > 0.0)
    }
}

/// The number a value begins with, as atoi(3) and strtod(3) see it; `None` when it begins with
/// none.
pub fn number(text: &str) -> Option<f64> {
    let text = text.trim_start();
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-' || c == '+'))
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

/// A configuration that was read.
#[derive(Debug)]
pub struct Configuration {
    /// The main file; empty when an object file or the object cache was named instead.
    pub main: MainFile,
    /// The objects.
    pub objects: Objects,
    /// Files that could not be read.
    pub unreadable: Vec<(At, String)>,
}

/// The main file where distributions put it.
pub fn find() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|path| path.exists())
}

/// Where [`find`] looks, for people.
pub fn places() -> String {
    PLACES.join(", ")
}

/// Reads a main file and the objects it names; or, when it is one, an object file or the object
/// cache.
pub fn read(path: &Path) -> Configuration {
    let mut reader = Reader::default();
    let main = match main_file::read(path) {
        Err(why) => {
            reader.fail(path, 0, &why.to_string());
            MainFile::default()
        }
        Ok(text) if define::is_object_file(&text) => {
            reader.object_text(path, &text);
            MainFile::default()
        }
        Ok(text) => reader.main_file(path, &text),
    };
    if reader.definitions.is_empty() && reader.unreadable.is_empty() {
        reader.fail(
            path,
            0,
            "it defines nothing and names no file that does: this is no configuration of Nagios",
        );
    }
    Configuration {
        main,
        objects: expand::expand(&reader.definitions),
        unreadable: reader.unreadable,
    }
}

#[cfg(test)]
mod tests;
