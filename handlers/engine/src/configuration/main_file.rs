//! Reads the main file: nagios.cfg, naemon.cfg or icinga.cfg.

use std::io::{self, BufRead};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use policy::spell;
use safe_file::Directory;

use super::lines::ConfigurationLines;
use super::object_cache::{AddressesOf, ObjectCache, ObjectCacheError, address_of};
use super::value::{DirectiveValue, Location, file_name, number};

/// Where distributions and `make install` put the main file of Nagios 4 and 3, Naemon and Icinga 1.
const PLACES: [&str; 7] = [
    "/etc/nagios4/nagios.cfg",
    "/etc/nagios/nagios.cfg",
    "/usr/local/nagios/etc/nagios.cfg",
    "/etc/naemon/naemon.cfg",
    "/etc/nagios3/nagios.cfg",
    "/etc/icinga/icinga.cfg",
    "/usr/local/icinga/etc/icinga.cfg",
];

/// Maximum size of a main file that root reads, in bytes. The file that Nagios ships is 45 KB.
const LONGEST: u64 = 16 << 20;
/// Maximum size of a configuration file, in bytes. An object cache with 100,000 services is 200 MB.
pub(super) const LONGEST_OF_ANY: u64 = 1 << 30;

/// The directives of the main file. If a directive occurs more than once, the last value counts, as
/// in Nagios.
#[derive(Debug, Default)]
pub struct MainFile {
    file: Option<Rc<Path>>,
    pub(super) directives: Vec<(String, DirectiveValue)>,
    /// The values of `$USERn$` in the resource files. They contain passwords, so they are never
    /// printed.
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
    /// Reads the main file at the path `named` or, without it, at one of the usual paths. Does not
    /// read the files that it includes. Returns `None` if there is no main file.
    ///
    /// # Errors
    /// Fails if the file is not readable.
    pub fn find(named: Option<&Path>) -> Result<Option<MainFile>, MainFileError> {
        let Some(path) = named.map(Path::to_owned).or_else(find) else { return Ok(None) };
        match read(&path) {
            Ok(text) => Ok(Some(MainFile::parse(&path, &text))),
            Err(why) => Err(MainFileError { path, why }),
        }
    }

    /// Reads the main file like [`MainFile::find`], but only if no account except root can change
    /// it. Otherwise another account could choose the user that a program started by root runs as.
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
        MainFile { directives: parse(path, text), ..MainFile::at_path(path) }
    }

    /// Creates a main file without directives.
    pub(super) fn at_path(path: &Path) -> MainFile {
        MainFile { file: Some(path.into()), ..MainFile::default() }
    }

    /// Returns the path of the file; empty if there is no main file.
    pub fn path(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(""))
    }

    /// Returns the location of the whole file, for messages about missing directives; `None` if
    /// there is no main file.
    pub fn whole(&self) -> Option<Location> {
        self.file.as_ref().map(|file| Location { file: Rc::clone(file), line: 0 })
    }

    /// Returns the value of a directive.
    pub fn get(&self, name: &str) -> Option<&DirectiveValue> {
        self.directives.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Returns the value of an on/off directive if it is off. Returns `None` if it is on or
    /// missing.
    pub fn off(&self, name: &str) -> Option<&DirectiveValue> {
        self.get(name).filter(|value| !value.is_on())
    }

    /// Returns the text of a directive.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(|value| &*value.text)
    }

    /// Returns the number in a directive, or `default` if the directive is missing or not a number.
    pub fn number(&self, name: &str, default: f64) -> f64 {
        self.text(name).and_then(number).unwrap_or(default)
    }

    /// Returns the user that Nagios runs as.
    pub fn user(&self) -> Option<&str> {
        self.text("nagios_user").or_else(|| self.text("naemon_user"))
    }

    /// Returns the group that Nagios runs as.
    pub fn group(&self) -> Option<&str> {
        self.text("nagios_group").or_else(|| self.text("naemon_group"))
    }

    /// Reads the object cache that the main file names, and keeps the addresses that `addresses`
    /// selects.
    ///
    /// # Errors
    /// Fails if the main file names no object cache, or if the object cache is not readable.
    pub fn objects(&self, addresses: AddressesOf<'_>) -> Result<ObjectCache, ObjectCacheError> {
        let path = self.object_cache()?;
        ObjectCache::read(&path, addresses)
            .map_err(|why| ObjectCacheError::Unreadable { path, why })
    }

    /// Finds the address of a host in the object cache that the main file names. Returns `None` if
    /// there is no such host.
    ///
    /// # Errors
    /// Returns the same errors as [`MainFile::objects`].
    pub fn address_of(&self, host: &str) -> Result<Option<String>, ObjectCacheError> {
        let path = self.object_cache()?;
        address_of(&path, host).map_err(|why| ObjectCacheError::Unreadable { path, why })
    }

    fn object_cache(&self) -> Result<PathBuf, ObjectCacheError> {
        self.text("object_cache_file").map(file_name).ok_or(ObjectCacheError::NotSet)
    }

    /// Replaces `$USERn$` in `text`. The result can contain passwords. Use it only for checks and
    /// never print it.
    pub fn with_users(&self, text: &str) -> String {
        let fill = |text: String, (name, value): &(String, String)| text.replace(name, value);
        self.users.iter().fold(text.to_owned(), fill)
    }
}

/// Parses the directives in `text`, and returns them in order.
pub fn parse(path: &Path, text: &[u8]) -> Vec<(String, DirectiveValue)> {
    // Reading from memory cannot fail.
    directives(path, &mut ConfigurationLines::new(text)).unwrap_or_default()
}

/// Parses the remaining directives in a file, and returns them in the order of the file.
///
/// # Errors
/// Fails if the file cannot be read.
pub fn directives(
    path: &Path,
    lines: &mut ConfigurationLines<impl BufRead>,
) -> io::Result<Vec<(String, DirectiveValue)>> {
    let (file, mut all): (Rc<Path>, _) = (path.into(), Vec::new());
    while let Some((line, text)) = lines.next_line()? {
        let text = spell(text);
        if let Some((name, value)) = text.trim().split_once('=')
            && !name.starts_with('#')
        {
            let at = Location { file: Rc::clone(&file), line };
            let value = DirectiveValue { text: value.trim().into(), cut: None, at, again: None };
            all.push((name.trim_end().to_owned(), value));
        }
    }
    Ok(all)
}

/// Returns the first path that exists among the usual paths of the main file.
pub fn find() -> Option<PathBuf> {
    PLACES.iter().map(PathBuf::from).find(|path| path.exists())
}

/// Returns the usual paths of the main file, for messages.
pub fn places() -> String {
    PLACES.join(", ")
}

/// Reads a configuration file. The path can also name a pipe that this process has inherited.
///
/// # Errors
/// Fails if the file is not readable or is too long.
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
