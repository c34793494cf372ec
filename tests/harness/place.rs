//! The directory of a lab, and the paths of the programs under test.

use std::ffi::OsStr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, process, thread};

use testkit::{copy_program, set_mode};

use crate::wait::interrupted;

/// A directory that every user can enter but only root can write to. The gate requires this of
/// every directory above its files. Dropping this value removes the directory. If the test has
/// failed, the logs are printed first.
#[derive(Debug)]
pub struct Place {
    path: PathBuf,
}

/// Prefix of every lab directory's name. The test's process ID follows it.
const PREFIX: &str = "nagios-selfheal-lab";

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Place {
    /// Creates a new directory below /var/lib. Panics without root privileges.
    pub fn new() -> Place {
        assert!(
            rustix::process::geteuid().is_root(),
            "the lab needs root for sshd, accounts and its directory; run it as root or with sudo"
        );
        remove_abandoned();
        let name = format!("{PREFIX}.{}.{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new("/var/lib").join(name);
        fs::create_dir(&path).expect("a directory below /var/lib");
        let place = Place { path };
        set_mode(place.path(), 0o755);
        place
    }

    /// Returns the path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of a file in the directory.
    pub fn at(&self, relative: &str) -> PathBuf {
        self.path.join(relative)
    }

    /// Creates a subdirectory with mode 755. It belongs to `owner` or, without one, to root.
    pub fn directory(&self, relative: &str, owner: Option<(u32, u32)>) -> PathBuf {
        let path = self.at(relative);
        fs::create_dir_all(&path).expect("a directory of the lab");
        set_mode(&path, 0o755);
        give(&path, owner);
        path
    }

    /// Writes a file with the given mode. It belongs to `owner` or, without one, to root.
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

    /// Returns the path of a program under test. Programs from `make build` are copied into the
    /// lab, where every user can run them. Installed programs are not copied, so that the test
    /// shows whether they find each other.
    pub fn program(&self, name: &str) -> PathBuf {
        let places = programs();
        let [built] = places.as_slice() else {
            let found = places.iter().map(|place| place.join(name)).find(|path| path.exists());
            return found.unwrap_or_else(|| {
                panic!("{name} is in none of {places:?}; install it with `make install`")
            });
        };
        let bin = self.directory("bin", None);
        let copy = bin.join(name);
        if !copy.exists() {
            let built = built.join(name);
            assert!(built.exists(), "{}: missing; run `make build`", built.display());
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

/// Removes the directories that killed tests have left behind.
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

#[allow(clippy::print_stderr, reason = "the logs of a failed test belong next to its message")]
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

/// Returns the directories with the programs under test. The default is the output of `make build`.
/// SELFHEAL_PROGRAMS can name another build directory, or list the directories of installed
/// programs, separated by colons.
fn programs() -> Vec<PathBuf> {
    let built = || vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release")];
    let named = env::var_os("SELFHEAL_PROGRAMS").filter(|list| !list.is_empty());
    named.map_or_else(built, |list| env::split_paths(&list).collect())
}

/// Returns the absolute path of a file in the repository. `relative` starts at the repository's
/// root.
pub fn shipped(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(relative)
}

/// Returns the path of the first of these programs that is installed. Searches the directories used
/// by Debian and by RPM distributions.
pub fn system_program(names: &[&str]) -> PathBuf {
    let places = ["/usr/sbin", "/usr/bin", "/usr/lib/nagios/plugins", "/usr/lib64/nagios/plugins"];
    let all = names.iter().flat_map(|name| places.map(|place| Path::new(place).join(name)));
    all.into_iter().find(|path| path.exists()).unwrap_or_else(|| {
        panic!("{names:?} is not installed; `make test` installs what the tests need")
    })
}

/// Runs a command that must succeed, and returns what it printed.
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
