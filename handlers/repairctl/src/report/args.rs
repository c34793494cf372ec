//! The arguments of `repairctl report`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

/// The arguments of `report`.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("form").required(true).args(["html", "text"])),
    after_help = "Examples:
  The page of a month:    repairctl report --month 2026-11 --html november.html
  A mail every Monday:    repairctl report --since 7d --text | mail -s Week ops"
)]
pub struct ReportArgs {
    /// The month to tell of: 2026-11 [default: this month]
    #[arg(long, value_name = "YYYY-MM", conflicts_with = "since")]
    pub month: Option<String>,
    /// Tell of the time from then on: 7d, 2026-11-01
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Write one self-contained page here; - is standard output
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print text, for a mail
    #[arg(long)]
    pub text: bool,
}
