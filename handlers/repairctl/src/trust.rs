//! `repairctl trust`.

use plugin_kit::{Found, Out, Problem};

use crate::cli::Trust;
use crate::site::Site;

/// The command.
pub fn run(_words: &Trust, _site: &Site, _out: &mut Out) -> Result<Found, Problem> {
    Err(Problem::Internal("trust is not there yet".into()))
}
