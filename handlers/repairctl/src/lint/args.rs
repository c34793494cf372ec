//! The arguments of `repairctl lint`.

use std::path::PathBuf;

use clap::Args;

/// The arguments of `lint`.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes:
  0  nothing but notes was found
  1  errors or warnings were found
  2  a file of the configuration could not be read
  3  bad arguments

Examples:
  Where distributions put nagios.cfg:
    repairctl lint
  A file of objects alone, or Nagios' object cache:
    repairctl lint /var/lib/nagios4/objects.cache")]
pub struct LintArgs {
    /// Nagios' main configuration, an object file, or its object cache
    /// [default: nagios.cfg where distributions put it]
    #[arg(value_name = "NAGIOS.CFG")]
    pub main: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
