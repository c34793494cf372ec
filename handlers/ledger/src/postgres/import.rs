//! Imports the records of a SQLite file.

use std::fmt;
use std::path::Path;

use policy_file::PostgresConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};
use serde::{Deserialize, Serialize};

use super::connect::{Purpose, local_path};
use super::members::connect;
use super::origin::origin;
use super::schema;
use super::session::Session;
use crate::Error;
use crate::locks::{self, DecisionLock};
use crate::sqlite::SqliteLedger;
use crate::value::Value;

/// Number of imported records of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportCounts {
    /// Number of repairs.
    pub repairs: u64,
    /// Number of steps of these repairs.
    pub steps: u64,
    /// Number of refusals.
    pub refusals: u64,
    /// Number of pauses.
    pub pauses: u64,
    /// Number of resets.
    pub resets: u64,
}

impl fmt::Display for ImportCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ImportCounts { repairs, steps, refusals, pauses, resets } = self;
        write!(
            f,
            "{repairs} repairs, {steps} steps, {refusals} refusals, {pauses} pauses and {resets} \
             resets"
        )
    }
}

/// Copies all records of a SQLite file into the site of `to`, in one transaction. If any record
/// cannot be imported, none is. If the site has a pause with the same scope, the longer pause is
/// kept. If a host has several repairs without a recorded end, all except the newest get the
/// outcome `unknown`, because the database allows only one such repair for each host.
///
/// # Errors
/// Returns [`Error::NotEmpty`] if the site already has records, [`Error::InUse`] while a worker
/// uses the file, or one of the errors of [`open`](crate::open) for either ledger.
pub fn import(from: &Path, to: &PostgresConfig) -> Result<ImportCounts, Error> {
    // Opening the file checks that it can be trusted, and migrates it.
    drop(SqliteLedger::open(from)?);
    // No repair can be reserved in the file while we hold this lock.
    let _decision_lock = DecisionLock::acquire(from)?;
    if let Some(job) = locks::any_alive(from)? {
        return Err(Error::InUse { path: from.to_owned(), job });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let file = Connection::open_with_flags(from, flags)
        .map_err(|why| Error::Store { path: from.to_owned(), why })?;
    let import = Import {
        file,
        from,
        session: connect(to, Purpose::Own)?,
        site: &to.site,
        origin: origin(&local_path(to))?,
    };
    schema::check(&import.session, &to.site)?;
    import.session.batch("BEGIN")?;
    let counts = import.run().inspect_err(|_| import.session.roll_back())?;
    import.session.commit(Vec::new())?;
    Ok(counts)
}

/// An import in progress.
struct Import<'a> {
    file: Connection,
    from: &'a Path,
    session: Session,
    site: &'a str,
    origin: String,
}

/// How many rows one statement inserts.
const BATCH: usize = 500;

/// A table to copy.
struct CopiedTable {
    name: &'static str,
    /// The columns in both stores.
    columns: &'static str,
    /// The rest of the SELECT statement for SQLite: an expression for each column, the table, and
    /// the order of the rows.
    select: &'static str,
    /// Whether the table in PostgreSQL also has a column for the site.
    has_site: bool,
    has_origin: bool,
    /// What to do about a row that the site already has; empty if it has none.
    on_conflict: &'static str,
}

/// The tables to copy. PostgreSQL accepts only one repair without an end for each host, so the
/// query for the table `repair` adds an end to all such repairs of a host except the newest.
const TABLES: [CopiedTable; 6] = [
    CopiedTable {
        name: "repair",
        columns: "job, server, host, service, repair, problem, event, reserved, lease_until, \
            rung, rung_gate, rung_until, ended, outcome, text",
        select: "job, server, host, service, repair, problem, event, reserved, lease_until, rung, \
            rung_gate, rung_until, iif(is_older, lease_until, ended), \
            iif(is_older, 'unknown', outcome), text FROM (SELECT *, rowid AS n, ended IS NULL AND \
            row_number() OVER (PARTITION BY host, ended IS NULL ORDER BY reserved DESC) > 1 \
            AS is_older FROM repair) ORDER BY reserved, n",
        has_site: true,
        has_origin: true,
        on_conflict: "",
    },
    CopiedTable {
        name: "step",
        columns: "job, at, kind, rung, text",
        select: "job, at, kind, rung, text FROM step ORDER BY id",
        has_site: false,
        has_origin: false,
        on_conflict: "",
    },
    CopiedTable {
        name: "repair_group",
        columns: "name, reserved, job",
        select: "name, reserved, job FROM repair_group",
        has_site: false,
        has_origin: false,
        on_conflict: "",
    },
    CopiedTable {
        name: "refusal",
        columns: "at, job, server, host, service, event, reason, text, gap",
        select: "at, job, server, host, service, event, reason, text, gap FROM refusal ORDER BY id",
        has_site: true,
        has_origin: false,
        on_conflict: "",
    },
    CopiedTable {
        name: "pause",
        columns: "host, service, by_whom, reason, since, until",
        select: "host, service, by_whom, reason, since, until FROM pause",
        has_site: true,
        has_origin: false,
        // An admin may have paused repairs before the import. The longer pause stays.
        on_conflict: "ON CONFLICT (site, host, service) DO UPDATE SET by_whom = excluded.by_whom, \
            reason = excluded.reason, since = excluded.since, until = excluded.until \
            WHERE excluded.until IS NULL OR excluded.until > pause.until",
    },
    CopiedTable {
        name: "reset",
        columns: "at, host, service, by_whom, reason",
        select: "at, host, service, by_whom, reason FROM reset ORDER BY id",
        has_site: true,
        has_origin: false,
        on_conflict: "",
    },
];

impl Import<'_> {
    fn run(&self) -> Result<ImportCounts, Error> {
        let lock = "SELECT name FROM site WHERE name = $1 FOR UPDATE";
        self.session.rows(lock, &[self.site.into()])?;
        if self.count("repair")? + self.count("refusal")? > 0 {
            let (database, site) = (self.session.database.clone(), self.site.to_owned());
            return Err(Error::NotEmpty { database, site });
        }
        let mut copied = Vec::new();
        for table in &TABLES {
            copied.push(self.copy(table)?);
        }
        let &[repairs, steps, _, refusals, pauses, resets] = copied.as_slice() else {
            return Ok(ImportCounts::default());
        };
        for (name, wanted) in
            [("repair", repairs), ("refusal", refusals), ("pause", pauses), ("reset", resets)]
        {
            let found = self.count(name)?;
            // The site can have pauses and resets of its own.
            if found < wanted {
                let why = format!("has {found} instead of {wanted} rows in the table {name}");
                return Err(self.session.no_site(why));
            }
        }
        Ok(ImportCounts { repairs, steps, refusals, pauses, resets })
    }

    fn count(&self, table: &str) -> Result<u64, Error> {
        let sql = format!("SELECT count(*) FROM {table} WHERE site = $1");
        let count = self.session.number(&sql, &[self.site.into()])?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Copies one table, and returns the number of its rows.
    fn copy(&self, table: &CopiedTable) -> Result<u64, Error> {
        let of_file = |why| Error::Store { path: self.from.to_owned(), why };
        let mut rows = self.file.prepare(&format!("SELECT {}", table.select)).map_err(of_file)?;
        let mut rows = rows.query(()).map_err(of_file)?;
        let (mut batch, mut copied) = (Vec::new(), 0);
        while let Some(row) = rows.next().map_err(of_file)? {
            batch.push(values(row, table).map_err(of_file)?);
            copied += 1;
            if batch.len() == BATCH {
                self.insert(table, &std::mem::take(&mut batch))?;
            }
        }
        self.insert(table, &batch)?;
        Ok(copied)
    }

    fn insert(&self, table: &CopiedTable, rows: &[Vec<Value>]) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut columns = table.columns.to_owned();
        let mut own: Vec<Value> = Vec::new();
        if table.has_site {
            columns += ", site";
            own.push(self.site.into());
        }
        if table.has_origin {
            columns += ", origin";
            own.push(self.origin.as_str().into());
        }
        let (mut tuples, mut all) = (Vec::new(), Vec::new());
        for row in rows {
            let values = row.iter().chain(&own);
            let first = all.len();
            all.extend(values.cloned());
            let places: Vec<String> = (first..all.len()).map(|n| format!("${}", n + 1)).collect();
            tuples.push(format!("({})", places.join(", ")));
        }
        let CopiedTable { name, on_conflict, .. } = table;
        let tuples = tuples.join(", ");
        let sql = format!("INSERT INTO {name} ({columns}) VALUES {tuples} {on_conflict}");
        self.session.execute(&sql, &all).map(drop)
    }
}

/// Reads a row. The columns with the names of hosts and services contain bytes.
fn values(row: &Row<'_>, table: &CopiedTable) -> rusqlite::Result<Vec<Value>> {
    let columns = table.columns.split(", ").enumerate();
    let value = |(n, column): (usize, &str)| {
        let is_name = matches!(column, "host" | "service" | "rung_gate");
        let is_number = matches!(
            column,
            "at" | "rung"
                | "reserved"
                | "lease_until"
                | "rung_until"
                | "ended"
                | "gap"
                | "since"
                | "until"
        );
        Ok(match row.get_ref(n)? {
            ValueRef::Integer(number) if is_number => Value::Number(Some(number)),
            ValueRef::Null if is_number => Value::Number(None),
            ValueRef::Null if is_name => Value::Bytes(None),
            ValueRef::Null => Value::Text(None),
            value if is_name => Value::Bytes(Some(value.as_bytes()?.to_vec())),
            value => String::from_utf8_lossy(value.as_bytes()?).as_ref().into(),
        })
    };
    columns.map(value).collect()
}
