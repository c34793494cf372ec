//! Creates the tables, and checks that a database has them.

use policy_file::PostgresConfig;

use super::connect::Purpose;
use super::members::connect;
use super::session::Session;
use crate::Error;
use crate::server_fault::ServerFault;

/// Version of the tables that this program reads and writes.
const CURRENT: i64 = 1;
const CURRENT_SQL: &str = include_str!("schema.sql");

/// The rights that a worker needs, each with its table. A worker may only add steps and refusals.
/// In the row of a repair, it may update only the columns that change while the repair runs.
pub(super) const RIGHTS: &[(&str, &str)] = &[
    ("SELECT", "version"),
    ("SELECT", "site"),
    ("UPDATE (timeline, next_timeline, failed_over, longest_lease)", "site"),
    ("SELECT", "repair"),
    ("INSERT", "repair"),
    ("UPDATE (lease_until, rung, rung_gate, rung_until, ended, outcome, text)", "repair"),
    ("SELECT", "repair_group"),
    ("INSERT", "repair_group"),
    ("SELECT", "step"),
    ("INSERT", "step"),
    ("SELECT", "refusal"),
    ("INSERT", "refusal"),
    ("SELECT", "pause"),
    ("INSERT", "pause"),
    ("UPDATE", "pause"),
    ("DELETE", "pause"),
    ("SELECT", "reset"),
    ("INSERT", "reset"),
];

/// Returns the SQL statements that the owner of the database has to run. They create the tables and
/// the site if they do not exist yet, and grant the user in `config` the rights that a worker
/// needs.
pub fn postgres_schema(config: &PostgresConfig) -> String {
    let (site, role) = (literal(&config.site), identifier(&config.user));
    let mut sql = format!(
        "BEGIN;\n{CURRENT_SQL}\n\
         INSERT INTO site (name, timeline) VALUES ({site}, timeline()) ON CONFLICT DO NOTHING;\n\
         GRANT USAGE ON SCHEMA selfheal TO {role};\n\
         GRANT EXECUTE ON FUNCTION expire, timeline TO {role};\n"
    );
    for (right, table) in RIGHTS {
        sql += &format!("GRANT {right} ON {table} TO {role};\n");
    }
    sql + "COMMIT;\n"
}

/// Creates the tables and the site of `config` if they are missing. The user of `config` must own
/// the database. Returns whether anything was missing.
///
/// # Errors
/// Returns [`Error::Server`] if the user may not create the tables, or one of the errors of
/// [`open`](crate::open).
pub fn migrate(config: &PostgresConfig) -> Result<bool, Error> {
    let session = connect(config, Purpose::Own)?;
    match check(&session, &config.site) {
        Ok(()) => Ok(false),
        Err(Error::NoSite { .. }) => {
            session.batch(&postgres_schema(config)).inspect_err(|_| session.roll_back())?;
            Ok(true)
        }
        Err(other) => Err(other),
    }
}

/// Checks that the database has this version's tables and contains the site.
pub(super) fn check(session: &Session, site: &str) -> Result<(), Error> {
    check_version(session)?;
    let sites = session.number("SELECT count(*) FROM site WHERE name = $1", &[site.into()])?;
    if sites == 1 { Ok(()) } else { Err(session.no_site(format!("has no site {site}"))) }
}

fn check_version(session: &Session) -> Result<(), Error> {
    match session.number("SELECT schema FROM version", &[]) {
        Ok(CURRENT) => Ok(()),
        Ok(found) => {
            let (server, database) = (session.server.clone(), session.database.clone());
            Err(Error::OtherTables { server, database, found, known: CURRENT })
        }
        Err(Error::Server { why: ServerFault::Failed(why), .. }) if is_missing(&why) => {
            Err(session.no_site("does not contain the tables of nagios-selfheal".to_owned()))
        }
        Err(other) => Err(other),
    }
}

fn is_missing(why: &tokio_postgres::Error) -> bool {
    use tokio_postgres::error::SqlState;
    let missing = [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME];
    why.code().is_some_and(|code| missing.contains(code))
}

/// Quotes a string for SQL.
fn literal(text: &str) -> String {
    // A backslash has no special meaning, because standard_conforming_strings is on by default.
    format!("'{}'", text.replace('\'', "''"))
}

/// Quotes a name for SQL.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
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

    #[test]
    fn quotes_names_of_sites_and_roles() {
        assert_eq!((literal("it's"), identifier("a\"b")), ("'it''s'".into(), "\"a\"\"b\"".into()));
    }
}
