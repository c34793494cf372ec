//! Reads Nagios' configuration files: the directives of the main file, and the objects with their
//! templates applied. Each value keeps its file and line. Objects that only Nagios needs, such as
//! contacts, are left out.

mod define;
mod directive;
mod expand;
mod host_groups;
mod inherit;
mod lines;
mod main_file;
mod object_cache;
mod objects;
mod reader;
#[cfg(test)]
mod tests;
mod value;

use std::path::Path;

pub use directive::Directive;
pub use inherit::ResolvedObject;
pub use main_file::{MainFile, MainFileError, find, places};
pub use object_cache::{AddressesOf, ObjectCache, ObjectCacheError};
pub use objects::Objects;
pub use value::{DirectiveValue, Location, number};

use reader::ConfigurationReader;

/// The content of the configuration files.
#[derive(Debug)]
pub struct Configuration {
    /// The main file. It is empty if an object file or the object cache was read instead.
    pub main: MainFile,
    /// The hosts, services and other objects.
    pub objects: Objects,
    /// The files that could not be read. Each comes with the location of the line that names it,
    /// and with the reason.
    pub unreadable: Vec<(Location, String)>,
}

/// Reads a main file with all its object files, or a single object file, or the object cache.
pub fn read(path: &Path) -> Configuration {
    let mut reader = ConfigurationReader::default();
    let main = reader.any_file(path).unwrap_or_else(|why| {
        reader.fail(path, 0, &why.to_string());
        None
    });
    if !reader.has_objects && reader.unreadable.is_empty() {
        let why =
            "this is not a Nagios configuration: it defines no objects and names no object files";
        reader.fail(path, 0, why);
    }
    let ConfigurationReader { definitions, mut texts, unreadable, .. } = reader;
    let objects = expand::expand(definitions, &mut texts);
    Configuration { main: main.unwrap_or_default(), objects, unreadable }
}
