//! Nagios' status file and object cache; the first is read again while the sweep runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use engine::configuration::ObjectCache;
use engine::status_file::StatusFileError;
use engine::status_snapshot::{ObjectKey, StatusSnapshot};
use policy::{Rounded, spell};

use super::error::SweepError;

/// The oldest status file that is believed. Nagios writes it every `status_update_interval`: 10
/// seconds as it is shipped, 60 seconds where nagios.cfg does not say.
const OLDEST: Duration = Duration::from_secs(120);
/// How long one reading is used.
const GOOD_FOR: Duration = Duration::from_secs(10);

/// What both files say.
pub struct NagiosState {
    file: PathBuf,
    objects: ObjectCache,
    read: Instant,
    /// The last reading of the status file.
    pub snapshot: StatusSnapshot,
}

impl NagiosState {
    /// Reads both files. The object cache is expected beside the status file, where Nagios and all
    /// distributions have it.
    pub fn read(file: &Path, objects: Option<&Path>) -> Result<NagiosState, SweepError> {
        let path = objects.map_or_else(|| file.with_file_name("objects.cache"), Path::to_owned);
        let objects =
            ObjectCache::read(&path).map_err(|why| SweepError::ObjectCache { path, why })?;
        let snapshot = StatusSnapshot::read(file)?;
        Ok(NagiosState { file: file.to_owned(), objects, read: Instant::now(), snapshot })
    }

    /// Reads the status file again if the last reading is old.
    pub fn refresh(&mut self) -> Result<(), StatusFileError> {
        if self.read.elapsed() >= GOOD_FOR {
            self.snapshot = StatusSnapshot::read(&self.file)?;
            self.read = Instant::now();
        }
        Ok(())
    }

    /// Why nothing may be repaired by this reading, if so.
    pub fn unfit(&self, now: SystemTime) -> Option<String> {
        let (program, file) = (&self.snapshot.program, self.file.display());
        let age = program.age(now);
        if age > OLDEST {
            let age = Rounded(age);
            return Some(format!(
                "{file} was written {age} ago: is Nagios running, and is this its status_file?"
            ));
        }
        if program.written > now + OLDEST {
            return Some(format!("{file} was written in the future: look after the clocks"));
        }
        (!program.event_handlers)
            .then(|| "event handlers are disabled in Nagios (enable_event_handlers)".to_owned())
    }

    /// The address of a host; `None` if the object cache has none.
    pub fn address(&self, host: &[u8]) -> Option<&str> {
        self.objects.address(&spell(host))
    }

    /// All faults, the oldest first.
    pub fn oldest_first(&self) -> Vec<ObjectKey> {
        let faults = self.snapshot.faults.iter();
        let mut keys: Vec<(SystemTime, &ObjectKey)> =
            faults.map(|(key, object)| (object.last_hard_change, key)).collect();
        keys.sort();
        keys.into_iter().map(|(_, key)| key.clone()).collect()
    }
}
