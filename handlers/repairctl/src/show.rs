//! `repairctl show`.

use plugin_kit::{Found, Out, Problem};

use crate::cli::Show;
use crate::site::Site;

/// The command.
pub fn run(_words: &Show, _site: &Site, _out: &mut Out) -> Result<Found, Problem> {
    Err(Problem::Internal("show is not there yet".into()))
}
