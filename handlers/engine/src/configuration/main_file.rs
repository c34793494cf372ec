//! The main file: nagios.cfg, naemon.cfg or icinga.cfg.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use safe_file::Directory;

use super::lines::logical;
use super::object_cache::{ObjectCache, ObjectCacheError};
use super::value::{DirectiveValue, Location, file_name, number};

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

/// The longest main file that root believes, in bytes; the one that is shipped has 45 KB.
const LONGEST: u64 = 16 << 20;
/// The longest file of a configuration, in bytes: the object cache of 100,000 services has 200 MB.
const LONGEST_OF_ANY: u64 = 1 << 30;

/// The directives of the main file; the last value of a name counts, as in Nagios.
#[derive(Debug, Default)]
pub struct MainFile {
    file: Option<Rc<Path>>,
    pub(super) directives: Vec<(String, DirectiveValue)>,
    /// `$USERn$` of the resource files. Never shown: they hold passwords.
    pub(super) users: Vec<(String, String)>,
}

/// Why the main file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {why}", path.display())]
pub struct MainFileError {
    path: PathBuf,
    why: io::Error,
}

impl MainFile {
    /// Reads the file that is named, or the one where distributions put it, without what it
    /// includes; `None` if there is none.
    ///
    /// # Errors
    /// It is not readable.
    pub fn find(named: Option<&Path>) -> Result<Option<MainFile>, MainFileError> {
        let Some(path) = named.map(Path::to_owned).or_else(find) else { return Ok(None) };
        match read(&path) {
            Ok(text) => Ok(Some(MainFile::parse(&path, &text))),
            Err(why) => Err(MainFileError { path, why }),
        }
    }

    /// Reads the same file if root alone can change it: no other account says as which user to run.
    pub fn of_root(named: Option<&Path>) -> Option<MainFile> {
        let path = std::path::absolute(named.map(Path::to_owned).or_else(find)?).ok()?;
        let (directory, name) = (Directory::open(path.parent()?).ok()?, path.file_name()?);
        let found = directory.metadata(name).ok()?;
        if found.uid() != 0 || found.mode() & 0o022 != 0 {
            return None;
        }
        Some(MainFile::parse(&path, &directory.read(name, LONGEST).ok()?))
    }

    fn parse(path: &Path, text: &[u8]) -> MainFile {
        MainFile { directives: directives(path, text), ..MainFile::at_path(path) }
    }

    /// A file without directives.
    pub(super) fn at_path(path: &Path) -> MainFile {
        MainFile { file: Some(path.into()), ..MainFile::default() }
    }

    /// Its path; empty if there is no main file.
    pub fn path(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(""))
    }

    /// The whole file, for what is missing in it; `None` if there is no main file.
    pub fn whole(&self) -> Option<Location> {
        self.file.as_ref().map(|file| Location { file: Rc::clone(file), line: 0 })
    }

    /// The value of a directive.
    pub fn get(&self, name: &str) -> Option<&DirectiveValue> {
        self.directives.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Returns the value of a switch that is off.
    pub fn off(&self, name: &str) -> Option<&DirectiveValue> {
        self.get(name).filter(|value| !value.is_on())
    }

    /// The text of a directive.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(|value| value.text.as_str())
    }

    /// The number of a directive, or Nagios' default.
    pub fn number(&self, name: &str, default: f64) -> f64 {
        self.text(name).and_then(number).unwrap_or(default)
    }

    /// The user Nagios runs as.
    pub fn user(&self) -> Option<&str> {
        self.text("nagios_user").or_else(|| self.text("naemon_user"))
    }

    /// The group Nagios runs as.
    pub fn group(&self) -> Option<&str> {
        self.text("nagios_group").or_else(|| self.text("naemon_group"))
    }

    /// Reads the object cache that it names.
    ///
    /// # Errors
    /// It names none, or that is not readable.
    pub fn objects(&self) -> Result<ObjectCache, ObjectCacheError> {
        let path = file_name(self.text("object_cache_file").ok_or(ObjectCacheError::NotSet)?);
        ObjectCache::read(&path).map_err(|why| ObjectCacheError::Unreadable { path, why })
    }

    /// `text` with `$USERn$` filled in. For checks only, never shown.
    pub fn with_users(&self, text: &str) -> String {
        let fill = |text: String, (name, value): &(String, String)| text.replace(name, value);
        self.users.iter().fold(text.to_owned(), fill)
    }
}

/// The directives of one file, in order.
pub fn directives(path: &Path, text: &[u8]) -> Vec<(String, DirectiveValue)> {
    let file: Rc<Path> = path.into();
    let lines = logical(text).into_iter();
    let directive = |(line, text): (u32, String)| {
        let (name, value) = text.trim().split_once('=')?;
        let at = Location { file: Rc::clone(&file), line };
        let value = DirectiveValue { text: value.trim().to_owned(), cut: None, at, again: None };
        (!name.starts_with('#')).then(|| (name.trim_end().to_owned(), value))
    };
    lines.filter_map(directive).collect()
}

/// The main file where distributions put it; `None` if it is in none of these places.
pub fn find() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|path| path.exists())
}

/// The places of [`find`], for messages.
pub fn places() -> String {
    PLACES.join(", ")
}

/// Reads a file of the configuration, or what comes through a pipe of ours.
///
/// # Errors
/// It is not readable, or too long.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    Ok(safe_file::read(path, LONGEST_OF_ANY, None)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_settings_as_nagios_does() {
        let text = "# comment\nnagios_user=nagios\n lock_file = /run/x.pid \nnagios_user=other\n\
                    #status_file=/no\n";
        let main = MainFile::parse(Path::new("/etc/nagios.cfg"), text.as_bytes());
        assert_eq!(
            (main.user(), main.text("lock_file"), main.text("status_file")),
            (Some("other"), Some("/run/x.pid"), None)
        );
    }
}
