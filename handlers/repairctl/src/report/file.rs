//! Replaces a file atomically, because a web server could be serving it at the same time.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use privsep::{Account, quoted};
use safe_file::Directory;

use crate::paste::{Paste, path, program};
use crate::sudo;

/// Why a file was not replaced.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// The path is a directory, a link or a device.
    #[error("it is not a regular file; choose another path")]
    NotRegular,
    /// Another account can change the directory, so root must not write into it.
    #[error("{why}{}", by_owner(why, to))]
    Directory { why: safe_file::Error, to: PathBuf },
    /// A system call failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Returns a command to append to an error message. The command creates the page as root, and
/// writes it to the file as the owner of the directory. Returns an empty string if root owns the
/// directory or the owner has no account.
fn by_owner(why: &safe_file::Error, to: &Path) -> String {
    let safe_file::Error::Exposed { owner, .. } = why else { return String::new() };
    let Ok(Some(Account { name, uid: 1.., .. })) = Account::of_uid(*owner) else {
        return String::new();
    };
    let (mut words, mut is_file) = (vec![program("repairctl")], false);
    for word in std::env::args_os().skip(1) {
        let word = word.to_string_lossy();
        let is_both = word.starts_with("--html=");
        words.push(match () {
            () if is_both => "--html=-".to_owned(),
            () if is_file => "-".to_owned(),
            () => quoted(&word),
        });
        is_file = word == "--html";
    }
    let page = words.join(" ");
    let write = format!("runuser -u {} -- tee {} > /dev/null", quoted(&name), path(to));
    format!(
        "; or let the owner of this directory write the page, {command}",
        command = Paste::here(format!("{page} | {write}"))
    )
}

/// Replaces a regular file, or creates it.
///
/// # Errors
/// Returns an error if the path is not a regular file, or if its directory is not safe to write to.
pub fn replace(to: &Path, bytes: &[u8]) -> Result<(), ReplaceError> {
    let to = std::path::absolute(to)?;
    if !rustix::process::geteuid().is_root() {
        return by_name(&to, bytes);
    }
    let directory = to.parent().unwrap_or(&to);
    let name = to.file_name().unwrap_or_default();
    let (opened, owner) =
        match (Directory::open(directory), sudo::caller().filter(|(_, gid)| *gid != 0)) {
            // Accept a directory that belongs to the user who called sudo. This user could have
            // written the file themselves, so writing it gives them no new rights.
            (Err(_), Some(caller)) => (Directory::open_for(directory, caller.0), Some(caller)),
            (opened, _) => (opened, None),
        };
    let directory = opened.map_err(|why| ReplaceError::Directory { why, to: to.clone() })?;
    // Only root or the user who called sudo can change this directory. So no other account can
    // replace the file with a link between this check and the write.
    replaceable(directory.metadata(name).map_err(io::Error::from))?;
    Ok(directory.replace(name, bytes, 0o644, owner).map_err(io::Error::from)?)
}

fn replaceable(found: io::Result<fs::Metadata>) -> Result<(), ReplaceError> {
    match found {
        Ok(found) if !found.is_file() => Err(ReplaceError::NotRegular),
        Err(why) if why.kind() != ErrorKind::NotFound => Err(why.into()),
        _ => Ok(()),
    }
}

/// Replaces the file without the checks that root needs. The new file has mode 0644, less the
/// umask.
fn by_name(to: &Path, bytes: &[u8]) -> Result<(), ReplaceError> {
    replaceable(fs::symlink_metadata(to))?;
    let draft = to.with_added_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&draft)?;
    let written =
        file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::rename(&draft, to));
    Ok(written.inspect_err(|_| drop(fs::remove_file(&draft)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_regular_files_only() {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("page.html");
        replace(&to, b"one").unwrap();
        replace(&to, b"two").unwrap();
        assert_eq!(fs::read(&to).unwrap(), b"two");
        std::os::unix::fs::symlink(&to, dir.path().join("link")).unwrap();
        for place in [dir.path().to_owned(), dir.path().join("link"), "/dev/null".into()] {
            assert!(replace(&place, b"three").is_err(), "{}", place.display());
        }
        assert_eq!(
            (fs::read(&to).unwrap(), fs::read_dir(dir.path()).unwrap().count()),
            (b"two".to_vec(), 2)
        );
    }
}
