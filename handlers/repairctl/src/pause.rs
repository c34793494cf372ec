//! `repairctl pause`, `resume` and `status`.

use plugin_kit::{Found, Out, Problem};

use crate::cli::{Pause, Resume, Status};
use crate::site::Site;

/// Stops repairs.
pub fn pause(_words: &Pause, _site: &Site, _out: &mut Out) -> Result<Found, Problem> {
    Err(Problem::Internal("pause is not there yet".into()))
}

/// Lets them go on.
pub fn resume(_words: &Resume, _site: &Site, _out: &mut Out) -> Result<Found, Problem> {
    Err(Problem::Internal("resume is not there yet".into()))
}

/// Says how it stands.
pub fn status(_words: &Status, _site: &Site, _out: &mut Out) -> Result<Found, Problem> {
    Err(Problem::Internal("status is not there yet".into()))
}
