//! `repairctl history`.

use clap::Args;

/// The words of the command.
#[derive(Debug, Args)]
pub struct History {
    /// Only this host
    #[arg(value_name = "HOST")]
    pub host: Option<String>,
    /// Only this service of it
    #[arg(value_name = "SERVICE")]
    pub service: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
