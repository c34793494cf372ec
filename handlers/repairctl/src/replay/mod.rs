//! `repairctl replay`.

use plugin_kit::{Found, Out, Problem};

use crate::cli::Replay;
use crate::site::Site;

/// The command.
pub fn run(_words: &Replay, _site: &Site, _out: &mut Out) -> Result<Found, Problem> {
    Err(Problem::Internal("replay is not there yet".into()))
}
