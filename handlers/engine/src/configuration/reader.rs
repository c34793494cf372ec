//! Reads a main file or an object file, and all files that it includes.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use super::define::{self, Definition};
use super::lines::logical;
use super::main_file::{self, MainFile, read};
use super::value::Location;

/// Reads configuration files and collects their definitions.
#[derive(Debug, Default)]
pub struct ConfigurationReader {
    pub definitions: Vec<Definition>,
    pub unreadable: Vec<(Location, String)>,
    /// Directories and files that were read already, because symbolic links can form cycles.
    seen: HashSet<PathBuf>,
}

impl ConfigurationReader {
    /// Records a file that could not be read, with the location that names it.
    pub fn fail(&mut self, file: &Path, line: u32, why: &str) {
        self.unreadable.push((Location { file: file.into(), line }, why.to_owned()));
    }

    /// Parses the text of the main file and reads all files that it names.
    pub fn main_file(&mut self, path: &Path, text: &[u8]) -> MainFile {
        let mut main = MainFile::at_path(path);
        self.directives(path, text, &mut main);
        for (name, value) in main.directives.clone() {
            let place = value.path();
            match name.as_str() {
                "cfg_file" => self.object_file(&place, &value.at),
                "cfg_dir" => self.object_directory(&place, &value.at),
                // Often only Nagios can read the resource files. $USERn$ is unknown then.
                "resource_file" => {
                    main.users.extend(read(&place).map(|text| users(&text)).unwrap_or_default())
                }
                _ => {}
            }
        }
        main
    }

    fn directives(&mut self, path: &Path, text: &[u8], main: &mut MainFile) {
        for (name, value) in main_file::directives(path, text) {
            let place = value.path();
            match name.as_str() {
                "include_file" => self.more_directives(&place, &value.at, main),
                "include_dir" => {
                    for place in self.listed(&place, &value.at) {
                        self.more_directives(&place, &value.at, main);
                    }
                }
                _ => main.directives.push((name, value)),
            }
        }
    }

    fn more_directives(&mut self, path: &Path, named: &Location, main: &mut MainFile) {
        if self.is_new(path)
            && let Some(text) = self.noted(read(path), path, named)
        {
            self.directives(path, &text, main);
        }
    }

    fn object_file(&mut self, path: &Path, named: &Location) {
        if let Some(text) = self.noted(read(path), path, named) {
            self.object_text(path, &text);
        }
    }

    /// Returns the successful result of a read. Records a failed one and returns `None`.
    fn noted<T>(&mut self, what: io::Result<T>, path: &Path, named: &Location) -> Option<T> {
        let note = |why: &io::Error| {
            self.fail(&named.file, named.line, &format!("{}: {why}", path.display()));
        };
        what.inspect_err(note).ok()
    }

    /// Parses the text of an object file and reads all files that it includes.
    pub fn object_text(&mut self, path: &Path, text: &[u8]) {
        let read = define::parse(path, text);
        self.definitions.extend(read.definitions);
        for (name, value) in read.includes {
            let place = value.path();
            match name.as_str() {
                "include_file" if self.is_new(&place) => self.object_file(&place, &value.at),
                "include_dir" => self.object_directory(&place, &value.at),
                _ => {}
            }
        }
    }

    fn object_directory(&mut self, path: &Path, named: &Location) {
        for place in self.listed(path, named) {
            self.object_file(&place, named);
        }
    }

    /// Returns all `.cfg` files in a directory and its subdirectories.
    fn listed(&mut self, path: &Path, named: &Location) -> Vec<PathBuf> {
        if !self.is_new(path) {
            return Vec::new();
        }
        let Some(entries) = self.noted(fs::read_dir(path), path, named) else { return Vec::new() };
        let is_shown = |entry: &DirEntry| !entry.file_name().as_encoded_bytes().starts_with(b".");
        let mut entries: Vec<PathBuf> =
            entries.flatten().filter(is_shown).map(|entry| entry.path()).collect();
        entries.sort();
        let mut files = Vec::new();
        for entry in entries {
            if entry.is_dir() {
                files.extend(self.listed(&entry, named));
            } else if entry.extension().is_some_and(|extension| extension == "cfg") {
                files.push(entry);
            }
        }
        files
    }

    fn is_new(&mut self, path: &Path) -> bool {
        self.seen.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()))
    }
}

fn users(text: &[u8]) -> Vec<(String, String)> {
    let lines = logical(text).into_iter();
    let pairs = lines.filter_map(|(_, line)| {
        line.trim().split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    });
    pairs.filter(|(name, _)| name.starts_with("$USER")).collect()
}
