//! Arguments and help text of `repairctl report`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

/// The arguments that follow `repairctl report`.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("form").required(true).args(["html", "text"])),
    after_help = "Examples:
  A page for one month:   repairctl report --month 2026-11 --html november.html
  An email every Monday:  repairctl report --since 7d --text | mail -s Week ops"
)]
pub struct ReportArgs {
    /// Month to report on, for example 2026-11 [default: the current month]
    #[arg(long, value_name = "YYYY-MM", conflicts_with = "since")]
    pub month: Option<String>,
    /// Report on everything since this time: 7d (days ago), 2026-11-01
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Write a self-contained HTML page to FILE, or to standard output if FILE
    /// is -
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print plain text, for an email
    #[arg(long)]
    pub text: bool,
}
