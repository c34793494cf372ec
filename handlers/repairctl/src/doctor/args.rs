//! The arguments of `repairctl doctor`.

use std::path::PathBuf;

use clap::Args;

use crate::object::name_parser;

/// The arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
As root, run the checks as Nagios' user, with Nagios' HOME, PATH and ssh-agent:
what works for root proves nothing. Each host's gate is queried; nothing is
changed.

Each check is ok, WRONG or a note; the fix follows on its own line.
Exit code 1 when something is wrong; notes alone end as 0.

Examples:
  sudo repairctl doctor
  sudo repairctl doctor web1 web2
  sudo repairctl doctor --json | jq '.checks[] | select(.verdict == \"wrong\")'")]
pub struct DoctorArgs {
    /// Hosts to check, by their names in Nagios [default: those that opted in,
    /// and those of the policy]
    #[arg(value_name = "HOST", value_parser = name_parser())]
    pub hosts: Vec<String>,
    /// How many hosts are checked at the same time
    #[arg(long, value_name = "N", default_value = "8")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: u16,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Nagios' main configuration [default: where distributions put it]
    #[arg(long, value_name = "NAGIOS.CFG")]
    pub nagios_cfg: Option<PathBuf>,
    /// The user Nagios runs as [default: as its configuration says]
    #[arg(long, value_name = "USER")]
    pub nagios_user: Option<String>,
}
