//! `repairctl lint`.

use std::path::PathBuf;

use clap::Args;

/// The words of the command.
#[derive(Debug, Args)]
pub struct Lint {
    /// Nagios' main configuration [default: where distributions put it]
    #[arg(value_name = "NAGIOS.CFG")]
    pub main: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
