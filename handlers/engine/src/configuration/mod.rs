//! Nagios' configuration as it is written: the directives of its main file, and its objects with
//! their templates filled in. Each value keeps its file and line. What only Nagios itself needs,
//! such as contacts, is left out.

mod define;
mod expand;
mod inherit;
mod lines;
mod main_file;
mod object_cache;
mod reader;
#[cfg(test)]
mod tests;
mod value;

use std::path::Path;

pub use expand::Objects;
pub use inherit::ResolvedObject;
pub use main_file::{MainFile, MainFileError, find, places};
pub use object_cache::{ObjectCache, ObjectCacheError};
pub use value::{DirectiveValue, Location, number};

use reader::ConfigurationReader;

/// A configuration that was read.
#[derive(Debug)]
pub struct Configuration {
    /// The main file; empty if an object file or the object cache was named instead.
    pub main: MainFile,
    /// The objects.
    pub objects: Objects,
    /// Files that could not be read, at the line that names them, and why.
    pub unreadable: Vec<(Location, String)>,
}

/// Reads a main file and the objects it names; or an object file, or the object cache.
pub fn read(path: &Path) -> Configuration {
    let mut reader = ConfigurationReader::default();
    let mut main = MainFile::default();
    match main_file::read(path) {
        Err(why) => reader.fail(path, 0, &why.to_string()),
        Ok(text) if define::is_object_file(&text) => reader.object_text(path, &text),
        Ok(text) => main = reader.main_file(path, &text),
    }
    if reader.definitions.is_empty() && reader.unreadable.is_empty() {
        let why =
            "it defines nothing and names no file that does: this is no configuration of Nagios";
        reader.fail(path, 0, why);
    }
    let objects = expand::expand(&reader.definitions);
    Configuration { main, objects, unreadable: reader.unreadable }
}
