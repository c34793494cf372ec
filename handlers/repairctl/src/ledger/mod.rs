//! `repairctl ledger`: maintains the ledger.

pub mod args;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ledger::ImportCounts;
use plugin_kit::{Out, Problem, ToolResult};
use policy_file::{Config, LedgerConfig, PostgresConfig};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::split::{self, CommandResult, Split};
use args::{LedgerAction, LedgerArgs};

/// Time limit for a migration or an import. It is long because both can write millions of rows.
const LONGEST: Duration = Duration::from_secs(3600);

/// The command applies only to a ledger in PostgreSQL.
#[derive(Debug, thiserror::Error)]
#[error(
    "the ledger in the policy is the file {0}; name a database with \
     {{\"ledger\": {{\"postgres\": ...}}}} first"
)]
struct NotPostgres(PathBuf);

/// The result of a command that changes the ledger.
#[derive(Serialize, Deserialize)]
pub enum LedgerChange {
    /// There is no ledger, because no repair has run yet.
    NoLedger,
    /// The ledger already has the current schema.
    Current,
    /// The SQLite ledger was migrated. The value is the path to the copy of the old ledger.
    Done(PathBuf),
    /// The SQLite ledger already had the current schema. It was rewritten so that its file can
    /// shrink when records expire.
    Rewritten,
    /// A worker is still running a repair. The string is the error message.
    Waiting(String),
    /// The tables in PostgreSQL were created or migrated.
    Prepared,
    /// The records of a SQLite ledger were copied into PostgreSQL.
    Imported(ImportCounts),
}

/// Runs `repairctl ledger`.
pub fn run(
    args: &LedgerArgs,
    context: &Context,
    argv: &[OsString],
    out: &mut Out,
) -> CommandResult {
    match args.action {
        // Root may paste this SQL into psql, so print it here and not in a process that runs as
        // Nagios' user.
        LedgerAction::Schema => {
            out.line(ledger::postgres_schema(postgres(context.config()?)?));
            Ok(ToolResult::Fine)
        }
        LedgerAction::Migrate | LedgerAction::Import { .. } => split::run(args, context, argv, out),
    }
}

fn postgres(config: &Config) -> Result<&PostgresConfig, Problem> {
    match &config.ledger {
        LedgerConfig::Postgres(postgres) => Ok(postgres),
        LedgerConfig::Sqlite(path) => Err(Problem::failed(NotPostgres(path.clone()))),
    }
}

impl Split for LedgerArgs {
    type Data = LedgerChange;

    fn timeout(&self) -> Duration {
        LONGEST
    }

    fn collect(&self, context: &Context) -> Result<LedgerChange, Problem> {
        let config = context.config()?;
        match &self.action {
            LedgerAction::Import { file } => {
                let counts = ledger::import(file, postgres(config)?).map_err(Problem::failed)?;
                Ok(LedgerChange::Imported(counts))
            }
            _ => match &config.ledger {
                LedgerConfig::Sqlite(path) => migrate_file(path),
                LedgerConfig::Postgres(postgres) => match ledger::migrate(postgres) {
                    Ok(true) => Ok(LedgerChange::Prepared),
                    Ok(false) => Ok(LedgerChange::Current),
                    Err(why) => Err(Problem::failed(why)),
                },
            },
        }
    }

    fn show(&self, change: LedgerChange, context: &Context, out: &mut Out) -> CommandResult {
        let ledger = &context.config()?.ledger;
        let line = match change {
            LedgerChange::NoLedger => format!("{ledger}: there is no ledger yet"),
            LedgerChange::Current => format!("{ledger}: the ledger already has the current schema"),
            LedgerChange::Done(copy) => format!(
                "{ledger}: the ledger was migrated; the old version was saved as {copy}",
                copy = copy.display()
            ),
            LedgerChange::Rewritten => format!(
                "{ledger}: the ledger was rewritten; from now on, its file shrinks when records \
                 expire"
            ),
            LedgerChange::Waiting(why) => {
                out.line(format!("{why}; run this command again after the job has ended"));
                return Ok(ToolResult::Failed);
            }
            LedgerChange::Prepared => format!("{ledger}: the ledger now has the current schema"),
            LedgerChange::Imported(counts) => format!("{ledger}: imported {counts}"),
        };
        out.line(line);
        Ok(ToolResult::Fine)
    }
}

/// Migrates a SQLite ledger to the current schema. Also rewrites a file from an old version, which
/// cannot shrink when records are deleted.
fn migrate_file(path: &Path) -> Result<LedgerChange, Problem> {
    let backup = match ledger::open_sqlite_read_only(path) {
        Ok(_) => None,
        Err(ledger::Error::Missing(_)) => return Ok(LedgerChange::NoLedger),
        Err(ledger::Error::Older { backup, .. }) => Some(backup),
        Err(why) => return Err(Problem::failed(why)),
    };
    // `compact` also migrates an old ledger, because opening a ledger migrates it.
    match (ledger::compact(path), backup) {
        (Ok(_), Some(backup)) => Ok(LedgerChange::Done(backup)),
        (Ok(true), None) => Ok(LedgerChange::Rewritten),
        (Ok(false), None) => Ok(LedgerChange::Current),
        (Err(why), _) if is_in_use(&why) => Ok(LedgerChange::Waiting(why.to_string())),
        (Err(why), _) => Err(Problem::failed(why)),
    }
}

/// Whether the migration failed because the ledger is in use.
fn is_in_use(why: &ledger::Error) -> bool {
    matches!(why, ledger::Error::WorkerAtWork { .. } | ledger::Error::InUse { .. })
}
