//! Arguments and help text of `repairctl doctor`.

use std::path::PathBuf;

use clap::Args;

use crate::object::name_parser;

/// The arguments that follow `repairctl doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
If root starts doctor, it runs its checks as Nagios' user, with Nagios' HOME,
PATH and ssh-agent, because a check that works for root proves nothing about
repairs. doctor queries the gate of each host and changes nothing.

The result of each check is ok, WRONG or note. After WRONG or note, the next
line shows a fix. The exit code is 1 if any result is WRONG. Notes do not change
the exit code.

Examples:
  sudo repairctl doctor
  sudo repairctl doctor web1 web2
  sudo repairctl doctor --json | jq '.checks[] | select(.verdict == \"wrong\")'")]
pub struct DoctorArgs {
    /// Check only these hosts, by their names in Nagios [default: all hosts in
    /// the policy, and all hosts that have a _REPAIR or a service with one]
    #[arg(value_name = "HOST", value_parser = name_parser())]
    pub hosts: Vec<String>,
    /// Check up to N hosts at the same time
    #[arg(long, value_name = "N", default_value = "8")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: u16,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Nagios' main configuration [default: the distribution's nagios.cfg]
    #[arg(long, value_name = "NAGIOS.CFG")]
    pub nagios_cfg: Option<PathBuf>,
    /// The user Nagios runs as [default: nagios_user in nagios.cfg]
    #[arg(long, value_name = "USER")]
    pub nagios_user: Option<String>,
}
