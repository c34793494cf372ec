//! The state directory: one lock, and one file per job. Anything that is not as this file leaves it
//! is an error and is never taken for "empty": a gate that forgets would be bolder than the one
//! that remembers.
//!
//! A record is written to `jobs/JOB.json`. The next repair that runs first files it as
//! `jobs/NAME/JOB.json`, so that the records of one name neither take room from another nor are
//! read for it. A gate that does not file keeps all of its records in `jobs`.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::ownership::{self, UntrustedPath};
use crate::record::{self, JobRecord, RunState};
use crate::request::{Job, Name};

/// The state directory, found to be the gate's own.
pub(crate) struct RecordStore {
    dir: PathBuf,
    jobs: PathBuf,
    owners: [u32; 2],
}

/// Held while a repair runs; given back when it is dropped, and by the kernel when the gate dies.
pub(crate) struct HostLock {
    /// Close-on-exec, as all of std's descriptors: the repair does not inherit the lock.
    _file: File,
}

/// Why the records cannot be relied on.
#[derive(Debug)]
pub(crate) struct StateDirError(String);

impl fmt::Display for StateDirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the state of the gate: {}", self.0)
    }
}

impl From<UntrustedPath> for StateDirError {
    fn from(untrusted: UntrustedPath) -> StateDirError {
        StateDirError(untrusted.to_string())
    }
}

fn broken(path: &Path, e: &io::Error) -> StateDirError {
    ownership::unusable(path, e).into()
}

impl RecordStore {
    /// Looks at the directory and changes nothing. It must be there, for one that has vanished has
    /// taken its memory along.
    pub(crate) fn open(dir: &Path, uid: u32) -> Result<RecordStore, StateDirError> {
        let owners = [0, uid];
        ownership::directory(dir, &owners)?;
        let owner = fs::metadata(dir).map_err(|e| broken(dir, &e))?.uid();
        if owner != uid {
            // Else a call by hand as root would leave files that the gate cannot read.
            let text = format!(
                "{} belongs to {}, and only that account may use it",
                dir.display(),
                crate::host::account(owner)
            );
            return Err(StateDirError(text));
        }
        Ok(RecordStore { dir: dir.to_owned(), jobs: dir.join("jobs"), owners })
    }

    /// The record of `job`, if it is known. Looks last where it may be filed meanwhile.
    pub(crate) fn record(&self, job: &Job) -> Result<Option<JobRecord>, StateDirError> {
        if self.fresh()? {
            return Ok(None);
        }
        let unfiled = self.read(&self.jobs.join(file_name(job)))?;
        if unfiled.is_some() {
            return Ok(unfiled);
        }
        for name in self.names()? {
            let filed = self.read(&self.dir_of(&name).join(file_name(job)))?;
            if filed.is_some() {
                return Ok(filed);
            }
        }
        Ok(None)
    }

    /// The records that are not filed yet, of every name. If a repair runs, its record is one of
    /// them.
    pub(crate) fn unfiled(&self) -> Result<Vec<JobRecord>, StateDirError> {
        if self.fresh()? { Ok(Vec::new()) } else { self.records_in(&self.jobs) }
    }

    /// The unfiled records of every name, and the filed ones of `name`.
    pub(crate) fn records(&self, name: &Name) -> Result<Vec<JobRecord>, StateDirError> {
        let mut records = self.unfiled()?;
        records.extend(self.filed(name)?);
        Ok(records)
    }

    /// The host's lock if nobody has it. The first call ever makes the directory of the records,
    /// then the lock file, so a lock file without records' directory is damage.
    pub(crate) fn try_lock(&self, name: &str) -> Result<Option<HostLock>, StateDirError> {
        let path = self.dir.join(name);
        if self.fresh()? {
            make_dir(&self.jobs)?;
            sync(&self.dir)?;
        }
        // create_new does not follow a symlink that somebody has laid there.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(broken(&path, &e)),
            _ => {}
        }
        let file = ownership::file_in_trusted(&path, &self.owners)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(HostLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(broken(&path, &e)),
        }
    }

    /// Puts a record on disk: after this returns it survives a crash and a power cut. Only with the
    /// lock held.
    pub(crate) fn write(&self, record: &JobRecord) -> Result<(), StateDirError> {
        let temporary = self.jobs.join(format!(".{}.tmp", record.job));
        let path = self.jobs.join(file_name(&record.job));
        let written = (|| {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
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

    /// Removes what a crash left behind and files the records of repairs that have certainly ended.
    /// One that lost its gate in this `boot` stays: if the clock goes back, it may still be
    /// running, and blocks every name. Only with the lock held, and while no repair runs.
    pub(crate) fn file(&self, boot: &str) -> Result<(), StateDirError> {
        for path in entries(&self.jobs)?.iter().filter(|path| is_temporary(path)) {
            fs::remove_file(path).map_err(|e| broken(path, &e))?;
        }
        let mut changed = BTreeSet::new();
        let may_run = |record: &JobRecord| record.state == RunState::Running && record.boot == boot;
        for record in self.unfiled()?.iter().filter(|record| !may_run(record)) {
            let dir = self.dir_of(&record.repair);
            make_dir(&dir)?;
            let (from, to) =
                (self.jobs.join(file_name(&record.job)), dir.join(file_name(&record.job)));
            fs::rename(&from, &to).map_err(|e| broken(&to, &e))?;
            changed.insert(dir);
        }
        changed.iter().try_for_each(|dir| sync(dir))?;
        sync(&self.jobs)
    }

    /// Removes the filed records of `name` whose repairs ended at `then` or before. Only with the lock held.
    pub(crate) fn prune(&self, name: &Name, then: SystemTime) -> Result<(), StateDirError> {
        let dir = self.dir_of(name);
        for record in self.filed(name)?.iter().filter(|record| record.last_moment() <= then) {
            let path = dir.join(file_name(&record.job));
            fs::remove_file(&path).map_err(|e| broken(&path, &e))?;
        }
        Ok(())
    }

    /// The names that have filed records.
    pub(crate) fn names(&self) -> Result<Vec<Name>, StateDirError> {
        let names: Vec<Name> =
            entries(&self.jobs)?.iter().filter_map(|path| name_of(path)).collect();
        names.iter().try_for_each(|name| ownership::directory(&self.dir_of(name), &self.owners))?;
        Ok(names)
    }

    /// Whether no gate has ever run here. The lock is looked for first, for it is made last:
    /// another gate may be making both.
    fn fresh(&self) -> Result<bool, StateDirError> {
        let lock = self.dir.join("lock");
        let unlocked = match fs::symlink_metadata(&lock) {
            Err(e) if e.kind() == ErrorKind::NotFound => true,
            found => found.map(|_| false).map_err(|e| broken(&lock, &e))?,
        };
        match ownership::directory(&self.jobs, &self.owners) {
            Ok(()) => Ok(false),
            Err(e) if e.missing && unlocked => Ok(true),
            Err(e) => Err(e.into()),
        }
    }

    fn dir_of(&self, name: &Name) -> PathBuf {
        self.jobs.join(name.as_str())
    }

    /// The filed records of `name`. Read them after the unfiled ones: a record that is filed
    /// meanwhile then comes twice and is never missed.
    pub(crate) fn filed(&self, name: &Name) -> Result<Vec<JobRecord>, StateDirError> {
        let dir = self.dir_of(name);
        match ownership::directory(&dir, &self.owners) {
            Err(e) if e.missing => Ok(Vec::new()),
            found => found.map_err(StateDirError::from).and_then(|()| self.records_in(&dir)),
        }
    }

    /// Reads all records of a directory, without what the repairs printed: a thousand of them stay
    /// small.
    fn records_in(&self, dir: &Path) -> Result<Vec<JobRecord>, StateDirError> {
        let mut records = Vec::new();
        for path in
            entries(dir)?.iter().filter(|path| !is_temporary(path) && name_of(path).is_none())
        {
            records
                .extend(self.read(path)?.map(|record| JobRecord { output: Vec::new(), ..record }));
        }
        Ok(records)
    }

    /// One record; `None` if it is not, or no longer, there.
    fn read(&self, path: &Path) -> Result<Option<JobRecord>, StateDirError> {
        let file = match ownership::file_in_trusted(path, &self.owners) {
            Err(e) if e.missing => return Ok(None),
            file => file?,
        };
        let text = ownership::text(file, path, record::LARGEST_FILE)?;
        let belongs = |record: &JobRecord| {
            let file = file_name(&record.job);
            path == self.jobs.join(&file) || path == self.dir_of(&record.repair).join(&file)
        };
        match JobRecord::from_json(&text).filter(belongs) {
            Some(record) => Ok(Some(record)),
            None => Err(StateDirError(format!(
                "{} is not a record of the gate; a person must look at it",
                path.display()
            ))),
        }
    }
}

/// A record on its way to disk; one that stays was left by a crash.
fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        name.to_string_lossy().starts_with('.') && name.to_string_lossy().ends_with(".tmp")
    })
}

/// The name whose records this directory holds; `None` for anything else.
fn name_of(path: &Path) -> Option<Name> {
    path.file_name()?
        .to_str()
        .and_then(Name::new)
        .filter(|_| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()))
}

fn file_name(job: &Job) -> String {
    format!("{job}.json")
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, StateDirError> {
    let entries = fs::read_dir(dir).map_err(|e| broken(dir, &e))?;
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(|e| broken(dir, &e))).collect()
}

fn make_dir(path: &Path) -> Result<(), StateDirError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(broken(path, &e)),
        _ => Ok(()),
    }
}

fn sync(dir: &Path) -> Result<(), StateDirError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| broken(dir, &e))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn two_first_calls_at_once_find_nothing_damaged() {
        let uid = crate::host::LocalHost::look().unwrap().uid;
        let state = tempfile::tempdir_in("/run").unwrap();
        let stores: Vec<RecordStore> = (0..2000)
            .map(|n| {
                let dir = state.path().join(n.to_string());
                DirBuilder::new().mode(0o700).create(&dir).unwrap();
                RecordStore::open(&dir, uid).unwrap()
            })
            .collect();
        let (begin, stores) = (Barrier::new(2), &stores);
        thread::scope(|scope| {
            scope.spawn(|| {
                for store in stores {
                    begin.wait();
                    // As try_lock makes them, but for the waiting for a disk.
                    fs::create_dir(&store.jobs)
                        .and_then(|()| File::create(store.dir.join("lock")))
                        .unwrap();
                }
            });
            let mut damaged = Vec::new();
            for store in stores {
                begin.wait();
                let seen = std::iter::repeat_with(|| store.fresh())
                    .find(|fresh| !matches!(fresh, Ok(true)));
                damaged.extend(seen.and_then(Result::err));
            }
            assert!(
                damaged.is_empty(),
                "{} of {}: {:?}",
                damaged.len(),
                stores.len(),
                damaged.first()
            );
        });
    }
}
