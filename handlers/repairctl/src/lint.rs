//! `repairctl lint`.

use plugin_kit::{Found, Out, Problem};

use crate::cli::Lint;
use crate::site::Site;

/// The command.
pub fn run(_words: &Lint, _site: &Site, _out: &mut Out) -> Result<Found, Problem> {
    Err(Problem::Internal("lint is not there yet".into()))
}
