//! The arguments of `repairctl init`.

use std::path::PathBuf;

use clap::Args;

/// The arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Needs root here, for it gives files to Nagios' user. What is there already is
kept as it is, so it can be run again. A repair that policy.json lacks is added
to it, once you have seen the difference and said yes.

With --target the host is set up as well: everything that will be done there is
shown first, and you are asked. It logs in as you would (as the user who called
sudo) by `ssh HOST`, with your own ssh_config, keys and known_hosts, never with
the repair key. A repair that repairs.json there lacks is added to it.

Examples:
  sudo repairctl init --repair httpd
  sudo repairctl init --repair httpd:apache2 --repair mariadb
  sudo repairctl init --repair httpd:apache2 --target web1")]
pub struct InitArgs {
    /// A repair for the first policy, and the systemd unit that it restarts
    /// [default: httpd]
    #[arg(long = "repair", value_name = "NAME[:UNIT]")]
    pub repairs: Vec<String>,
    /// Set this host up as well, over ssh, after showing what will be done
    #[arg(long, value_name = "HOST")]
    pub target: Option<String>,
    /// Log in there as this user, who is root or may use sudo without a password
    /// [default: as your ssh_config says]
    #[arg(long, value_name = "USER", requires = "target")]
    pub sudo_user: Option<String>,
    /// Log in to this address, or name of your ssh_config [default: HOST]
    #[arg(long, value_name = "ADDRESS", requires = "target")]
    pub address: Option<String>,
    /// Do not ask before the policy or the host is changed
    #[arg(long)]
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
