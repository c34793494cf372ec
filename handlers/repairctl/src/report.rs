//! `repairctl report`.

use plugin_kit::{Found, Out, Problem};

use crate::cli::Report;
use crate::site::Site;

/// The command.
pub fn run(_words: &Report, _site: &Site, _out: &mut Out) -> Result<Found, Problem> {
    Err(Problem::Internal("report is not there yet".into()))
}
