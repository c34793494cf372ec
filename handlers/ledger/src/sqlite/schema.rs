//! Writes the schema of the ledger, and checks which schema a file has.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use super::store_error;
use crate::Error;

/// Marks an SQLite file as a ledger ("SHL1"). See SQLite's `PRAGMA application_id`.
const APPLICATION_ID: i64 = 0x5348_4c31;
/// Version of the schema that this program reads and writes, stored in SQLite's `PRAGMA
/// user_version`.
const CURRENT: i64 = 2;
const CURRENT_SQL: &str = include_str!("schema.sql");
const FIRST_SQL: &str = include_str!("schema_1.sql");

/// A schema that this program can use or migrate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// The current schema.
    Current,
    /// Schema 1, which versions before 1.0 wrote.
    First,
}

/// Returns the schema of a file.
///
/// # Errors
/// Fails if the file is not a ledger, or if a newer version wrote it. Also fails if the file is
/// empty. Otherwise, emptying the file would erase the history of repairs unnoticed.
pub(super) fn check(store: &Connection, path: &Path) -> Result<Schema, Error> {
    let number = |name| match store.pragma_query_value(None, name, |row| row.get::<_, i64>(0)) {
        Err(why) if why.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            Err(Error::Foreign(path.to_owned()))
        }
        read => read.map_err(store_error(path)),
    };
    let (schema, sql) = match (number("application_id")?, number("user_version")?) {
        (APPLICATION_ID, CURRENT) => (Schema::Current, CURRENT_SQL),
        (APPLICATION_ID, 1) => (Schema::First, FIRST_SQL),
        (APPLICATION_ID, found) if found > CURRENT => return Err(newer(path, found)),
        _ => return Err(Error::Foreign(path.to_owned())),
    };
    if is_exactly(store, sql).map_err(store_error(path))? {
        Ok(schema)
    } else {
        Err(Error::Foreign(path.to_owned()))
    }
}

/// Creates the tables of the current schema, and marks the file as a ledger.
pub(super) fn write(store: &Connection) -> rusqlite::Result<()> {
    store.execute_batch(CURRENT_SQL)?;
    store.pragma_update(None, "application_id", APPLICATION_ID)?;
    store.pragma_update(None, "user_version", CURRENT)
}

/// Returns the path of the copy that a migration from `schema` keeps next to the ledger.
pub(super) fn backup(path: &Path, schema: i64) -> PathBuf {
    path.with_added_extension(format!("schema-{schema}"))
}

pub(super) fn older(path: &Path) -> Error {
    Error::Older { path: path.to_owned(), found: 1, known: CURRENT, backup: backup(path, 1) }
}

fn newer(path: &Path, found: i64) -> Error {
    let backup = Some(backup(path, CURRENT)).filter(|copy| copy.exists());
    Error::Newer { path: path.to_owned(), found, known: CURRENT, backup }
}

/// Whether the file has exactly the tables and indexes of `wanted`. A view in place of a table, or
/// a trigger, would run its author's code in our queries. SQLite stores the text of each statement
/// with its comments (<https://sqlite.org/schematab.html>), so a change to a comment inside a
/// statement changes the schema.
fn is_exactly(store: &Connection, wanted: &str) -> rusqlite::Result<bool> {
    let sql =
        "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT GLOB 'sqlite_stat?'";
    let found: Vec<String> =
        store.prepare(sql)?.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
    let statements: Vec<&str> =
        wanted.match_indices("CREATE ").filter_map(|(at, _)| wanted.get(at..)).collect();
    let is_wanted = |found: &String| statements.iter().any(|one| one.starts_with(found.as_str()));
    Ok(found.len() == statements.len() && found.iter().all(is_wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RepairOutcome, StepKind};

    #[test]
    fn schema_allows_every_outcome_and_step_kind() {
        let is_allowed = |word: &str| CURRENT_SQL.contains(&format!("'{word}'"));
        for outcome in RepairOutcome::ALL {
            assert!(is_allowed(outcome.as_str()), "schema.sql does not allow {outcome:?}");
        }
        for kind in StepKind::ALL {
            assert!(is_allowed(kind.as_str()), "schema.sql does not allow {kind:?}");
        }
    }
}
