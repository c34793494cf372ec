//! `repairctl init`.

use plugin_kit::{Found, Out, Problem};

use crate::cli::Init;
use crate::site::Site;

/// The command.
pub fn run(_words: &Init, _site: &Site, _out: &mut Out) -> Result<Found, Problem> {
    Err(Problem::Internal("init is not there yet".into()))
}
