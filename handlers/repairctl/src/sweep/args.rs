//! The arguments of `repairctl sweep`.

use std::path::PathBuf;

use clap::Args;

/// The arguments of `sweep`.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads Nagios' status file (status_file of the policy) and offers what is HARD
broken, has a _REPAIR, and has not had its chance: the host or Nagios was down
when it broke, a limit that has passed refused it, the repair could not be run,
or its worker died. The oldest fault comes first, and never more run at once
than the policy allows. A fault whose repair ran and did not help was handed to
people: it is left alone.

Run it as Nagios' user, by hand or by a timer; root is switched to that user.
Only one sweep runs at a time. After Ctrl-C or SIGTERM, running repairs finish.

Exit codes:
  0  every lost chance was taken and healed, or there was none
  1  something is still broken: not healed, refused for now, or not offered
     because a signal ended the sweep
  2  ended by itself before everything was offered, and says why
  3  bad arguments or configuration; nothing was done"
)]
pub struct SweepArgs {
    /// Say what would be offered; start nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Nagios' object cache, for the hosts' addresses [default: objects.cache
    /// beside the status file]
    #[arg(long, value_name = "FILE")]
    pub objects: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
