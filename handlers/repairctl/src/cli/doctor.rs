//! `repairctl doctor`.

use clap::Args;

/// The words of the command.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Hosts to check, by their names in Nagios [default: those of the policy]
    #[arg(value_name = "HOST")]
    pub hosts: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
