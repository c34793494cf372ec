//! `repairctl ledger`: maintains the ledger.

pub mod args;

use std::path::PathBuf;
use std::time::Duration;

use plugin_kit::{Out, Problem, ToolResult};
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::split::{CommandResult, Split};
use args::{LedgerAction, LedgerArgs};

/// Time limit for a migration. It is long because a migration rewrites the ledger, which can have
/// millions of rows.
const LONGEST: Duration = Duration::from_secs(3600);

/// The result of a migration.
#[derive(Serialize, Deserialize)]
pub enum Migration {
    /// There is no ledger, because no repair has run yet.
    NoLedger,
    /// The ledger already has the current schema.
    Current,
    /// The ledger was migrated. The value is the path to the copy of the old ledger.
    Done(PathBuf),
    /// The ledger already had the current schema, and was rewritten so that it can shrink.
    Rewritten,
    /// A worker is still running a repair. The string is the error message.
    Waiting(String),
}

impl Split for LedgerArgs {
    type Data = Migration;

    fn timeout(&self) -> Duration {
        LONGEST
    }

    fn collect(&self, context: &Context) -> Result<Migration, Problem> {
        let LedgerAction::Migrate = self.action;
        let path = &context.config()?.ledger;
        let backup = match ledger::open_read_only(path) {
            Ok(_) => None,
            Err(ledger::Error::Missing(_)) => return Ok(Migration::NoLedger),
            Err(ledger::Error::Older { backup, .. }) => Some(backup),
            Err(why) => return Err(Problem::failed(why)),
        };
        // `compact` also migrates an old ledger, because opening a ledger migrates it.
        match (ledger::compact(path), backup) {
            (Ok(_), Some(backup)) => Ok(Migration::Done(backup)),
            (Ok(true), None) => Ok(Migration::Rewritten),
            (Ok(false), None) => Ok(Migration::Current),
            (Err(why), _) if is_in_use(&why) => Ok(Migration::Waiting(why.to_string())),
            (Err(why), _) => Err(Problem::failed(why)),
        }
    }

    fn show(&self, migration: Migration, context: &Context, out: &mut Out) -> CommandResult {
        let path = context.config()?.ledger.display();
        let (line, result) = match migration {
            Migration::NoLedger => (format!("{path}: there is no ledger yet"), ToolResult::Fine),
            Migration::Current => {
                (format!("{path}: the ledger already has the current schema"), ToolResult::Fine)
            }
            Migration::Done(copy) => {
                let text = format!(
                    "{path}: the ledger was migrated; the old version was saved as {copy}",
                    copy = copy.display()
                );
                (text, ToolResult::Fine)
            }
            Migration::Rewritten => {
                let text = "the ledger was rewritten; from now on, its file shrinks when records \
                            expire";
                (format!("{path}: {text}"), ToolResult::Fine)
            }
            Migration::Waiting(why) => (
                format!("{why}; run this command again after the job has ended"),
                ToolResult::Failed,
            ),
        };
        out.line(line);
        Ok(result)
    }
}

/// Whether the migration failed because the ledger is in use.
fn is_in_use(why: &ledger::Error) -> bool {
    matches!(why, ledger::Error::WorkerAtWork { .. } | ledger::Error::InUse { .. })
}
