//! Checks who can change a file.
//!
//! repairs.json decides which commands run as root. Therefore the file and every directory above it
//! must belong to root and be writable by nobody else. Records may also belong to the gate's
//! account.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::{error, fmt};

/// Why a path cannot be used or trusted, and the command that fixes this, if there is one.
#[derive(Debug)]
pub(crate) struct UnusablePath {
    path: PathBuf,
    text: String,
    /// Whether the path does not exist. For some files, this is not an error.
    pub(crate) missing: bool,
}

impl UnusablePath {
    /// Creates an error whose message consists of the path and `text`.
    pub(crate) fn new(path: &Path, text: impl Into<String>) -> UnusablePath {
        UnusablePath { path: path.to_owned(), text: text.into(), missing: false }
    }
}

impl fmt::Display for UnusablePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path.display(), self.text)
    }
}

impl error::Error for UnusablePath {}

const NO_SYMLINK: &str = "(the gate does not follow symlinks; use the real path)";

fn refuse<T>(path: &Path, text: impl Into<String>) -> Result<T, UnusablePath> {
    Err(UnusablePath::new(path, text))
}

/// Converts an I/O error for this path.
pub(crate) fn unusable(path: &Path, e: &io::Error) -> UnusablePath {
    let missing = e.kind() == io::ErrorKind::NotFound;
    UnusablePath { missing, ..UnusablePath::new(path, format!("cannot be used: {e}")) }
}

/// Checks that only the accounts in `owners` can change the directory `path` and all directories
/// above it.
///
/// The check starts at the root directory. No other account can replace the entries of a directory
/// that has passed the check. The next directory therefore cannot be exchanged before it is
/// checked. Symlinks and sticky directories such as /tmp are refused.
pub(crate) fn check_directory(path: &Path, owners: &[u32]) -> Result<(), UnusablePath> {
    let mut so_far = PathBuf::new();
    for part in path.components() {
        if !matches!(part, Component::RootDir | Component::Normal(_)) {
            return refuse(path, "must be an absolute path without '..'");
        }
        so_far.push(part);
        let found = fs::symlink_metadata(&so_far).map_err(|e| unusable(&so_far, &e))?;
        if !found.is_dir() {
            return refuse(&so_far, format!("is not a directory {NO_SYMLINK}"));
        }
        check_owner(&so_far, &found, owners)?;
    }
    if so_far.has_root() { Ok(()) } else { refuse(path, "must be an absolute path") }
}

/// Opens a regular file if only the accounts in `owners` can change the file and the directories
/// above it. The owner and mode are checked on the open descriptor.
pub(crate) fn open(path: &Path, owners: &[u32]) -> Result<File, UnusablePath> {
    let Some(above) = path.parent() else { return refuse(path, "is not a file") };
    check_directory(above, owners)?;
    open_in_checked_directory(path, owners)
}

/// Maximum number of attempts to open a file that is being replaced. Every program that changes the
/// file, including the gate, renames a new file over it. If this happens between the check and the
/// opening, the gate tries again.
const EXCHANGES: usize = 100;

/// Opens a file like [`open`]. [`check_directory`] must already have accepted its directory.
pub(crate) fn open_in_checked_directory(path: &Path, owners: &[u32]) -> Result<File, UnusablePath> {
    for _ in 0..EXCHANGES {
        if let Some(file) = open_once(path, owners)? {
            return Ok(file);
        }
    }
    refuse(path, "was replaced during every attempt to open it; try again later")
}

/// Opens the file. Returns `None` if the file was replaced after it was checked and before it was
/// opened.
fn open_once(path: &Path, owners: &[u32]) -> Result<Option<File>, UnusablePath> {
    let named = fs::symlink_metadata(path).map_err(|e| unusable(path, &e))?;
    // Check the kind of file before opening it, because opening a FIFO would block.
    if !named.is_file() {
        return refuse(path, format!("is not a regular file {NO_SYMLINK}"));
    }
    let file = File::open(path).map_err(|e| unusable(path, &e))?;
    let opened = file.metadata().map_err(|e| unusable(path, &e))?;
    if (opened.dev(), opened.ino()) != (named.dev(), named.ino()) {
        return Ok(None);
    }
    check_owner(path, &opened, owners)?;
    Ok(Some(file))
}

/// Quotes a path for a shell command in a message.
pub(crate) fn shell_word(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

fn check_owner(path: &Path, found: &Metadata, owners: &[u32]) -> Result<(), UnusablePath> {
    if !owners.contains(&found.uid()) {
        let whose = if owners == [0] { "root" } else { "root or the gate's account" };
        let (uid, name) = (found.uid(), shell_word(path));
        return refuse(path, format!("belongs to uid {uid}, not to {whose}: chown root {name}"));
    }
    if found.mode() & 0o022 != 0 {
        // A shared directory such as /tmp must stay writable for everyone, so do not suggest chmod.
        let shared = found.mode() & 0o1002 == 0o1002;
        let fix = if shared {
            "keep the gate's files in another directory".into()
        } else {
            format!("chmod go-w {}", shell_word(path))
        };
        let mode = found.mode() & 0o7777;
        return refuse(path, format!("can be written by others (mode {mode:04o}): {fix}"));
    }
    Ok(())
}

/// Reads the whole file. The content must be UTF-8 and at most `most` bytes long.
pub(crate) fn read_text(file: File, path: &Path, most: u64) -> Result<String, UnusablePath> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|e| unusable(path, &e))?;
    if bytes.len() as u64 > most {
        return refuse(path, format!("is larger than {most} bytes"));
    }
    String::from_utf8(bytes).or_else(|_| refuse(path, "is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    use super::*;

    #[test]
    fn opens_file_while_it_is_being_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let (path, next) = (dir.path().join("file"), dir.path().join("next"));
        let replace = |n: usize| {
            fs::write(&next, n.to_string()).unwrap();
            fs::set_permissions(&next, fs::Permissions::from_mode(0o600)).unwrap();
            fs::rename(&next, &path).unwrap();
        };
        replace(0);
        let uid = fs::metadata(&path).unwrap().uid();
        thread::scope(|scope| {
            let writer = scope.spawn(|| (0..5000).for_each(replace));
            while !writer.is_finished() {
                open_in_checked_directory(&path, &[uid]).unwrap();
            }
        });
    }
}
