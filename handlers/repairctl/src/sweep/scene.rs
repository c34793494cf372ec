//! What the sweep goes by: Nagios' status file and object cache, read again while it is at work.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use plugin_kit::Problem;
use policy::Rounded;

use super::addresses;
use crate::status_snapshot::{self, Key, StatusSnapshot};

/// The oldest status file that is believed. Nagios writes it every `status_update_interval`: 10
/// seconds as it is shipped, 60 seconds where nagios.cfg does not say.
const OLDEST: Duration = Duration::from_secs(120);
/// How long one reading is gone by.
const GOOD_FOR: Duration = Duration::from_secs(10);

/// One reading, and where it comes from.
pub struct Scene {
    file: PathBuf,
    addresses: HashMap<Vec<u8>, Vec<u8>>,
    read: Instant,
    /// The reading.
    pub board: StatusSnapshot,
}

impl Scene {
    /// Reads both files. The object cache is looked for beside the status file, where Nagios and
    /// all distributions have it.
    pub fn read(file: &Path, objects: Option<&Path>) -> Result<Scene, Problem> {
        let objects = objects.map_or_else(|| file.with_file_name("objects.cache"), Path::to_owned);
        let addresses = addresses::read(&objects).map_err(|why| {
            let path = objects.display();
            Problem::Usage(format!(
                "cannot read Nagios' object cache {path}, which has the hosts' addresses: {why}; \
                 give --objects, as object_cache_file of \
                 nagios.cfg says; nothing was done"
            ))
        })?;
        let board = StatusSnapshot::read(file)
            .map_err(|why| Problem::Usage(format!("{why}; nothing was done")))?;
        Ok(Scene { file: file.to_owned(), addresses, read: Instant::now(), board })
    }

    /// Reads the status file again when the last reading is old.
    pub fn refresh(&mut self) -> Result<(), String> {
        if self.read.elapsed() >= GOOD_FOR {
            self.board = StatusSnapshot::read(&self.file).map_err(|why| why.to_string())?;
            self.read = Instant::now();
        }
        Ok(())
    }

    /// Why this reading is no ground for any repair, if so.
    pub fn unfit(&self, now: SystemTime) -> Option<String> {
        let (program, file) = (&self.board.program, self.file.display());
        let age = status_snapshot::age(program, now);
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

    /// Where a host is reached.
    pub fn address(&self, host: &[u8]) -> Option<&str> {
        str::from_utf8(self.addresses.get(host)?).ok()
    }

    /// All faults, the oldest first.
    pub fn oldest_first(&self) -> Vec<Key> {
        let mut keys: Vec<(SystemTime, &Key)> =
            self.board.faults.iter().map(|(key, object)| (object.last_hard_change, key)).collect();
        keys.sort();
        keys.into_iter().map(|(_, key)| key.clone()).collect()
    }
}
