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
worker died. The sweep starts with the oldest fault and never exceeds the limits
of the policy. A fault whose repair ran without success has been escalated, and
the sweep does not repair it again.

Run the sweep as Nagios' user, by hand or from a timer. If root starts it, it
switches to that user. Only one sweep runs at a time. After Ctrl-C or SIGTERM,
repairs that are already running finish.

Exit codes:
  0  every missed repair ran and healed its fault, or no repair was missed
  1  a fault remains: its repair did not help, was refused for now, or was not
     started because a signal ended the sweep
  2  the sweep stopped before it had tried every missed repair; the output shows
     the reason
  3  the arguments or the configuration are invalid; nothing was done"
)]
pub struct SweepArgs {
    /// Print which repairs the sweep would start, but start none
    #[arg(long)]
    pub dry_run: bool,
    /// Read the hosts' addresses from this object cache [default: objects.cache
    /// next to the status file]
    #[arg(long, value_name = "FILE")]
    pub objects: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
