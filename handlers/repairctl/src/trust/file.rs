//! known_hosts on disk: changed whole or not at all, one change at a time, everything else in it kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use plugin_kit::Problem;
use transport::known_hosts::{Unforgettable, forget};

fn failed(path: &Path, why: io::Error) -> Problem {
    let step = if why.kind() == ErrorKind::PermissionDenied { "; try it as root, with sudo" } else { "" };
    Problem::Usage(format!("cannot write {}: {why}{step}; nothing was recorded", path.display()))
}

/// Whether it can be changed, before anybody is asked anything.
pub fn writable(path: &Path) -> Result<(), Problem> {
    let directory = directory(path);
    rustix::fs::access(&directory, rustix::fs::Access::WRITE_OK).map_err(|why| failed(path, why.into()))
}

fn directory(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).to_owned()
}

/// Records `key` (type and base64) as the only key under exactly this name, and removes the keys
/// under `former`, the name of those it replaces.
pub fn pin(path: &Path, name: &str, former: Option<&str>, key: &str) -> Result<(), Problem> {
    let path = &target_of(path)?;
    let directory = directory(path);
    // Two that record at the same time would lose one of the keys.
    let lock = File::open(&directory).and_then(|directory| directory.lock().map(|()| directory));
    let lock = lock.map_err(|why| failed(path, why))?;
    let before = match fs::read(path) {
        Err(why) if why.kind() == ErrorKind::NotFound => Vec::new(),
        read => read.map_err(|why| failed(path, why))?,
    };
    let names: Vec<&str> = [name].into_iter().chain(former).collect();
    let mut text = forget(&before, &names).map_err(|Unforgettable(line)| {
        let (place, names) = (format!("{}:{line}", path.display()), names.join(" or "));
        let how = "change that line by hand; nothing was recorded";
        Problem::Usage(format!("{place} covers {names} by a pattern that is for other hosts too: {how}"))
    })?;
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend(format!("{name} {key}\n").as_bytes());
    replace(path, &directory, &text).map_err(|why| failed(path, why))?;
    drop(lock);
    Ok(())
}

/// A link is followed, so that it stays one; but not where somebody else has put it, for root would write where it leads.
fn target_of(path: &Path) -> Result<PathBuf, Problem> {
    let ours = [0, rustix::process::geteuid().as_raw()];
    match fs::symlink_metadata(path) {
        Ok(link) if link.is_symlink() && !ours.contains(&link.uid()) => Err(Problem::Usage(format!(
            "{} is a link that uid {} has made: name the file itself in the policy; nothing was recorded",
            path.display(),
            link.uid()
        ))),
        _ => Ok(fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())),
    }
}

fn replace(path: &Path, directory: &Path, text: &[u8]) -> io::Result<()> {
    let draft = directory.join(format!(".known_hosts.{}", std::process::id()));
    let _ = fs::remove_file(&draft);
    let written = write(path, &draft, text).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

/// With the mode and owner it had; a new one can be read by everybody, for host keys are no secret.
fn write(path: &Path, draft: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(text)?;
    let mode = match fs::metadata(path) {
        Ok(was) => {
            fchown(&file, Some(was.uid()), Some(was.gid()))?;
            was.mode() & 0o7777
        }
        Err(_) => 0o644,
    };
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDVqgG9+kZw/ERPDjZtHHoHo0BTdwmDNx1CzKsBoJ9he";

    #[test]
    fn everything_else_is_kept_and_the_name_has_one_key() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("known_hosts");
        pin(&file, "web1", None, KEY).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("web1 {KEY}\n"));
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o644);
        fs::write(&file, format!("# ours\nweb2 {KEY}\nweb1,alias ssh-rsa old\n@revoked * {KEY}")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        pin(&file, "web1", None, KEY).unwrap();
        let wanted = format!("# ours\nweb2 {KEY}\nalias ssh-rsa old\n@revoked * {KEY}\nweb1 {KEY}\n");
        assert_eq!(fs::read_to_string(&file).unwrap(), wanted);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o640);
        fs::write(&file, format!("web* {KEY}\n")).unwrap();
        assert!(pin(&file, "web1", None, KEY).unwrap_err().to_string().contains("known_hosts:1 covers web1"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_link_stays_one_unless_somebody_else_has_made_it() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("elsewhere"), dir.path().join("known_hosts"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        pin(&link, "web1", None, KEY).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        std::os::unix::fs::lchown(&link, Some(65534), None).unwrap();
        assert!(pin(&link, "web2", None, KEY).unwrap_err().to_string().contains("a link that uid 65534 has made"));
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("web1 {KEY}\n"));
    }

    #[test]
    fn many_at_the_same_time_lose_nothing() {
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
