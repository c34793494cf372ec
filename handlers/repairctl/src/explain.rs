//! `repairctl explain`.

use plugin_kit::{Found, Out, Problem};

use crate::cli::Explain;
use crate::site::Site;

/// The command.
pub fn run(_words: &Explain, _site: &Site, _out: &mut Out) -> Result<Found, Problem> {
    Err(Problem::Internal("explain is not there yet".into()))
}
