//! Arguments and help text of `repairctl sweep`.

use std::path::PathBuf;

use clap::Args;

/// The arguments that follow `repairctl sweep`.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads the state of hosts and services (status_file or icinga2 in the policy)
and looks for those that have a _REPAIR, are in a HARD problem state and missed
their repair. A repair is missed if the host or Nagios was down when the fault began,
if a limit that no longer applies refused it, if it could not be run, or if its
worker died. The sweep offers the oldest fault first and never exceeds the
limits of the policy. If a repair ran without success, its fault was escalated,
and the sweep leaves it alone.

Run it as Nagios' user, by hand or from a timer; as root it switches to that
user. Only one sweep runs at a time. After Ctrl-C or SIGTERM, running repairs
finish.

Exit codes:
  0  all missed repairs were run and healed, or there were none
  1  something is still broken: not healed, refused for now, or not offered
     because a signal ended the sweep
  2  the sweep stopped before everything was offered; the output has the reason
  3  bad arguments or configuration; nothing was done"
)]
pub struct SweepArgs {
    /// Print what would be offered; start nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Nagios' object cache, for the hosts' addresses [default: objects.cache
    /// next to the status file]
    #[arg(long, value_name = "FILE")]
    pub objects: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
