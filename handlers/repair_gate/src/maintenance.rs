//! The maintenance file `hold`, in the same directory as repairs.json. While it exists, the gate
//! runs no repair on this host.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::host;
use crate::output::clean;
use crate::rejection::{Rejection, RejectionReason};
use crate::timestamps::utc;

/// Refuses the request if the maintenance file exists. The message names the owner and the
/// modification time of the file. Any kind of file counts. If the gate cannot check whether the
/// file exists, the file counts as existing.
pub(crate) fn check(config: &Path) -> Result<(), Rejection> {
    let hold = config.with_file_name("hold");
    let text = match fs::symlink_metadata(&hold) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
        Err(e) => format!(
            "the gate cannot determine whether {} exists ({e}), so it assumes that this host is \
             held for maintenance",
            hold.display()
        ),
        Ok(found) => {
            let since = utc(found.modified().unwrap_or(UNIX_EPOCH));
            let note = if found.is_file() { first_line(&hold) } else { String::new() };
            format!(
                "this host has been held for maintenance by {} since {since} ({}){note}",
                host::account(found.uid()),
                hold.display()
            )
        }
    };
    Err(RejectionReason::Held.because(text))
}

/// Returns a colon and the file's first line, or an empty string if that line is empty.
fn first_line(hold: &Path) -> String {
    let mut bytes = Vec::new();
    let _ = File::open(hold).and_then(|file| file.take(400).read_to_end(&mut bytes));
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() { String::new() } else { format!(": {}", clean(line, 200)) }
}
