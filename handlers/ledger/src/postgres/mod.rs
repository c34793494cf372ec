//! Stores the ledger of several monitoring servers in a PostgreSQL database. Each reservation is
//! one transaction that locks the row of the site, and only the clock of the database counts.

mod connect;
mod history;
mod import;
mod overview;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod plans;
mod report;
mod reserve;
mod row;
mod schema;
mod search;
mod session;
mod store;
mod tls;

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use policy::{Event, JobId};
use policy_file::PostgresConfig;

use crate::Error;
use crate::locks::{WorkerLock, check_directory, private_file};
use crate::value::Value;
use connect::{Purpose, connect};
use history::SiteRecords;
use session::Session;

pub use import::{ImportCounts, import};
pub use report::{DatabaseReport, examine, test_write};
pub use schema::{migrate, postgres_schema};

/// A ledger in a PostgreSQL database.
pub struct PostgresLedger {
    config: PostgresConfig,
    purpose: Purpose,
    session: Session,
    /// Path to which the names of this server's own files are appended.
    local: PathBuf,
    /// Host name of this server, which is stored with each reservation.
    server: String,
    /// Random name of this server's local files. Two servers can have the same host name.
    origin: String,
    /// Locks of the running jobs that were reserved through this ledger.
    held: HashMap<JobId, WorkerLock>,
}

impl PostgresLedger {
    /// Opens the ledger for writing. `local` is the path to which the names of this server's own
    /// files are appended.
    pub fn open(config: &PostgresConfig, local: &Path) -> Result<PostgresLedger, Error> {
        check_directory(local)?;
        PostgresLedger::connect(config, local, Purpose::Write)
    }

    /// Opens the ledger for reading only.
    pub fn open_read_only(config: &PostgresConfig, local: &Path) -> Result<PostgresLedger, Error> {
        PostgresLedger::connect(config, local, Purpose::Read)
    }

    fn connect(
        config: &PostgresConfig,
        local: &Path,
        purpose: Purpose,
    ) -> Result<PostgresLedger, Error> {
        let origin = match purpose {
            Purpose::Read => read_origin(local).unwrap_or_default(),
            Purpose::Write | Purpose::Own => origin(local)?,
        };
        let session = connect(config, purpose)?;
        schema::check(&session, &config.site)?;
        let host_name = || rustix::system::uname().nodename().to_string_lossy().into_owned();
        let server = config.server.clone().unwrap_or_else(host_name);
        let (config, local, held) = (config.clone(), local.to_owned(), HashMap::new());
        Ok(PostgresLedger { config, purpose, session, local, server, origin, held })
    }

    /// Connects again if the connection was lost, for example because another server has taken
    /// over.
    fn connected(&mut self) -> Result<&Session, Error> {
        if !self.session.is_usable() {
            self.session = connect(&self.config, self.purpose)?;
        }
        Ok(&self.session)
    }

    /// Returns the queries for the object of an event, or for the whole fleet.
    fn facts(&self, event: Option<&Event>) -> SiteRecords<'_> {
        let own = (self.local.as_path(), self.origin.as_str());
        SiteRecords::new(&self.session, &self.config.site, own, event)
    }

    fn site(&self) -> Value {
        self.config.site.as_str().into()
    }

    fn no_such_job(&self, job: &JobId) -> Error {
        Error::NoSuchJob { ledger: self.config.to_string(), job: job.to_string() }
    }
}

/// Length of a random name, in bytes.
const ORIGIN_BYTES: usize = 16;

fn origin_path(local: &Path) -> PathBuf {
    local.with_added_extension("id")
}

/// Returns the random name of this server's local files, or `None` if there is none yet.
fn read_origin(local: &Path) -> Option<String> {
    let mut name = String::new();
    safe_file::open(origin_path(local)).ok()?.take(64).read_to_string(&mut name).ok()?;
    (name.len() == 2 * ORIGIN_BYTES).then_some(name)
}

/// Returns the random name of this server's local files. Writes it if there is none yet.
fn origin(local: &Path) -> Result<String, Error> {
    let path = origin_path(local);
    let unusable = |why| Error::Directory { path: path.clone(), why };
    let mut file = private_file(&path).map_err(unusable)?;
    file.lock().map_err(unusable)?;
    if let Some(name) = read_origin(local) {
        return Ok(name);
    }
    let mut random = [0; ORIGIN_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut random))
        .map_err(unusable)?;
    let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    file.set_len(0).and_then(|()| file.write_all(name.as_bytes())).map_err(unusable)?;
    file.sync_all().map_err(unusable)?;
    Ok(name)
}
