//! Arguments and help text of `repairctl ledger`.

use clap::{Args, Subcommand};

/// The arguments that follow `repairctl ledger`.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    /// What to do with the ledger
    #[command(subcommand)]
    pub action: LedgerAction,
}

/// What to do with the ledger.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum LedgerAction {
    /// Migrate a ledger from an older version to the current schema
    #[command(
        after_help = "The package also migrates the ledger, and so does the first repair after an
upgrade. A copy of the old ledger is kept next to the new one.

Exit codes: 2 while a worker from the older version is still running a repair."
    )]
    Migrate,
}
