//! Arguments and help text of `repairctl show`.

use clap::Args;

/// The arguments that follow `repairctl show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Show the job with this ID, as listed by history or written in a comment
    /// in Nagios; its first characters are enough
    pub job: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
