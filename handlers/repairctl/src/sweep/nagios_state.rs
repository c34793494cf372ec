//! Nagios' status file and object cache. The status file is read again while the sweep runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use engine::configuration::{AddressesOf, ObjectCache};
use engine::status_file::{self, StatusFileError};
use engine::status_snapshot::{ObjectKey, StatusSnapshot};
use policy::spell;

use super::error::SweepError;

/// Maximum age of the content in memory before the sweep reads the status file again.
const GOOD_FOR: Duration = Duration::from_secs(10);

/// The content of the status file and the object cache.
pub struct NagiosState {
    file: PathBuf,
    objects: ObjectCache,
    read: Instant,
    /// The content of the status file when it was last read.
    pub snapshot: StatusSnapshot,
}

impl NagiosState {
    /// Reads the status file and the object cache. By default it expects the object cache next to
    /// the status file, which is where Nagios itself and all distributions put it.
    pub fn read(file: &Path, objects: Option<&Path>) -> Result<NagiosState, SweepError> {
        let path = objects.map_or_else(|| file.with_file_name("objects.cache"), Path::to_owned);
        let objects = ObjectCache::read(&path, AddressesOf::AllHosts)
            .map_err(|why| SweepError::ObjectCache { path, why })?;
        let snapshot = StatusSnapshot::read(file)?;
        Ok(NagiosState { file: file.to_owned(), objects, read: Instant::now(), snapshot })
    }

    /// Reads the status file again if it has changed. Does nothing if the last call that read it
    /// was less than [`GOOD_FOR`] ago.
    pub fn refresh(&mut self) -> Result<(), StatusFileError> {
        if self.read.elapsed() >= GOOD_FOR {
            self.snapshot.refresh(&self.file)?;
            self.read = Instant::now();
        }
        Ok(())
    }

    /// Rejects a status file that does not show the present states.
    pub fn refuse_outdated(&self, now: SystemTime) -> Result<(), StatusFileError> {
        status_file::refuse_outdated(&self.file, &self.snapshot.program, now)
    }

    /// Returns why the sweep must not repair anything on the basis of this status file, or `None`
    /// if the file is fit for use.
    pub fn unfit(&self, now: SystemTime) -> Option<String> {
        if let Err(why) = self.refuse_outdated(now) {
            return Some(why.to_string());
        }
        (!self.snapshot.program.event_handlers)
            .then(|| "event handlers are disabled in Nagios (enable_event_handlers)".to_owned())
    }

    /// Returns the address of a host, or `None` if the object cache does not contain it.
    pub fn address(&self, host: &[u8]) -> Option<&str> {
        self.objects.address(&spell(host))
    }

    /// Returns the objects with a fault, oldest fault first.
    pub fn oldest_first(&self) -> Vec<ObjectKey> {
        let faults = self.snapshot.faults.iter();
        let mut keys: Vec<(SystemTime, &ObjectKey)> =
            faults.map(|(key, object)| (object.last_hard_change, key)).collect();
        keys.sort();
        keys.into_iter().map(|(_, key)| key.clone()).collect()
    }
}
