//! `repairctl show`.

use clap::Args;

/// The words of the command.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The job, as history and comments in Nagios name it; its beginning is enough
    pub job: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
