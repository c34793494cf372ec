//! The arguments of `repairctl replay`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use policy::RepairName;
use policy_file::Span;

/// The arguments of `replay`.
#[derive(Debug, Args)]
#[command(
    after_help = "A log cannot tell what a repair that was not made would have done, so something
is assumed: with 'heals' (the default) each repair ends the trouble, and what
the log shows of it afterwards would not have been; with 'log' a repair healed
if a recovery is the next thing that the log shows of the object, and what
follows stays as it was. Nobody paused anything. The truth lies between.

Exit codes:
  0  replayed
  2  a log could not be read
  3  bad arguments or configuration

Examples:
  What would a new policy have done in all of the archives?
    repairctl --policy new.json replay /var/log/nagios4/nagios.log \\
        /var/log/nagios4/archives/*
  What if every service had opted in to the repair 'httpd'?
    repairctl replay --repair httpd nagios.log"
)]
pub struct ReplayArgs {
    /// Nagios' logs and archives, in any order; packed by gzip or not
    #[arg(value_name = "NAGIOS.LOG", required = true)]
    pub logs: Vec<PathBuf>,
    /// What knows _REPAIR and max_check_attempts, which no log tells: nagios.cfg
    /// or the object cache [default: nagios.cfg where distributions put it]
    #[arg(long, value_name = "FILE", conflicts_with = "repair")]
    pub objects: Option<PathBuf>,
    /// Take every service in the logs to have this repair
    #[arg(long, value_name = "NAME")]
    pub repair: Option<RepairName>,
    /// What is assumed of the repairs
    #[arg(long, value_name = "WHAT", default_value = "heals")]
    pub assume: Assume,
    /// How long a repair is taken to last
    #[arg(long, value_name = "SPAN", default_value = "10s")]
    pub takes: Span,
    /// Print every repair, and every refusal of one, as it comes
    #[arg(long)]
    pub decisions: bool,
    /// Print JSON: with --decisions one object a line, the sum last
    #[arg(long)]
    pub json: bool,
}

/// The assumed effect of repairs: no log can tell what a repair that was not made would have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Assume {
    /// Each ends the trouble
    Heals,
    /// The log shows how each ended
    Log,
}
