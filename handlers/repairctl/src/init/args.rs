//! Arguments and help text of `repairctl init`.

use std::path::PathBuf;

use clap::Args;

/// The arguments that follow `repairctl init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Run init as root, because it creates files for Nagios' user. It keeps existing
files, so you can run it again. If a repair is missing from policy.json, init
shows the lines to add, asks you, and adds them.

With --target, init also sets up the host with a script. It shows you the whole
script and asks before it runs anything. It logs in with `ssh HOST` as the user
who called sudo, with that user's ssh_config, keys and known_hosts, and never
with the key for repairs. If a repair is missing from the host's repairs.json,
the script adds it.

Examples:
  sudo repairctl init --repair httpd
  sudo repairctl init --repair httpd:apache2 --repair mariadb
  sudo repairctl init --repair httpd:apache2 --target web1")]
pub struct InitArgs {
    /// Add this repair to the policy, with the systemd unit that it restarts
    /// [default: httpd]
    #[arg(long = "repair", value_name = "NAME[:UNIT]")]
    pub repairs: Vec<String>,
    /// Also set up this host over ssh, after showing the script
    #[arg(long, value_name = "HOST")]
    pub target: Option<String>,
    /// Log in as this user, who must be root or be allowed to use sudo without a
    /// password [default: the user in your ssh_config]
    #[arg(long, value_name = "USER", requires = "target")]
    pub sudo_user: Option<String>,
    /// Log in to this address or ssh_config name [default: HOST]
    #[arg(long, value_name = "ADDRESS", requires = "target")]
    pub address: Option<String>,
    /// Change the policy and the host without asking
    #[arg(long)]
    pub yes: bool,
    /// Keep the ledger in this directory
    #[arg(long, value_name = "DIR", default_value = "/var/lib/nagios-selfheal/ledger")]
    pub dir: PathBuf,
    /// Nagios' main configuration [default: the distribution's nagios.cfg]
    #[arg(long, value_name = "NAGIOS.CFG")]
    pub nagios_cfg: Option<PathBuf>,
    /// The user Nagios runs as [default: nagios_user in nagios.cfg]
    #[arg(long, value_name = "USER")]
    pub nagios_user: Option<String>,
}
