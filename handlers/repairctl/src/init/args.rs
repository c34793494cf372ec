//! The arguments of `repairctl init`.

use std::path::PathBuf;

use clap::Args;

/// The arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Needs root here, for it gives files to Nagios' user. What is there already is
kept as it is, so it can be run again.

With --target the host is set up as well: everything that will be done there is
shown first, and you are asked. Your own login and keys are used for that (those
of the user who called sudo), never the repair key.

Examples:
  sudo repairctl init --repair httpd
  sudo repairctl init --repair httpd:apache2 --repair mariadb
  sudo repairctl init --repair httpd:apache2 --target web1 --sudo-user admin")]
pub struct InitArgs {
    /// A repair for the first policy, and the systemd unit that it restarts
    /// [default: httpd]
    #[arg(long = "repair", value_name = "NAME[:UNIT]")]
    pub repairs: Vec<String>,
    /// Set this host up as well, over ssh, after showing what will be done
    #[arg(long, value_name = "HOST")]
    pub target: Option<String>,
    /// Log in there as this user, who may use sudo without a password, or root
    #[arg(long, value_name = "USER", requires = "target")]
    pub sudo_user: Option<String>,
    /// Where the host is [default: as in the policy, or its name]
    #[arg(long, value_name = "ADDRESS", requires = "target")]
    pub address: Option<String>,
    /// Do not ask before the host is set up
    #[arg(long, requires = "target")]
    pub yes: bool,
    /// Where the ledger is kept
    #[arg(long, value_name = "DIR", default_value = "/var/lib/nagios-selfheal/ledger")]
    pub dir: PathBuf,
    /// Nagios' main configuration [default: where distributions put it]
    #[arg(long, value_name = "NAGIOS.CFG")]
    pub nagios_cfg: Option<PathBuf>,
    /// The user Nagios runs as [default: as its configuration says]
    #[arg(long, value_name = "USER")]
    pub nagios_user: Option<String>,
}
