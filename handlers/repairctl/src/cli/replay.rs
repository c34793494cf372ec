//! `repairctl replay`.

use std::path::PathBuf;

use clap::Args;

/// The words of the command.
#[derive(Debug, Args)]
pub struct Replay {
    /// Nagios' logs and archives, in any order
    #[arg(value_name = "NAGIOS.LOG", required = true)]
    pub logs: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
