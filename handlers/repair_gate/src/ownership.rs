//! Whose file is it? A file decides here what root will run, so it and every directory above it
//! must belong to root (for the records: to root or the gate's account) and be writable by nobody
//! else.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Why a path is not to be trusted, with the command that mends it where there is one.
#[derive(Debug)]
pub(crate) struct UntrustedPath {
    path: PathBuf,
    text: String,
    /// Nothing is there, which for some files is an answer.
    pub(crate) missing: bool,
}

impl fmt::Display for UntrustedPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path.display(), self.text)
    }
}

fn untrusted<T>(path: &Path, text: impl Into<String>) -> Result<T, UntrustedPath> {
    Err(UntrustedPath { path: path.to_owned(), text: text.into(), missing: false })
}

/// An I/O error as a reason not to trust.
pub(crate) fn unusable(path: &Path, e: &io::Error) -> UntrustedPath {
    let missing = e.kind() == io::ErrorKind::NotFound;
    UntrustedPath { path: path.to_owned(), text: format!("cannot be used: {e}"), missing }
}

/// That `path` is a directory which, with all above it, only the accounts of `owners` can change.
///
/// From the root down: once a directory is known to be theirs alone, nobody else can exchange what
/// is in it, so the check of the next one cannot be raced. A symlink is refused, not followed; so
/// is a sticky directory such as /tmp.
pub(crate) fn directory(path: &Path, owners: &[u32]) -> Result<(), UntrustedPath> {
    let mut so_far = PathBuf::new();
    for part in path.components() {
        if !matches!(part, Component::RootDir | Component::Normal(_)) {
            return untrusted(path, "must be an absolute path without '..'");
        }
        so_far.push(part);
        let found = fs::symlink_metadata(&so_far).map_err(|e| unusable(&so_far, &e))?;
        if !found.is_dir() {
            return untrusted(
                &so_far,
                "is not a directory (a symlink is not followed; name the real path)",
            );
        }
        owned(&so_far, &found, owners)?;
    }
    if so_far.has_root() { Ok(()) } else { untrusted(path, "must be an absolute path") }
}

/// Opens a regular file that, with all above it, only the accounts of `owners` can change. It is
/// opened once, and what is checked and read is that descriptor.
pub(crate) fn file(path: &Path, owners: &[u32]) -> Result<File, UntrustedPath> {
    let Some(above) = path.parent() else { return untrusted(path, "is not a file") };
    directory(above, owners)?;
    file_in_trusted(path, owners)
}

/// How often a file may be exchanged while it is looked at: every writer, the gate too, puts a
/// whole new one in its place.
const EXCHANGES: usize = 100;

/// The same, for a file in a directory that [`directory`] has found good.
pub(crate) fn file_in_trusted(path: &Path, owners: &[u32]) -> Result<File, UntrustedPath> {
    for _ in 0..EXCHANGES {
        if let Some(file) = open_once(path, owners)? {
            return Ok(file);
        }
    }
    untrusted(path, "is exchanged again and again while it is opened")
}

/// `None` if it was exchanged between the two looks.
fn open_once(path: &Path, owners: &[u32]) -> Result<Option<File>, UntrustedPath> {
    let named = fs::symlink_metadata(path).map_err(|e| unusable(path, &e))?;
    // Before opening, too: opening a fifo would wait for ever.
    if !named.is_file() {
        return untrusted(
            path,
            "is not a regular file (a symlink is not followed; name the real path)",
        );
    }
    let file = File::open(path).map_err(|e| unusable(path, &e))?;
    let opened = file.metadata().map_err(|e| unusable(path, &e))?;
    if (opened.dev(), opened.ino()) != (named.dev(), named.ino()) {
        return Ok(None);
    }
    owned(path, &opened, owners)?;
    Ok(Some(file))
}

fn owned(path: &Path, found: &Metadata, owners: &[u32]) -> Result<(), UntrustedPath> {
    if !owners.contains(&found.uid()) {
        let whose = if owners == [0] { "root" } else { "root or the gate's account" };
        return untrusted(
            path,
            format!(
                "belongs to uid {}, not to {whose}: chown root '{}'",
                found.uid(),
                path.display()
            ),
        );
    }
    if found.mode() & 0o022 != 0 {
        // What is everybody's on purpose, as /tmp, must stay so.
        let shared = found.mode() & 0o1002 == 0o1002;
        let mend = if shared {
            "keep what the gate needs elsewhere".into()
        } else {
            format!("chmod go-w '{}'", path.display())
        };
        return untrusted(
            path,
            format!("can be written by others (mode {:04o}): {mend}", found.mode() & 0o7777),
        );
    }
    Ok(())
}

/// The whole text of an opened file, if it is at most `most` bytes of UTF-8.
pub(crate) fn text(file: File, path: &Path, most: u64) -> Result<String, UntrustedPath> {
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|e| unusable(path, &e))?;
    if bytes.len() as u64 > most {
        return untrusted(path, format!("is larger than {most} bytes"));
    }
    String::from_utf8(bytes).or_else(|_| untrusted(path, "is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    use super::*;

    #[test]
    fn a_file_that_is_replaced_while_it_is_opened_is_the_old_or_the_new_one() {
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
                file_in_trusted(&path, &[uid]).unwrap();
            }
        });
    }
}
