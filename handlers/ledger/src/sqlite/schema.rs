//! The schema of the file: which one it has, and whether it is ours.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use super::store_error;
use crate::Error;

/// Marks a SQLite file as ours ("SHL1"), see SQLite's `PRAGMA application_id`.
const APPLICATION_ID: i64 = 0x5348_4c31;
/// The schema this program reads and writes.
const CURRENT: i64 = 2;
const CURRENT_SQL: &str = include_str!("schema.sql");
const FIRST_SQL: &str = include_str!("schema_1.sql");

/// A schema that this program can use or bring to its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// The schema of this program.
    Current,
    /// Schema 1, of versions before 1.0.
    First,
}

/// Returns the schema of a file.
///
/// # Errors
/// When it is not a ledger, or a newer one. An empty file is not a ledger either: anyone who emptied
/// it has also emptied the history.
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

/// Writes the tables of the current schema, and marks the file.
pub(super) fn write(store: &Connection) -> rusqlite::Result<()> {
    store.execute_batch(CURRENT_SQL)?;
    store.pragma_update(None, "application_id", APPLICATION_ID)?;
    store.pragma_update(None, "user_version", CURRENT)
}

/// The copy of a ledger of this schema, which the migration to a newer one keeps beside it.
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

/// Whether the file has exactly these tables and indexes: a view in place of a table, or a trigger
/// on one, would run its author's code in every query of ours. SQLite keeps each statement as it
/// was given (<https://sqlite.org/schematab.html>).
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
    fn every_word_of_an_enum_may_be_stored() {
        let is_allowed = |word: &str| CURRENT_SQL.contains(&format!("'{word}'"));
        for outcome in RepairOutcome::ALL {
            assert!(is_allowed(outcome.as_str()), "schema.sql does not allow {outcome:?}");
        }
        for kind in StepKind::ALL {
            assert!(is_allowed(kind.as_str()), "schema.sql does not allow {kind:?}");
        }
    }
}
