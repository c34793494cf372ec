//! Reads a main file or an object file, and all files that it includes.

use std::collections::HashSet;
use std::fs::{self, DirEntry};
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use memchr::memmem;
use policy::spell;
use safe_file::Input;

use super::define::{Definition, DefinitionParser, Item};
use super::directive::ObjectType;
use super::lines::{ConfigurationLines, logical};
use super::main_file::{self, LONGEST_OF_ANY, MainFile, read};
use super::value::{DirectiveValue, Location, SharedTexts};

/// Reads configuration files and collects their definitions.
#[derive(Debug, Default)]
pub struct ConfigurationReader {
    /// The definitions of all object types that these programs use.
    pub definitions: Vec<Definition>,
    /// The strings that the definitions share.
    pub texts: SharedTexts,
    /// Whether the files define any object.
    pub has_objects: bool,
    pub unreadable: Vec<(Location, String)>,
    /// Directories and files that were already read. They are not read twice, because symbolic
    /// links can form cycles.
    seen: HashSet<PathBuf>,
}

impl ConfigurationReader {
    /// Records a file that could not be read, with the location of the line that names the file.
    pub fn fail(&mut self, file: &Path, line: u32, why: &str) {
        self.unreadable.push((Location { file: file.into(), line }, why.to_owned()));
    }

    /// Reads a main file with all files that it names, or an object file. Returns `None` for an
    /// object file.
    ///
    /// # Errors
    /// Fails if the file is not readable.
    pub fn any_file(&mut self, path: &Path) -> io::Result<Option<MainFile>> {
        let mut file = OpenFile::open(path)?;
        while let Some((_, line)) = file.lines.next_line()? {
            let line = spell(line);
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            // In a main file, every directive contains a `=`.
            let is_object_file = line.starts_with("define") && !line.contains('=');
            file.lines.unread();
            if is_object_file {
                return self.definitions_of(path, file).map(|()| None);
            }
            break;
        }
        let directives = main_file::directives(path, &mut file.lines)?;
        Ok(Some(self.main_file(path, directives)))
    }

    /// Reads all files that the directives of the main file name.
    fn main_file(&mut self, path: &Path, directives: Vec<(String, DirectiveValue)>) -> MainFile {
        let mut main = MainFile::at_path(path);
        self.directives(directives, &mut main);
        for (name, value) in main.directives.clone() {
            let place = value.path();
            match name.as_str() {
                "cfg_file" => self.object_file(&place, &value.at),
                "cfg_dir" => self.object_directory(&place, &value.at),
                // Ignore a resource file that cannot be read. Often only Nagios can read it, and
                // the values of $USERn$ are then unknown.
                "resource_file" => {
                    main.users.extend(read(&place).map(|text| users(&text)).unwrap_or_default())
                }
                _ => {}
            }
        }
        main
    }

    fn directives(&mut self, all: Vec<(String, DirectiveValue)>, main: &mut MainFile) {
        for (name, value) in all {
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
            self.directives(main_file::parse(path, &text), main);
        }
    }

    fn object_file(&mut self, path: &Path, named: &Location) {
        let read = OpenFile::open(path).and_then(|file| self.definitions_of(path, file));
        self.noted(read, path, named);
    }

    /// Returns the value of a successful read. If the read failed, records the error and returns
    /// `None`.
    fn noted<T>(&mut self, what: io::Result<T>, path: &Path, named: &Location) -> Option<T> {
        let note = |why: &io::Error| {
            self.fail(&named.file, named.line, &format!("{}: {why}", path.display()));
        };
        what.inspect_err(note).ok()
    }

    /// Parses an object file and reads all files that it includes.
    fn definitions_of(&mut self, path: &Path, mut file: OpenFile) -> io::Result<()> {
        let known = self.definitions.len();
        let includes = self.definitions_in(path, &mut file);
        // If the file cannot be read completely, ignore all of its definitions.
        for (name, value) in includes.inspect_err(|_| self.definitions.truncate(known))? {
            let place = value.path();
            match name.as_str() {
                "include_file" if self.is_new(&place) => self.object_file(&place, &value.at),
                "include_dir" => self.object_directory(&place, &value.at),
                _ => {}
            }
        }
        Ok(())
    }

    /// Parses an object file, and returns its `include_file=` and `include_dir=` lines.
    fn definitions_in(
        &mut self,
        path: &Path,
        file: &mut OpenFile,
    ) -> io::Result<Vec<(String, DirectiveValue)>> {
        let mut includes = Vec::new();
        file.lines.joins = !file.is_cache;
        let mut parser = DefinitionParser::new(path, !file.is_cache, &mut self.texts);
        while let Some((number, line)) = file.lines.next_line()? {
            match parser.line(number, line) {
                Some(Item::Definition(definition)) => {
                    self.has_objects = true;
                    if definition.kind != ObjectType::Other {
                        self.definitions.push(definition);
                    }
                }
                Some(Item::Include(name, value)) => includes.push((name, value)),
                None => {}
            }
        }
        Ok(includes)
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

/// An open configuration file.
struct OpenFile {
    lines: ConfigurationLines<BufReader<io::Chain<Cursor<Vec<u8>>, Input>>>,
    /// Whether this is Nagios' object cache, which has no escapes: a `;` does not begin a comment
    /// there, and a backslash does not join lines.
    is_cache: bool,
}

/// Text that marks a file as an object cache. It is part of the cache's header.
const CACHE_MARK: &[u8] = b"OBJECT CACHE FILE";
/// How many bytes at the start of a file are searched for [`CACHE_MARK`].
const HEADER: u64 = 200;
/// Size of the read buffer, in bytes.
const BUFFER: usize = 64 * 1024;

impl OpenFile {
    fn open(path: &Path) -> io::Result<OpenFile> {
        let (mut file, mut header) = (Input::open(path, LONGEST_OF_ANY, None)?, Vec::new());
        file.by_ref().take(HEADER).read_to_end(&mut header)?;
        let is_cache = memmem::find(&header, CACHE_MARK).is_some();
        let whole = Cursor::new(header).chain(file);
        let lines = ConfigurationLines::new(BufReader::with_capacity(BUFFER, whole));
        Ok(OpenFile { lines, is_cache })
    }
}

fn users(text: &[u8]) -> Vec<(String, String)> {
    let pairs = logical(text).filter_map(|(_, line)| {
        line.trim().split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    });
    pairs.filter(|(name, _)| name.starts_with("$USER")).collect()
}
