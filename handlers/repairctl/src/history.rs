//! `repairctl history`.

use plugin_kit::{Found, Out, Problem};

use crate::cli::History;
use crate::site::Site;

/// The command.
pub fn run(_words: &History, _site: &Site, _out: &mut Out) -> Result<Found, Problem> {
    Err(Problem::Internal("history is not there yet".into()))
}
