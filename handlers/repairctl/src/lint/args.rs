//! Arguments and help text of `repairctl lint`.

use std::path::PathBuf;

use clap::Args;

/// The arguments that follow `repairctl lint`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes:
  0  lint found nothing, or only notes
  1  lint found errors or warnings
  2  lint could not read a file of the configuration, or query Icinga 2
  3  the arguments are invalid

Examples:
  Check the distribution's nagios.cfg:
    repairctl lint
  Check an object file or Nagios' object cache:
    repairctl lint /var/lib/nagios4/objects.cache")]
pub struct LintArgs {
    /// Nagios' main configuration, an object file, or the object cache
    /// [default: the distribution's nagios.cfg, or the objects in Icinga 2's API
    /// if the policy names it]
    #[arg(value_name = "NAGIOS.CFG")]
    pub main: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
