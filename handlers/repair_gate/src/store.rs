//! The state directory, with a lock and one file for each job. Unexpected content is an error and
//! never counts as "no records", because a gate without its records would allow more repairs.
//!
//! A new record is written to `jobs/JOB.json`. Before the next repair runs, the record is moved
//! ("filed") to `jobs/NAME/JOB.json`. This way, each repair has its own limit on records. The file
//! `jobs/NAME/index` contains the times of the filed records, so that a request need not read the
//! records. The directory, not the index, decides which records exist. A record that is missing
//! from the index is read, and an index entry without a record does not count. Older versions of
//! the gate write no index, or keep all records in `jobs`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::host;
use crate::ownership::{self, UnusablePath, unusable};
use crate::record::{self, JobRecord, RunState};
use crate::request::{Job, Name};
use crate::run_times::{self, LARGEST_INDEX, RunHistory, RunTimes};

/// The state directory, which only root and the gate's account can change.
pub(crate) struct RecordStore {
    dir: PathBuf,
    jobs: PathBuf,
    owners: [u32; 2],
}

/// A lock that only one process on this host can hold. It is released when the value is dropped or
/// the gate dies.
pub(crate) struct HostLock {
    /// The open file that holds the lock. A repair does not inherit it, because std opens files
    /// with close-on-exec.
    _file: File,
}

impl RecordStore {
    /// Checks the directory without changing it. Fails if the directory is missing, because a new
    /// directory would lack the earlier records.
    pub(crate) fn open(dir: &Path, uid: u32) -> Result<RecordStore, UnusablePath> {
        let owners = [0, uid];
        ownership::check_directory(dir, &owners)?;
        let owner = fs::metadata(dir).map_err(|e| unusable(dir, &e))?.uid();
        if owner != uid {
            // Refuse to run even as root. Otherwise root could create files in this directory that
            // the gate's account cannot read.
            let owner = host::account(owner);
            let text = format!("belongs to {owner}, but the gate runs as another account");
            return Err(UnusablePath::new(dir, text));
        }
        Ok(RecordStore { dir: dir.to_owned(), jobs: dir.join("jobs"), owners })
    }

    /// Returns the record of `job`, if there is one. Searches the filed records last, because the
    /// record may be filed during the search.
    pub(crate) fn record(&self, job: &Job) -> Result<Option<JobRecord>, UnusablePath> {
        if self.never_used()? {
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

    /// Returns the records of all repairs that are not filed yet, without their output. The record
    /// of a running repair is always among them.
    pub(crate) fn unfiled(&self) -> Result<Vec<JobRecord>, UnusablePath> {
        self.unfiled_except(&mut BTreeSet::new())
    }

    /// Returns the unfiled records whose paths are not in `seen`, and adds these paths to it.
    pub(crate) fn unfiled_except(
        &self,
        seen: &mut BTreeSet<PathBuf>,
    ) -> Result<Vec<JobRecord>, UnusablePath> {
        let mut records = Vec::new();
        if self.never_used()? {
            return Ok(records);
        }
        for path in entries(&self.jobs)?.into_iter().filter(|path| is_record(path)) {
            if !seen.contains(&path) {
                let read = self.read(&path)?;
                records.extend(read.map(|record| JobRecord { output: Vec::new(), ..record }));
                seen.insert(path);
            }
        }
        Ok(records)
    }

    /// Returns what the records show about the runs of `name`, and about any repair that is
    /// running.
    pub(crate) fn history(&self, name: &Name) -> Result<RunHistory, UnusablePath> {
        let unfiled = self.unfiled()?;
        Ok(RunHistory::new(name, unfiled, self.filed(name)?))
    }

    /// Takes the lock with this file name, or returns `None` if another process holds it. The first
    /// call creates the directory `jobs` and then the lock file. Therefore a lock file without
    /// `jobs` means that the records were lost.
    pub(crate) fn try_lock(&self, name: &str) -> Result<Option<HostLock>, UnusablePath> {
        let path = self.dir.join(name);
        if self.never_used()? {
            make_dir(&self.jobs)?;
            sync(&self.dir)?;
        }
        // Use create_new, because it does not follow a symlink.
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(unusable(&path, &e)),
            _ => {}
        }
        let file = ownership::open_in_checked_directory(&path, &self.owners)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(HostLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(unusable(&path, &e)),
        }
    }

    /// Writes a record so that it survives a crash or a power failure. The caller must hold the
    /// lock.
    pub(crate) fn write(&self, record: &JobRecord) -> Result<(), UnusablePath> {
        self.replace(&self.jobs.join(file_name(&record.job)), &record.to_json())?;
        sync(&self.jobs)
    }

    /// Writes or atomically replaces a file below `jobs`. First writes the content to a temporary
    /// file in `jobs`. If a crash leaves that file behind, [`RecordStore::file_ended`] removes it.
    fn replace(&self, path: &Path, text: &str) -> Result<(), UnusablePath> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let temporary = self.jobs.join(format!(".{name}.tmp"));
        let written = (|| {
            let mut file =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&temporary, path)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written.map_err(|e| unusable(path, &e))
    }

    /// Moves the records of repairs that have ended to the directories of filed records, and
    /// removes temporary files that a crash has left behind. Returns the names of the filed
    /// repairs. The caller must hold the lock, and no repair may be running.
    ///
    /// A record that is still "running" and has the boot ID `boot` stays unfiled. If the clock is
    /// set back, its repair counts as running again and must keep all other repairs from starting.
    /// Filed records are not searched for running repairs.
    pub(crate) fn file_ended(&self, boot: &str) -> Result<BTreeSet<Name>, UnusablePath> {
        for path in entries(&self.jobs)?.iter().filter(|path| is_temporary(path)) {
            fs::remove_file(path).map_err(|e| unusable(path, &e))?;
        }
        let mut changed = BTreeSet::new();
        let may_run = |record: &JobRecord| record.state == RunState::Running && record.boot == boot;
        for record in self.unfiled()?.iter().filter(|record| !may_run(record)) {
            let dir = self.dir_of(&record.repair);
            make_dir(&dir)?;
            let file = file_name(&record.job);
            let (from, to) = (self.jobs.join(&file), dir.join(&file));
            fs::rename(&from, &to).map_err(|e| unusable(&to, &e))?;
            changed.insert(record.repair.clone());
        }
        changed.iter().try_for_each(|name| sync(&self.dir_of(name)))?;
        sync(&self.jobs)?;
        Ok(changed)
    }

    /// Removes the filed records of `name` whose repairs ended at `then` or earlier, and brings the
    /// index up to date. The caller must hold the lock.
    pub(crate) fn prune(&self, name: &Name, then: SystemTime) -> Result<(), UnusablePath> {
        let (dir, (filed, is_current)) = (self.dir_of(name), self.filed_and_index(name)?);
        let (mut kept, expired): (Vec<RunTimes>, Vec<RunTimes>) =
            filed.into_iter().partition(|run| run.last_moment > then);
        for run in &expired {
            let path = dir.join(file_name(&run.job));
            fs::remove_file(&path).map_err(|e| unusable(&path, &e))?;
        }
        if is_current && expired.is_empty() {
            return Ok(());
        }
        kept.sort_unstable_by(|one, other| one.job.cmp(&other.job));
        self.replace(&dir.join(INDEX), &run_times::to_index(&kept))
    }

    /// Returns the names of all repairs that have a directory for filed records.
    pub(crate) fn names(&self) -> Result<Vec<Name>, UnusablePath> {
        let names: Vec<Name> =
            entries(&self.jobs)?.iter().filter_map(|path| name_of(path)).collect();
        names
            .iter()
            .try_for_each(|name| ownership::check_directory(&self.dir_of(name), &self.owners))?;
        Ok(names)
    }

    /// Whether no gate has ever used this directory. Checks the lock before `jobs`. Another gate
    /// may be creating both, and creates `jobs` first. A check in the opposite order could miss
    /// `jobs` and then find the lock, which is an error.
    fn never_used(&self) -> Result<bool, UnusablePath> {
        let lock = self.dir.join("lock");
        let unlocked = match fs::symlink_metadata(&lock) {
            Err(e) if e.kind() == ErrorKind::NotFound => true,
            found => found.map(|_| false).map_err(|e| unusable(&lock, &e))?,
        };
        match ownership::check_directory(&self.jobs, &self.owners) {
            Ok(()) => Ok(false),
            Err(e) if e.missing && unlocked => Ok(true),
            Err(e) => Err(e),
        }
    }

    fn dir_of(&self, name: &Name) -> PathBuf {
        self.jobs.join(name.as_str())
    }

    /// Returns the times of the filed records of `name`. Call this after reading the unfiled
    /// records. A record that is filed in between then appears twice instead of being missed.
    pub(crate) fn filed(&self, name: &Name) -> Result<Vec<RunTimes>, UnusablePath> {
        self.filed_and_index(name).map(|(filed, _)| filed)
    }

    /// Returns the times of the filed records of `name`, and whether the index contains exactly
    /// these runs. Reads only the records that the index lacks.
    fn filed_and_index(&self, name: &Name) -> Result<(Vec<RunTimes>, bool), UnusablePath> {
        let dir = self.dir_of(name);
        match ownership::check_directory(&dir, &self.owners) {
            Err(e) if e.missing => return Ok((Vec::new(), true)),
            found => found?,
        }
        let indexed = self.index(&dir)?;
        let (mut unknown, mut exists) = (Vec::new(), vec![false; indexed.len()]);
        for file in file_names(&dir)? {
            let job = file.to_str().and_then(|file| file.strip_suffix(".json")).unwrap_or_default();
            let at = indexed.binary_search_by(|run| run.job.as_str().cmp(job)).ok();
            if let Some(exists) = at.and_then(|at| exists.get_mut(at)) {
                *exists = true;
            } else if file != INDEX && is_record(&dir.join(&file)) {
                unknown.extend(self.read(&dir.join(&file))?.as_ref().map(RunTimes::from));
            }
        }
        let is_current = unknown.is_empty() && !exists.contains(&false);
        let mut exists = exists.into_iter();
        let known = indexed.into_iter().filter(|_| exists.next() == Some(true));
        Ok((known.chain(unknown).collect(), is_current))
    }

    /// Reads the index of a directory of filed records. Returns no entries if there is no index.
    fn index(&self, dir: &Path) -> Result<Vec<RunTimes>, UnusablePath> {
        let path = dir.join(INDEX);
        let file = match ownership::open_in_checked_directory(&path, &self.owners) {
            Err(e) if e.missing => return Ok(Vec::new()),
            file => file?,
        };
        let text = ownership::read_text(file, &path, LARGEST_INDEX)?;
        run_times::from_index(&text).ok_or_else(|| {
            let why = "is not a valid index; remove it, and the gate creates a new one from its \
                       records";
            UnusablePath::new(&path, why)
        })
    }

    /// Reads one record. Returns `None` if the file does not exist.
    fn read(&self, path: &Path) -> Result<Option<JobRecord>, UnusablePath> {
        let file = match ownership::open_in_checked_directory(path, &self.owners) {
            Err(e) if e.missing => return Ok(None),
            file => file?,
        };
        let text = ownership::read_text(file, path, record::LARGEST_FILE)?;
        let belongs = |record: &JobRecord| {
            let file = file_name(&record.job);
            path == self.jobs.join(&file) || path == self.dir_of(&record.repair).join(&file)
        };
        match JobRecord::from_json(&text).filter(belongs) {
            Some(record) => Ok(Some(record)),
            None => {
                Err(UnusablePath::new(path, "is not a valid record of a job; examine the file"))
            }
        }
    }
}

/// Name of the file that stores the times of the filed records. It cannot clash with a record,
/// because the names of records end in `.json`.
const INDEX: &str = "index";

/// Whether the path must be a record, because it is neither a temporary file nor a directory of
/// filed records.
fn is_record(path: &Path) -> bool {
    !is_temporary(path) && name_of(path).is_none()
}

/// Whether this is a temporary file for a record or an index. A crash can leave such a file behind.
fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(|name| {
        name.to_string_lossy().starts_with('.') && name.to_string_lossy().ends_with(".tmp")
    })
}

/// Returns the repair whose filed records are in this directory, or `None` for any other path.
fn name_of(path: &Path) -> Option<Name> {
    path.file_name()?
        .to_str()
        .and_then(Name::new)
        .filter(|_| fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()))
}

fn file_name(job: &Job) -> String {
    format!("{job}.json")
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>, UnusablePath> {
    file_names(dir).map(|names| names.iter().map(|name| dir.join(name)).collect())
}

fn file_names(dir: &Path) -> Result<Vec<OsString>, UnusablePath> {
    let entries = fs::read_dir(dir).map_err(|e| unusable(dir, &e))?;
    entries
        .map(|entry| entry.map(|entry| entry.file_name()).map_err(|e| unusable(dir, &e)))
        .collect()
}

fn make_dir(path: &Path) -> Result<(), UnusablePath> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(unusable(path, &e)),
        _ => Ok(()),
    }
}

fn sync(dir: &Path) -> Result<(), UnusablePath> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|e| unusable(dir, &e))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn concurrent_first_calls_report_no_damage() {
        let uid = host::LocalHost::read().unwrap().uid;
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
                    // Create `jobs` and `lock` in the same order as `try_lock`, but without waiting
                    // for the disk.
                    fs::create_dir(&store.jobs)
                        .and_then(|()| File::create(store.dir.join("lock")))
                        .unwrap();
                }
            });
            let mut damaged = Vec::new();
            for store in stores {
                begin.wait();
                let seen = std::iter::repeat_with(|| store.never_used())
                    .find(|unused| !matches!(unused, Ok(true)));
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
