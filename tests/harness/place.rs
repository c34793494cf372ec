//! The directory of one lab, and where the programs under test come from.

use std::ffi::OsStr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process, thread};

use testkit::{copy_program, set_mode};

use crate::wait::interrupted;

/// A directory that only root can write, as the gate demands of every directory above its files,
/// and that every user can enter. Removed at the end; when a test fails, its logs are printed
/// first.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
}

/// The beginning of every lab's directory name; the number of its process follows.
const PREFIX: &str = "nagios-selfheal-lab";

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Place {
    /// A new directory below /var/lib. Needs root.
    pub fn new() -> Place {
        assert!(
            rustix::process::geteuid().is_root(),
            "the lab needs root (sshd, users, a directory of root's own): run it as root or with \
             sudo"
        );
        remove_abandoned();
        let name = format!("{PREFIX}.{}.{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new("/var/lib").join(name);
        fs::create_dir(&path).expect("a directory below /var/lib");
        let place = Place { path };
        set_mode(place.path(), 0o755);
        place
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path in it.
    pub fn at(&self, relative: &str) -> PathBuf {
        self.path.join(relative)
    }

    /// A new directory in it, with its owner.
    pub fn directory(&self, relative: &str, owner: Option<(u32, u32)>) -> PathBuf {
        let path = self.at(relative);
        fs::create_dir_all(&path).expect("a directory of the lab");
        set_mode(&path, 0o755);
        give(&path, owner);
        path
    }

    /// A new file in it, with its mode and owner.
    pub fn file(
        &self,
        relative: &str,
        text: &str,
        mode: u32,
        owner: Option<(u32, u32)>,
    ) -> PathBuf {
        let path = self.at(relative);
        fs::write(&path, text).expect("a file of the lab");
        set_mode(&path, mode);
        give(&path, owner);
        path
    }

    /// A program under test. What `make build` has left in one directory is copied to where every
    /// user can run it; what is installed is run where it is, for how its parts find each other is
    /// tested with it.
    pub fn program(&self, name: &str) -> PathBuf {
        let places = programs();
        let [built] = places.as_slice() else {
            let found = places.iter().map(|place| place.join(name)).find(|path| path.exists());
            return found.unwrap_or_else(|| {
                panic!("{name} is in none of {places:?}; `make install` puts it there")
            });
        };
        let bin = self.directory("bin", None);
        let copy = bin.join(name);
        if !copy.exists() {
            let built = built.join(name);
            assert!(built.exists(), "{}: `make build` makes it", built.display());
            copy_program(&built, &copy);
            set_mode(&copy, 0o755);
        }
        copy
    }
}

impl Default for Place {
    fn default() -> Place {
        Place::new()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if thread::panicking() && !interrupted() {
            print_logs(&self.path);
        }
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what a lab that was killed could not remove itself.
fn remove_abandoned() {
    for entry in fs::read_dir("/var/lib").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let mut parts = name.split('.');
        let pid = (parts.next() == Some(PREFIX)).then(|| parts.next()).flatten();
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[allow(clippy::print_stderr, reason = "the logs of a failed test belong beside its message")]
fn print_logs(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            print_logs(&path);
        } else if path.extension() == Some(OsStr::new("log")) {
            let text = fs::read(&path).unwrap_or_default();
            eprintln!("---- {}\n{}", path.display(), String::from_utf8_lossy(&text));
        }
    }
}

/// Where `make build` puts the release programs. SELFHEAL_PROGRAMS names another such directory or,
/// as a list with colons, the directories into which they are installed.
fn programs() -> Vec<PathBuf> {
    let built = || vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release")];
    let named = env::var_os("SELFHEAL_PROGRAMS").filter(|list| !list.is_empty());
    named.map_or_else(built, |list| env::split_paths(&list).collect())
}

/// A file that is shipped with the project, by its path from the top of the tree.
pub fn shipped(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(relative)
}

/// Where a system program is, looked for where Debian and the RPM distributions put it.
pub fn system_program(names: &[&str]) -> PathBuf {
    let places = ["/usr/sbin", "/usr/bin", "/usr/lib/nagios/plugins", "/usr/lib64/nagios/plugins"];
    let all = names.iter().flat_map(|name| places.map(|place| Path::new(place).join(name)));
    all.into_iter().find(|path| path.exists()).unwrap_or_else(|| {
        panic!("{names:?} is not installed: `make test` installs what the tests need")
    })
}

/// Runs a command that must succeed and returns what it printed.
pub fn run(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|why| panic!("{command:?}: {why}"));
    let text =
        String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{command:?}: {}\n{text}", done.status);
    text
}

pub(crate) fn give(path: &Path, owner: Option<(u32, u32)>) {
    if let Some((user, group)) = owner {
        chown(path, Some(user), Some(group)).expect("the owner of a lab file");
    }
}
