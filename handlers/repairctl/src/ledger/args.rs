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
    #[command(after_help = "\
An upgrade of the package also migrates the ledger, and so does the first repair
after an upgrade. A copy of the old ledger stays next to the new one. Only this
command also rewrites a ledger whose file cannot shrink yet, which needs free
disk space of twice the ledger's size.

Exit codes: 2 if a worker is still running a repair.")]
    Migrate,
}
