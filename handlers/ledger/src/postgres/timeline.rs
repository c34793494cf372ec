//! Remembers the newest timeline of the database in a local file. After a failover, the old primary
//! can come back and accept writes, although it lacks all newer records. Its timeline is then older
//! than the stored one.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use crate::Error;
use crate::locks::private_file;

/// Maximum number of bytes to read from the file, which is always shorter.
const LONGEST: u64 = 64;

/// A timeline of a database cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Timeline {
    /// Identifier of the cluster, which replicas share. A new or upgraded cluster has a different
    /// identifier, and its timelines start anew.
    pub(super) cluster: String,
    /// Number of the timeline, in eight hexadecimal digits. A failover increases it.
    pub(super) number: String,
}

impl Timeline {
    /// Whether `other` is a newer timeline of the same cluster, which means that another server has
    /// taken over.
    pub(super) fn is_older_than(&self, other: &Timeline) -> bool {
        self.cluster == other.cluster && self.number < other.number
    }
}

fn path_of(local: &Path) -> PathBuf {
    local.with_added_extension("timeline")
}

/// Returns the newest timeline that this monitoring server has used, or `None` if there is none.
pub(super) fn remembered(local: &Path) -> Option<Timeline> {
    let mut text = String::new();
    safe_file::open(path_of(local)).ok()?.take(LONGEST).read_to_string(&mut text).ok()?;
    let (cluster, number) = text.trim().split_once(' ')?;
    Some(Timeline { cluster: cluster.to_owned(), number: number.to_owned() })
}

/// Stores a timeline, unless a newer one is already stored.
pub(super) fn remember(local: &Path, timeline: &Timeline) -> Result<(), Error> {
    let path = path_of(local);
    let unusable = |why| Error::Directory { path: path.clone(), why };
    let mut file = private_file(&path).map_err(unusable)?;
    file.lock().map_err(unusable)?;
    // Another worker may have stored a newer timeline in the meantime.
    if remembered(local).is_some_and(|newest| timeline.is_older_than(&newest)) {
        return Ok(());
    }
    let text = format!("{} {}\n", timeline.cluster, timeline.number);
    file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(unusable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_newest_timeline_of_a_cluster() {
        let directory = tempfile::tempdir().unwrap();
        let local = directory.path().join("ledger");
        let timeline = |cluster: &str, number: &str| Timeline {
            cluster: cluster.to_owned(),
            number: number.to_owned(),
        };
        assert_eq!(remembered(&local), None);
        let [first, last] = ["00000009", "0000000A"].map(|number| timeline("7", number));
        for known in [&first, &last, &first] {
            remember(&local, known).unwrap();
        }
        assert_eq!(remembered(&local), Some(last.clone()));
        let upgraded = timeline("8", "00000001");
        assert!(first.is_older_than(&last) && !upgraded.is_older_than(&last));
        remember(&local, &upgraded).unwrap();
        assert_eq!(remembered(&local), Some(upgraded));
    }
}
