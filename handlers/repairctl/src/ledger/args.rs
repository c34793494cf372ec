//! `repairctl ledger`.

use clap::{Args, Subcommand};

/// The arguments of `ledger`.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    /// What to do with it
    #[command(subcommand)]
    pub action: LedgerAction,
}

/// What to do with the ledger.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum LedgerAction {
    /// Bring a ledger of an older version to this version's schema
    #[command(
        after_help = "The first repair after an upgrade does the same, and so does the package.
A copy of the ledger as it was stays beside it.

Exit codes: 2 while a worker of the older version is still repairing."
    )]
    Migrate,
}
