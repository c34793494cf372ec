//! Changes known_hosts on disk. Each change is atomic, is made under a lock, and preserves all
//! other lines.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use plugin_kit::Problem;
use safe_file::Directory;
use transport::known_hosts::{SharedLine, remove_host};

/// Maximum time to wait while another process records a key.
const PATIENCE: Duration = Duration::from_secs(10);
/// Maximum size of known_hosts in bytes. The keys of 10,000 hosts take 5 MB.
const LONGEST: u64 = 64 << 20;

/// Why the key was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum KnownHostsFileError {
    /// The list `ssh.known_hosts` in the policy is empty.
    #[error("the policy names no known_hosts file for the key: add one to ssh.known_hosts")]
    NoFile,
    /// The change failed at this step.
    #[error("cannot {step} {path}: {why}{next}; nothing was recorded", next = next_step(.why))]
    Failed { step: ChangeStep, path: PathBuf, why: io::Error },
    /// A line for this host contains a pattern that also matches other hosts.
    #[error(
        "{path}:{line} covers {names} with a pattern that also matches other hosts: change this \
         line by hand; nothing was recorded"
    )]
    Pattern { path: PathBuf, line: usize, names: String },
    /// The path is a symbolic link that another account owns, so root does not follow it.
    #[error(
        "{path} is a link that belongs to uid {owner}: name the file itself in the policy; nothing \
         was recorded"
    )]
    Link { path: PathBuf, owner: u32 },
}

/// The steps of a change to known_hosts.
#[derive(Debug, Clone, Copy)]
pub enum ChangeStep {
    /// The step that opens the file's directory.
    Open,
    Lock,
    Read,
    Write,
}

impl fmt::Display for ChangeStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChangeStep::Open => "open",
            ChangeStep::Lock => "lock",
            ChangeStep::Read => "read",
            ChangeStep::Write => "write",
        })
    }
}

impl ChangeStep {
    fn failed(self, path: &Path, why: impl Into<io::Error>) -> KnownHostsFileError {
        KnownHostsFileError::Failed { step: self, path: path.to_owned(), why: why.into() }
    }
}

impl From<KnownHostsFileError> for Problem {
    fn from(error: KnownHostsFileError) -> Problem {
        Problem::failed(error)
    }
}

fn next_step(why: &io::Error) -> &'static str {
    match why.kind() {
        ErrorKind::PermissionDenied => "; run the command as root, with sudo",
        _ => "",
    }
}

/// Checks that these files are safe to read and that the first one can be changed. `trust` does
/// this before it asks the admin anything.
pub fn check(files: &[PathBuf]) -> Result<(), KnownHostsFileError> {
    let first = files.first().ok_or(KnownHostsFileError::NoFile)?;
    let directory = KnownHostsFile::of(first)?.directory;
    rustix::fs::access(directory.path(), rustix::fs::Access::WRITE_OK)
        .map_err(|why| ChangeStep::Write.failed(first, why))?;
    files.iter().try_for_each(|file| KnownHostsFile::of(file).map(drop))
}

/// Records `key` (type and base64) as the only key under `name`. Also removes the keys under
/// `former`, which is the name under which the replaced keys were recorded.
pub fn pin(
    path: &Path,
    name: &str,
    former: Option<&str>,
    key: &str,
) -> Result<(), KnownHostsFileError> {
    let file = KnownHostsFile::of(path)?;
    // Without the lock, one of two simultaneous changes would be lost.
    let lock = file.directory.lock(Instant::now() + PATIENCE);
    let _lock = lock.map_err(|why| ChangeStep::Lock.failed(path, why))?;
    let before = file.read().map_err(|why| ChangeStep::Read.failed(path, why))?;
    let names: Vec<&str> = [name].into_iter().chain(former).collect();
    let mut text = remove_host(&before, &names).map_err(|SharedLine(line)| {
        KnownHostsFileError::Pattern { path: path.to_owned(), line, names: names.join(" or ") }
    })?;
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend(format!("{name} {key}\n").as_bytes());
    file.replace(&text).map_err(|why| ChangeStep::Write.failed(path, why))
}

/// A known_hosts file in a directory that only root and the current user can change.
struct KnownHostsFile {
    directory: Directory,
    path: PathBuf,
}

impl KnownHostsFile {
    /// Finds the file at `path` and opens its directory. Follows a symbolic link, so that the link
    /// is not replaced by a file. Refuses a link that another account owns, because that account
    /// could make root change any file.
    fn of(path: &Path) -> Result<KnownHostsFile, KnownHostsFileError> {
        let ours = [0, rustix::process::geteuid().as_raw()];
        let file = KnownHostsFile::without_links(path)?;
        match file.directory.metadata(file.name()) {
            Ok(link) if link.is_symlink() && !ours.contains(&link.uid()) => {
                Err(KnownHostsFileError::Link { path: path.to_owned(), owner: link.uid() })
            }
            Ok(link) if link.is_symlink() => {
                let target = fs::canonicalize(path);
                let target = target.map_err(|why| ChangeStep::Open.failed(path, why))?;
                KnownHostsFile::without_links(&target)
            }
            _ => Ok(file),
        }
    }

    fn without_links(path: &Path) -> Result<KnownHostsFile, KnownHostsFileError> {
        let directory = Directory::open(path.parent().unwrap_or(Path::new("/")))
            .map_err(|why| ChangeStep::Open.failed(path, why))?;
        Ok(KnownHostsFile { directory, path: path.to_owned() })
    }

    fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        match self.directory.read(self.name(), LONGEST) {
            Err(why) if why.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            read => Ok(read?),
        }
    }

    /// Replaces the content, and keeps the file's mode and owner. A new file is readable by
    /// everybody, because host keys are not secret.
    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let was = self.directory.metadata(self.name()).ok();
        let mode = was.as_ref().map_or(0o644, |was| was.mode() & 0o7777);
        let owner = was.map(|was| (was.uid(), was.gid()));
        Ok(self.directory.replace(self.name(), text, mode, owner)?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDVqgG9+kZw/ERPDjZtHHoHo0BTdwmDNx1CzKsBoJ9he";

    #[test]
    fn records_one_key_per_name_and_keeps_other_lines() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        pin(&file, "web1", None, KEY).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("web1 {KEY}\n"));
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o644);
        fs::write(&file, format!("# ours\nweb2 {KEY}\nweb1,alias ssh-rsa old\n@revoked * {KEY}"))
            .unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        pin(&file, "web1", None, KEY).unwrap();
        let wanted =
            format!("# ours\nweb2 {KEY}\nalias ssh-rsa old\n@revoked * {KEY}\nweb1 {KEY}\n");
        assert_eq!(fs::read_to_string(&file).unwrap(), wanted);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        fs::write(&file, format!("web* {KEY}\n")).unwrap();
        assert!(
            pin(&file, "web1", None, KEY)
                .unwrap_err()
                .to_string()
                .contains("known_hosts:1 covers web1")
        );
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn follows_own_links_and_refuses_links_of_other_users() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("elsewhere"), dir.path().join("known_hosts"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        pin(&link, "web1", None, KEY).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        std::os::unix::fs::lchown(&link, Some(65534), None).unwrap();
        assert!(
            pin(&link, "web2", None, KEY)
                .unwrap_err()
                .to_string()
                .contains("a link that belongs to uid 65534")
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("web1 {KEY}\n"));
    }

    #[test]
    fn names_the_step_that_failed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        fs::create_dir(&file).unwrap();
        for (path, step) in [(&file, "read"), (&dir.path().join("none/known_hosts"), "open")] {
            let text = pin(path, "web1", None, KEY).unwrap_err().to_string();
            let begin = format!("cannot {step} {}: ", path.display());
            assert!(text.starts_with(&begin) && text.ends_with("nothing was recorded"), "{text}");
        }
    }

    #[test]
    fn keeps_all_keys_of_concurrent_changes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        std::thread::scope(|scope| {
            for n in 0..8 {
                let file = &file;
                scope.spawn(move || pin(file, &format!("web{n}"), None, KEY).unwrap());
            }
        });
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 8);
    }
}
