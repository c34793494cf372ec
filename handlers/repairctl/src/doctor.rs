//! `repairctl doctor`.

use plugin_kit::{Found, Out, Problem};

use crate::cli::Doctor;
use crate::site::Site;

/// The command.
pub fn run(_words: &Doctor, _site: &Site, _out: &mut Out) -> Result<Found, Problem> {
    Err(Problem::Internal("doctor is not there yet".into()))
}
