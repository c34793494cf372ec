//! The random name of this server, which identifies it in the database. The name is stored in one
//! of the server's local files.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::locks::private_file;

/// Length of a random name, in bytes.
const ORIGIN_BYTES: usize = 16;

fn origin_path(local: &Path) -> PathBuf {
    local.with_added_extension("id")
}

/// Returns the random name of this server, or `None` if it has none yet.
pub(super) fn read_origin(local: &Path) -> Option<String> {
    let mut name = String::new();
    safe_file::open(origin_path(local)).ok()?.take(64).read_to_string(&mut name).ok()?;
    (name.len() == 2 * ORIGIN_BYTES).then_some(name)
}

/// Returns the random name of this server. Creates the name if the server has none yet.
pub(super) fn origin(local: &Path) -> Result<String, Error> {
    let path = origin_path(local);
    let unusable = |why| Error::Directory { path: path.clone(), why };
    let mut file = private_file(&path).map_err(unusable)?;
    file.lock().map_err(unusable)?;
    if let Some(name) = read_origin(local) {
        return Ok(name);
    }
    let mut random = [0; ORIGIN_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut random))
        .map_err(unusable)?;
    let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    file.set_len(0).and_then(|()| file.write_all(name.as_bytes())).map_err(unusable)?;
    file.sync_all().map_err(unusable)?;
    Ok(name)
}
