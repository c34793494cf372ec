//! The state directory: one lock, and one file per job. Whatever is not as this file leaves it is an error and is never
//! taken for "empty": a gate that forgets would be bolder than the one that remembers.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::record::{self, Record};
use crate::request::Job;
use crate::trust::{self, Untrusted};

/// The state directory, found to be the gate's own.
pub(crate) struct Store {
    dir: PathBuf,
    jobs: PathBuf,
    owners: [u32; 2],
}

/// Held while a repair runs; given back when it is dropped, and by the kernel when the gate dies.
pub(crate) struct Lock {
    /// Close-on-exec, as all of std's descriptors: the repair does not inherit the lock.
    _file: File,
}

/// Why the records cannot be relied on.
#[derive(Debug)]
pub(crate) struct Broken(String);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the state of the gate: {}", self.0)
    }
}

impl From<Untrusted> for Broken {
    fn from(untrusted: Untrusted) -> Broken {
        Broken(untrusted.to_string())
    }
}

fn broken(path: &Path, e: &io::Error) -> Broken {
    trust::unusable(path, e).into()
}

impl Store {
    /// Looks at the directory and changes nothing. It must be there, for one that has vanished has taken its memory along.
    pub(crate) fn open(dir: &Path, uid: u32) -> Result<Store, Broken> {
        let owners = [0, uid];
        trust::directory(dir, &owners)?;
        let owner = fs::metadata(dir).map_err(|e| broken(dir, &e))?.uid();
        if owner != uid {
            // Else a call by hand as root would leave files that the gate cannot read.
            let text = format!("{} belongs to {}, and only that account may use it", dir.display(), crate::host::account(owner));
            return Err(Broken(text));
        }
        Ok(Store { dir: dir.to_owned(), jobs: dir.join("jobs"), owners })
    }

    /// The record of `job`, if it is known.
    pub(crate) fn record(&self, job: &Job) -> Result<Option<Record>, Broken> {
        if self.fresh()? { Ok(None) } else { self.read(&self.path_of(job)) }
    }

    /// All records, oldest first.
    pub(crate) fn records(&self) -> Result<Vec<Record>, Broken> {
        let mut records = Vec::new();
        if !self.fresh()? {
            for path in self.files()? {
                if !is_temporary(&path) {
                    records.extend(self.read(&path)?);
                }
            }
        }
        records.sort_by_key(|record| record.started);
        Ok(records)
    }

    /// The host's lock if nobody has it. The first call ever makes the directory of the records, then the lock file, so a
    /// lock file without records' directory is damage.
    pub(crate) fn try_lock(&self, name: &str) -> Result<Option<Lock>, Broken> {
        let path = self.dir.join(name);
        if self.fresh()? {
            match DirBuilder::new().mode(0o700).create(&self.jobs) {
                Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(broken(&self.jobs, &e)),
                _ => sync(&self.dir)?,
            }
        }
        // create_new does not follow a symlink that somebody has laid there.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(broken(&path, &e)),
            _ => {}
        }
        let file = trust::file_in_trusted(&path, &self.owners)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(broken(&path, &e)),
        }
    }

    /// Puts a record on disk: after this returns it survives a crash and a power cut. Only with the lock held.
    pub(crate) fn write(&self, record: &Record) -> Result<(), Broken> {
        let temporary = self.jobs.join(format!(".{}.tmp", record.job));
        let path = self.path_of(&record.job);
        let written = (|| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(record.to_json().as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, &path)
        })();
        if let Err(e) = written {
            let _ = fs::remove_file(&temporary);
            return Err(broken(&path, &e));
        }
        sync(&self.jobs)
    }

    /// Removes what a crash left behind and the records that ended before `then`; gives those that stay. Only with the
    /// lock held.
    pub(crate) fn prune(&self, then: u64) -> Result<Vec<Record>, Broken> {
        for path in self.files()?.iter().filter(|path| is_temporary(path)) {
            fs::remove_file(path).map_err(|e| broken(path, &e))?;
        }
        let (stay, old): (Vec<_>, Vec<_>) = self.records()?.into_iter().partition(|record| record.last_moment() >= then);
        for record in old {
            let path = self.path_of(&record.job);
            fs::remove_file(&path).map_err(|e| broken(&path, &e))?;
        }
        Ok(stay)
    }

    /// Whether no gate has ever run here. The lock is looked for first, for it is made last: another gate may be making both.
    fn fresh(&self) -> Result<bool, Broken> {
        let lock = self.dir.join("lock");
        let unlocked = match fs::symlink_metadata(&lock) {
            Err(e) if e.kind() == ErrorKind::NotFound => true,
            found => found.map(|_| false).map_err(|e| broken(&lock, &e))?,
        };
        match trust::directory(&self.jobs, &self.owners) {
            Ok(()) => Ok(false),
            Err(e) if e.missing && unlocked => Ok(true),
            Err(e) => Err(e.into()),
        }
    }

    fn path_of(&self, job: &Job) -> PathBuf {
        self.jobs.join(format!("{job}.json"))
    }

    fn files(&self) -> Result<Vec<PathBuf>, Broken> {
        let entries = fs::read_dir(&self.jobs).map_err(|e| broken(&self.jobs, &e))?;
        entries.map(|entry| entry.map(|entry| entry.path()).map_err(|e| broken(&self.jobs, &e))).collect()
    }

    /// One record; `None` if it is not, or no longer, there.
    fn read(&self, path: &Path) -> Result<Option<Record>, Broken> {
        let file = match trust::file_in_trusted(path, &self.owners) {
            Err(e) if e.missing => return Ok(None),
            file => file?,
        };
        let text = trust::text(file, path, record::LARGEST_FILE)?;
        match Record::from_json(&text).filter(|record| self.path_of(&record.job) == path) {
            Some(record) => Ok(Some(record)),
            None => Err(Broken(format!("{} is not a record of the gate; a person must look at it", path.display()))),
        }
    }
}

/// A record on its way to disk; one that stays was left by a crash.
fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.') && name.to_string_lossy().ends_with(".tmp"))
}

fn sync(dir: &Path) -> Result<(), Broken> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| broken(dir, &e))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn two_first_calls_at_once_find_nothing_damaged() {
        let uid = crate::host::Host::look().unwrap().uid;
        let state = tempfile::tempdir_in("/run").unwrap();
        let stores: Vec<Store> = (0..2000)
            .map(|n| {
                let dir = state.path().join(n.to_string());
                DirBuilder::new().mode(0o700).create(&dir).unwrap();
                Store::open(&dir, uid).unwrap()
            })
            .collect();
        let (begin, stores) = (Barrier::new(2), &stores);
        thread::scope(|scope| {
            scope.spawn(|| {
                for store in stores {
                    begin.wait();
                    // As try_lock makes them, but for the waiting for a disk.
                    fs::create_dir(&store.jobs).and_then(|()| File::create(store.dir.join("lock"))).unwrap();
                }
            });
            let mut damaged = Vec::new();
            for store in stores {
                begin.wait();
                let seen = std::iter::repeat_with(|| store.fresh()).find(|fresh| !matches!(fresh, Ok(true)));
                damaged.extend(seen.and_then(Result::err));
            }
            assert!(damaged.is_empty(), "{} of {}: {:?}", damaged.len(), stores.len(), damaged.first());
        });
    }
}
