//! The state of the engine's objects, and their addresses. The state is read again while the sweep
//! runs.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use engine::configuration::{AddressesOf, ObjectCache};
use engine::status_snapshot::{ObjectKey, StatusSnapshot};
use engine::{Engine, engine_of, status_file};
use policy::spell;
use policy_file::Config;

use super::error::SweepError;
use crate::context::ENGINE_TIMEOUT;

/// Maximum age of the state in memory. If the state is older, the sweep reads it again.
const GOOD_FOR: Duration = Duration::from_secs(10);

/// The state of the engine's objects, and their addresses.
pub struct NagiosState<'a> {
    config: &'a Config,
    engine: Box<dyn Engine + 'a>,
    objects: ObjectCache,
    read: Instant,
    /// The state of the objects when it was last read.
    pub snapshot: StatusSnapshot,
}

impl<'a> NagiosState<'a> {
    /// Reads the state and the addresses. By default, the addresses come from the object cache next
    /// to Nagios' status file, which is where Nagios itself and all distributions put this cache.
    /// Returns `None` if the policy names no source for the state.
    pub fn read(
        config: &'a Config,
        objects: Option<&Path>,
    ) -> Result<Option<NagiosState<'a>>, SweepError> {
        let deadline = Instant::now() + ENGINE_TIMEOUT;
        let mut engine = engine_of(config);
        let objects = match (engine.objects(deadline)?, &config.status_file) {
            (Some(objects), _) => objects,
            (None, Some(file)) => object_cache(file, objects)?,
            (None, None) => return Ok(None),
        };
        let Some(snapshot) = engine.snapshot(deadline)? else { return Ok(None) };
        Ok(Some(NagiosState { config, engine, objects, read: Instant::now(), snapshot }))
    }

    /// Reads the state again, unless it was last read less than [`GOOD_FOR`] ago.
    pub fn refresh(&mut self) -> Result<(), engine::Error> {
        if self.read.elapsed() >= GOOD_FOR {
            self.engine.refresh(&mut self.snapshot, Instant::now() + ENGINE_TIMEOUT)?;
            self.read = Instant::now();
        }
        Ok(())
    }

    /// Rejects a status file that does not show the current states, for example because it is too
    /// old.
    pub fn refuse_outdated(&self, now: SystemTime) -> Result<(), engine::Error> {
        let Some(file) = &self.config.status_file else { return Ok(()) };
        Ok(status_file::refuse_outdated(file, &self.snapshot.program, now)?)
    }

    /// Returns the reason why the sweep must not base repairs on this state, or `None` if there is
    /// no such reason.
    pub fn unfit(&self, now: SystemTime) -> Option<String> {
        if let Err(why) = self.refuse_outdated(now) {
            return Some(why.to_string());
        }
        let name = self.engine.name();
        (!self.snapshot.program.event_handlers)
            .then(|| format!("event handlers are disabled in {name} (enable_event_handlers)"))
    }

    /// Returns the address of a host, or `None` if the engine has no address for it.
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

fn object_cache(status_file: &Path, named: Option<&Path>) -> Result<ObjectCache, SweepError> {
    let path = named.map_or_else(|| status_file.with_file_name("objects.cache"), Path::to_owned);
    ObjectCache::read(&path, AddressesOf::AllHosts)
        .map_err(|why| SweepError::ObjectCache { path, why })
}
