//! `repairctl trust`.

use clap::Args;

/// The words of the command.
#[derive(Debug, Args)]
pub struct Trust {
    /// The host's name in Nagios
    #[arg(value_name = "HOST")]
    pub host: String,
    /// Its key must have this fingerprint (SHA256:...); nothing is asked then
    #[arg(long, value_name = "SHA256:...")]
    pub fingerprint: Option<String>,
}
