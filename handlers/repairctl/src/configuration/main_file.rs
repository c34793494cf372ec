//! nagios.cfg, and reading all files it names.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::define::{self, Definition};
use super::lines::logical;
use super::{At, Value, number};

/// The directives of the main file; the value that counts is the last one.
#[derive(Debug, Default)]
pub struct MainFile {
    /// The file; `None` when there is none.
    pub file: Option<Rc<Path>>,
    directives: Vec<(String, Value)>,
    /// `$USERn$` of the resource files. Never shown: they hold passwords.
    users: Vec<(String, String)>,
}

impl MainFile {
    /// A directive.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.directives.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// A number, or what Nagios takes when it is not given.
    pub fn number(&self, name: &str, default: f64) -> f64 {
        self.get(name).and_then(|value| number(&value.text)).unwrap_or(default)
    }

    /// The whole file, for what is missing in it.
    pub fn at(&self) -> Option<At> {
        self.file.as_ref().map(|file| At { file: Rc::clone(file), line: 0 })
    }

    /// `text` with `$USERn$` filled in. To look at, not to show.
    pub fn with_users(&self, text: &str) -> String {
        self.users
            .iter()
            .fold(text.to_owned(), |text, (name, value)| text.replace(name.as_str(), value))
    }
}

/// Reads files and keeps what it found.
#[derive(Debug, Default)]
pub struct Reader {
    pub definitions: Vec<Definition>,
    pub unreadable: Vec<(At, String)>,
    /// Directories and main files that were read: links may go round in circles.
    seen: HashSet<PathBuf>,
}

impl Reader {
    /// Notes what could not be read, at the line that names it.
    pub fn fail(&mut self, file: &Path, line: u32, why: &str) {
        self.unreadable.push((At { file: file.into(), line }, why.to_owned()));
    }

    /// Reads the text of the main file and all it names.
    pub fn main_file(&mut self, path: &Path, text: &[u8]) -> MainFile {
        let mut main = MainFile { file: Some(path.into()), ..MainFile::default() };
        self.directives(path, text, &mut main);
        let named: Vec<(String, Value)> = main.directives.clone();
        for (name, value) in named {
            let place = beside(&value.at.file, &value.text);
            match name.as_str() {
                "cfg_file" => self.object_file(&place, &value.at),
                "cfg_dir" => self.object_directory(&place, &value.at),
                // Readable by Nagios alone, often; then only what $USERn$ holds is not known.
                "resource_file" => {
                    main.users.extend(read(&place).map(|text| users(&text)).unwrap_or_default())
                }
                _ => {}
            }
        }
        main
    }

    fn directives(&mut self, path: &Path, text: &[u8], main: &mut MainFile) {
        let file: Rc<Path> = path.into();
        for (line, text) in logical(text) {
            let at = At { file: Rc::clone(&file), line };
            let Some((name, value)) =
                text.trim().split_once('=').filter(|(name, _)| !name.starts_with('#'))
            else {
                continue;
            };
            let value = Value { text: value.trim().to_owned(), cut: None, at };
            let place = beside(path, &value.text);
            match name {
                "include_file" => self.more_directives(&place, &value.at, main),
                "include_dir" => {
                    for place in self.listed(&place, &value.at) {
                        self.more_directives(&place, &value.at, main);
                    }
                }
                _ => main.directives.push((name.to_owned(), value)),
            }
        }
    }

    fn more_directives(&mut self, path: &Path, named: &At, main: &mut MainFile) {
        if !self.is_new(path) {
            return;
        }
        match read(path) {
            Ok(text) => self.directives(path, &text, main),
            Err(why) => self.fail(&named.file, named.line, &format!("{}: {why}", path.display())),
        }
    }

    fn object_file(&mut self, path: &Path, named: &At) {
        match read(path) {
            Ok(text) => self.object_text(path, &text),
            Err(why) => self.fail(&named.file, named.line, &format!("{}: {why}", path.display())),
        }
    }

    /// Reads the text of an object file and what it includes.
    pub fn object_text(&mut self, path: &Path, text: &[u8]) {
        let read = define::parse(path, text);
        self.definitions.extend(read.definitions);
        for (name, value) in read.includes {
            let place = beside(path, &value.text);
            match name.as_str() {
                "include_file" if self.is_new(&place) => self.object_file(&place, &value.at),
                "include_dir" => self.object_directory(&place, &value.at),
                _ => {}
            }
        }
    }

    fn object_directory(&mut self, path: &Path, named: &At) {
        for place in self.listed(path, named) {
            self.object_file(&place, named);
        }
    }

    /// All `.cfg` files of a directory and those below it.
    fn listed(&mut self, path: &Path, named: &At) -> Vec<PathBuf> {
        if !self.is_new(path) {
            return Vec::new();
        }
        let mut entries: Vec<PathBuf> = match fs::read_dir(path) {
            Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
            Err(why) => {
                self.fail(&named.file, named.line, &format!("{}: {why}", path.display()));
                return Vec::new();
            }
        };
        entries.retain(|entry| {
            entry.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
        });
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

/// The longest file of a configuration, in bytes: the object cache of 100,000 services has 200 MB.
const LONGEST: u64 = 1 << 30;

/// A file, or what comes through a pipe of ours.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    Ok(safe_file::read(path, LONGEST, None)?)
}

/// Relative names are meant from the directory of the file they stand in.
fn beside(file: &Path, named: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(named)
}

fn users(text: &[u8]) -> Vec<(String, String)> {
    let lines = logical(text).into_iter();
    let pairs = lines.filter_map(|(_, line)| {
        line.trim().split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    });
    pairs.filter(|(name, _)| name.starts_with("$USER")).collect()
}
