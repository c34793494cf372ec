//! Arguments and help text of `repairctl ledger`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// The arguments that follow `repairctl ledger`.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    /// What to do with the ledger
    #[command(subcommand)]
    pub action: LedgerAction,
}

/// What to do with the ledger.
#[derive(Debug, Clone, Subcommand)]
pub enum LedgerAction {
    /// Migrate the ledger to the current schema
    #[command(after_help = "\
For SQLite, an upgrade of the package also migrates the ledger, and so does the
first repair after an upgrade. A copy of the old ledger stays next to the new
one. The file of a ledger from an old version cannot shrink when records are
deleted. Only this command rewrites such a file so that it can, which needs free
disk space of twice the ledger's size.

For PostgreSQL, this creates the tables, or migrates them. The role in the
policy must own the database or the tables. If it does not, use
`repairctl ledger schema`.

Exit codes: 2 if a worker is still running a repair.")]
    Migrate,
    /// Print the SQL that creates or migrates the tables in PostgreSQL
    #[command(after_help = "\
Run the SQL as the owner of the database. It can be run repeatedly. It also
grants the role in the policy the rights that the programs need, and no others:
  repairctl ledger schema | sudo -u postgres psql -v ON_ERROR_STOP=1 -d selfheal")]
    Schema,
    /// Copy the records of a SQLite ledger into PostgreSQL
    #[command(after_help = "\
Run this after you have named PostgreSQL in the policy, and before the first
repair, because the import is refused if the site already has records in
PostgreSQL. It is also refused while a repair from the SQLite ledger is running.
All records are copied and counted in one transaction. The SQLite ledger keeps
its records.")]
    Import {
        /// Path of the SQLite ledger
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}
