//! `repairctl report`.

use std::path::PathBuf;

use clap::Args;

/// The words of the command.
#[derive(Debug, Args)]
pub struct Report {
    /// Write one self-contained page here
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Print text, for a mail
    #[arg(long)]
    pub text: bool,
}
