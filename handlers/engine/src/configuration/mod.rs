//! Reads Nagios' configuration files: the directives of the main file, and the objects with their
//! templates applied. Each value keeps its file and line. Objects that only Nagios needs, such as
//! contacts, are left out.

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

/// The content of the configuration files.
#[derive(Debug)]
pub struct Configuration {
    /// The main file. It is empty if an object file or the object cache was read instead.
    pub main: MainFile,
    /// The hosts, services and other objects.
    pub objects: Objects,
    /// The files that could not be read. Each has the location that names the file, and the reason.
    pub unreadable: Vec<(Location, String)>,
}

/// Reads a main file with all its object files, or a single object file, or the object cache.
pub fn read(path: &Path) -> Configuration {
    let mut reader = ConfigurationReader::default();
    let mut main = MainFile::default();
    match main_file::read(path) {
        Err(why) => reader.fail(path, 0, &why.to_string()),
        Ok(text) if define::is_object_file(&text) => reader.object_text(path, &text),
        Ok(text) => main = reader.main_file(path, &text),
    }
    if reader.definitions.is_empty() && reader.unreadable.is_empty() {
        let why = "this is not a configuration of Nagios: it defines no objects and names no \
                   object files";
        reader.fail(path, 0, why);
    }
    let objects = expand::expand(&reader.definitions);
    Configuration { main, objects, unreadable: reader.unreadable }
}
