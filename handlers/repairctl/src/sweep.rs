//! `repairctl sweep`.

use plugin_kit::{Found, Out, Problem};

use crate::cli::Sweep;
use crate::site::Site;

/// The command.
pub fn run(_words: &Sweep, _site: &Site, _out: &mut Out) -> Result<Found, Problem> {
    Err(Problem::Internal("sweep is not there yet".into()))
}
