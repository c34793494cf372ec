//! `repairctl explain`.

use clap::Args;

/// The words of the command.
#[derive(Debug, Args)]
pub struct Explain {
    /// The host's name in Nagios
    #[arg(value_name = "HOST")]
    pub host: String,
    /// The service's description; without it, the host itself
    #[arg(value_name = "SERVICE")]
    pub service: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
