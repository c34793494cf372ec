//! `repairctl sweep`.

use clap::Args;

/// The words of the command.
#[derive(Debug, Args)]
pub struct Sweep {
    /// Say what would be offered; start nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
