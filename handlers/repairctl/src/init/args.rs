//! Arguments and help text of `repairctl init`.

use std::path::PathBuf;

use clap::Args;

/// The arguments that follow `repairctl init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Needs root, because it creates files for Nagios' user. Existing files are kept,
so you can run it again. If policy.json lacks a repair, init shows the
difference, asks, and adds the repair.

With --target, init also sets up the host. It shows the whole script and asks
before it runs anything. It logs in with `ssh HOST` as the user who called sudo,
with that user's ssh_config, keys and known_hosts, never with the repair key. If
the host's repairs.json lacks a repair, the script adds it.

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
    /// Log in as this user, who must be root or able to use sudo without a
    /// password [default: the user in your ssh_config]
    #[arg(long, value_name = "USER", requires = "target")]
    pub sudo_user: Option<String>,
    /// Log in to this address or ssh_config name [default: HOST]
    #[arg(long, value_name = "ADDRESS", requires = "target")]
    pub address: Option<String>,
    /// Change the policy and the host without asking
    #[arg(long)]
    pub yes: bool,
    /// Directory of the ledger
    #[arg(long, value_name = "DIR", default_value = "/var/lib/nagios-selfheal/ledger")]
    pub dir: PathBuf,
    /// Nagios' main configuration [default: the distribution's nagios.cfg]
    #[arg(long, value_name = "NAGIOS.CFG")]
    pub nagios_cfg: Option<PathBuf>,
    /// The user Nagios runs as [default: nagios_user in nagios.cfg]
    #[arg(long, value_name = "USER")]
    pub nagios_user: Option<String>,
}
