//! Stores the ledger of several monitoring servers in a PostgreSQL database. Each reservation is
//! one transaction that locks the row of the site. All times are on the clock of the database
//! server.

mod connect;
mod history;
mod import;
mod members;
mod origin;
mod overview;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod plans;
mod report;
mod reserve;
mod row;
mod schema;
mod scram;
mod search;
mod session;
mod store;
mod timeline;
mod tls;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use policy::{Event, JobId};
use policy_file::PostgresConfig;

use crate::Error;
use crate::locks::{WorkerLock, check_directory};
use crate::row::Columns;
use crate::value::{Value, object};
use connect::Purpose;
use history::SiteRecords;
use members::connect;
use origin::{origin, read_origin};
use row::ServerRow;
use session::Session;

pub use import::{ImportCounts, import};
pub use report::{DatabaseReport, examine, test_write};
pub use schema::{migrate, postgres_schema};

/// A ledger in a PostgreSQL database.
pub struct PostgresLedger {
    config: PostgresConfig,
    purpose: Purpose,
    session: Session,
    /// Common prefix of the paths of this server's own files.
    local: PathBuf,
    /// Host name of this server, which is stored with each reservation.
    server: String,
    /// Random name of this server's local files. Two servers can have the same host name.
    origin: String,
    /// Locks of the running jobs that were reserved through this ledger.
    held: HashMap<JobId, WorkerLock>,
}

impl PostgresLedger {
    /// Opens the ledger for writing. `local` is the common prefix of the paths of this server's own
    /// files.
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

    /// Returns the session. Connects again if the connection was lost, for example because another
    /// server has taken over.
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

    /// Returns all rows of a query.
    fn all<T>(
        &mut self,
        sql: &str,
        keys: &[Value],
        read: impl FnMut(&ServerRow<'_>) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        self.connected()?.query(sql, keys)?.iter().map(read).collect()
    }

    fn object_since(&mut self, event: &Event, since: SystemTime) -> Result<[Value; 4], Error> {
        let since = self.connected()?.millis(since);
        let (host, service) = object(event);
        Ok([self.site(), host.into(), service.into(), since.into()])
    }

    fn has_ended(&self, job: &str) -> Result<bool, Error> {
        let sql = "SELECT ended FROM repair WHERE job = $1";
        let rows = self.session.query(sql, &[job.into()])?;
        let ended = rows.first().map(|row| row.number(0)).transpose()?;
        Ok(ended.is_none_or(|ended| ended.is_some()))
    }
}
