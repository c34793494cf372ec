//! The random name of this server, which identifies it in the database. One of the server's local
//! files contains the name and the identity of the machine. If the file is copied to another
//! machine, for example with a backup or a cloned disk, that machine therefore creates a name of
//! its own.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::locks::private_file;

/// Length of a random name, in bytes.
const ORIGIN_BYTES: usize = 16;
/// Maximum number of bytes to read from the file with the name, and from the file with the machine
/// ID. Both are always shorter.
const LONGEST: u64 = 512;

fn origin_path(local: &Path) -> PathBuf {
    local.with_added_extension("id")
}

/// Returns what identifies this machine: its machine ID and its host name. Cloned machines often
/// have the same machine ID, and containers may have none; see machine-id(5).
fn machine() -> String {
    let id = read("/etc/machine-id".as_ref()).unwrap_or_default();
    format!("{} {}", id.trim(), rustix::system::uname().nodename().to_string_lossy())
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    safe_file::open(path).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Returns the random name of this server, or `None` if it has none yet.
pub(super) fn read_origin(local: &Path) -> Option<String> {
    origin_on(local, &machine())
}

/// Returns the random name of this server. Creates the name if the server has none yet.
pub(super) fn origin(local: &Path) -> Result<String, Error> {
    create_on(local, &machine())
}

/// Returns the name in the file, or `None` if the file contains no name that was created on this
/// machine.
fn origin_on(local: &Path, machine: &str) -> Option<String> {
    let text = read(&origin_path(local))?;
    let (name, of) = text.split_once('\n')?;
    (name.len() == 2 * ORIGIN_BYTES && of == machine).then(|| name.to_owned())
}

fn create_on(local: &Path, machine: &str) -> Result<String, Error> {
    let path = origin_path(local);
    let unusable = |why| Error::Directory { path: path.clone(), why };
    let mut file = private_file(&path).map_err(unusable)?;
    file.lock().map_err(unusable)?;
    if let Some(name) = origin_on(local, machine) {
        return Ok(name);
    }
    let mut random = [0; ORIGIN_BYTES];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut random))
        .map_err(unusable)?;
    let name: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("{name}\n{machine}");
    file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(unusable)?;
    file.sync_all().map_err(unusable)?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_on_another_machine_gets_a_name_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let local = directory.path().join("ledger");
        assert_eq!(read_origin(&local), None);
        let name = origin(&local).unwrap();
        assert_eq!(
            (read_origin(&local), origin(&local).unwrap()),
            (Some(name.clone()), name.clone())
        );
        for copy in ["0123 web1", &format!("{}.copy", machine())] {
            assert_eq!(origin_on(&local, copy), None);
            let other = create_on(&local, copy).unwrap();
            assert_ne!(other, name);
            assert_eq!(create_on(&local, copy).unwrap(), other);
        }
    }
}
