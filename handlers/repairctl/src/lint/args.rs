//! Arguments and help text of `repairctl lint`.

use std::path::PathBuf;

use clap::Args;

/// The arguments that follow `repairctl lint`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes:
  0  nothing found, or only notes
  1  errors or warnings were found
  2  a file of the configuration could not be read
  3  bad arguments

Examples:
  Check the distribution's nagios.cfg:
    repairctl lint
  Check an object file or Nagios' object cache:
    repairctl lint /var/lib/nagios4/objects.cache")]
pub struct LintArgs {
    /// Nagios' main configuration, an object file, or the object cache
    /// [default: the distribution's nagios.cfg]
    #[arg(value_name = "NAGIOS.CFG")]
    pub main: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
