//! The arguments of `repairctl show`.

use clap::Args;

/// The arguments of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The job, as history and comments in Nagios name it; its beginning is enough
    pub job: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
