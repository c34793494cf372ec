//! The maintenance file, `hold` beside repairs.json: while it is there, nothing is repaired on this
//! host.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::host;
use crate::output::clean;
use crate::rejection::{Rejection, RejectionReason};
use crate::timestamps::utc;

/// Refuses if the file is there, with its owner and its age. Its kind does not matter; if it cannot
/// be looked at, it counts as there.
pub(crate) fn check(config: &Path) -> Result<(), Rejection> {
    let hold = config.with_file_name("hold");
    let text = match fs::symlink_metadata(&hold) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => format!(
            "{} cannot be looked at ({e}), so it counts as there: no repairs",
            hold.display()
        ),
        Ok(found) => {
            let since = utc(found.modified().unwrap_or(UNIX_EPOCH));
            let note = if found.is_file() { first_line(&hold) } else { String::new() };
            format!(
                "held for maintenance by {} since {since} ({}){note}",
                host::account(found.uid()),
                hold.display()
            )
        }
    };
    Err(RejectionReason::Held.because(text))
}

/// Returns what the file says, if anything.
fn first_line(hold: &Path) -> String {
    let mut bytes = Vec::new();
    let _ = File::open(hold).and_then(|file| file.take(400).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() { String::new() } else { format!(": {}", clean(line, 200)) }
}
