//! Arguments and help text of `repairctl replay`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use policy::RepairName;
use policy_file::Span;

/// The arguments that follow `repairctl replay`.
#[derive(Debug, Args)]
#[command(after_help = "A log does not show what a repair would have changed, so replay makes an
assumption. With 'heals' (the default), every repair ends the fault, and later
lines about the fault are ignored. With 'log', a repair healed the fault if the
next line about the object is a recovery, and all lines count. The truth lies
somewhere between. Replay also assumes that no repairs were paused.

Exit codes:
  0  replayed
  2  a log could not be read
  3  bad arguments or configuration

Examples:
  Try a new policy on all archives:
    repairctl --policy new.json replay /var/log/nagios4/nagios.log \\
        /var/log/nagios4/archives/*
  Assume that every service has the repair 'httpd':
    repairctl replay --repair httpd nagios.log")]
pub struct ReplayArgs {
    /// Nagios' logs and archives in any order, plain or compressed with gzip
    #[arg(value_name = "NAGIOS.LOG", required = true)]
    pub logs: Vec<PathBuf>,
    /// Read _REPAIR and max_check_attempts from this nagios.cfg or object cache
    /// [default: the distribution's nagios.cfg]
    #[arg(long, value_name = "FILE", conflicts_with = "repair")]
    pub objects: Option<PathBuf>,
    /// Assume that every service in the logs has this repair
    #[arg(long, value_name = "NAME")]
    pub repair: Option<RepairName>,
    /// Assume that repairs have this effect
    #[arg(long, value_name = "WHAT", default_value = "heals")]
    pub assume: Assume,
    /// Assume that a repair takes this long
    #[arg(long, value_name = "SPAN", default_value = "10s")]
    pub takes: Span,
    /// Print each repair and each refusal
    #[arg(long)]
    pub decisions: bool,
    /// Print JSON; with --decisions one object per line, the summary last
    #[arg(long)]
    pub json: bool,
}

/// The assumed effect of repairs, which the log itself does not show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Assume {
    /// Every repair ends the fault
    Heals,
    /// A repair heals the fault if the next log line is a recovery
    Log,
}
