//! The arguments of `repairctl ledger`.

use clap::{Args, Subcommand};

/// The arguments of `ledger`.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    /// What to do with the ledger
    #[command(subcommand)]
    pub action: LedgerAction,
}

/// What to do with the ledger.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum LedgerAction {
    /// Migrate a ledger of an older version to the schema of this version
    #[command(
        after_help = "The package also migrates the ledger, and so does the first repair after an
upgrade. A copy of the old ledger is kept next to the new one. Only this command rewrites a
ledger whose file cannot shrink yet, which needs free space of twice its size.

Exit codes: 2 while a worker is still repairing."
    )]
    Migrate,
}
