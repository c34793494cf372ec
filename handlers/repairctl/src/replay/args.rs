//! Arguments and help text of `repairctl replay`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use policy::RepairName;
use policy_file::Span;

/// The arguments that follow `repairctl replay`.
#[derive(Debug, Args)]
#[command(
    after_help = "A log does not show what a repair would have changed, so replay must assume it.
With 'heals' (the default), replay assumes that every repair ends the fault, and
ignores later lines about this fault. With 'log', replay assumes that a repair
healed the fault if the next line about the object is a recovery, and ignores no
lines. The truth lies somewhere in between. Replay also assumes that nothing was
paused.

Exit codes:
  0  replay has read all logs
  2  replay could not read a log
  3  the arguments or the configuration are invalid

Examples:
  Try a new policy on all archives:
    repairctl --policy new.json replay /var/log/nagios4/nagios.log \\
        /var/log/nagios4/archives/*
  Assume that every service has the repair 'httpd':
    repairctl replay --repair httpd nagios.log"
)]
pub struct ReplayArgs {
    /// Nagios' logs and archives, or those of Icinga 2's CompatLogger, in any order,
    /// plain or compressed with gzip
    #[arg(value_name = "NAGIOS.LOG", required = true)]
    pub logs: Vec<PathBuf>,
    /// Read _REPAIR and max_check_attempts from this nagios.cfg or object cache
    /// [default: the distribution's nagios.cfg, or vars.repair in Icinga 2's API if
    /// the policy names it]
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
    /// Print JSON; with --decisions, print one object per line, and the summary
    /// last
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
