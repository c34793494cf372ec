//! Arguments and help text of `repairctl show`.

use clap::Args;

/// The arguments that follow `repairctl show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Show the job with this ID, which history and the comments in Nagios
    /// contain; its first characters are enough
    pub job: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
