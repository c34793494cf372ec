//! `repairctl init`.

use clap::Args;

/// The words of the command.
#[derive(Debug, Args)]
pub struct Init {
    /// Set this host up as well, over ssh, after showing what will be done
    #[arg(long, value_name = "HOST")]
    pub target: Option<String>,
    /// Log in there as this user, who may use sudo
    #[arg(long, value_name = "USER", requires = "target")]
    pub sudo_user: Option<String>,
}
