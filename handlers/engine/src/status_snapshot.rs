//! A snapshot of the engine's state. It holds the opted-in objects with a HARD fault, all hosts,
//! and the share of objects in trouble.

use std::collections::HashMap;
use std::path::Path;

use policy::{ObjectState, StateType};

use crate::status::{ObjectStatus, ProgramStatus};
use crate::status_file::{self, FileIdentity, StatusFileError};

pub use crate::status::ObjectKey;

/// The engine's state at one point in time.
#[derive(Debug)]
pub struct StatusSnapshot {
    /// The status of the engine itself.
    pub program: ProgramStatus,
    /// The number of opted-in objects that are in trouble, and the number of all opted-in objects.
    pub share: (u32, u32),
    /// The opted-in objects with a HARD fault.
    pub faults: HashMap<ObjectKey, ObjectStatus>,
    pub(crate) hosts: HashMap<Vec<u8>, HostStatus>,
    /// Identity of the status file; `None` if the state does not come from a file.
    pub(crate) identity: Option<FileIdentity>,
}

/// The part of a host's status that decisions about its services need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostStatus {
    /// State of the host at the last check.
    pub state: ObjectState,
    /// Number of active downtimes of the host.
    pub downtime: u32,
}

impl From<&ObjectStatus> for HostStatus {
    fn from(host: &ObjectStatus) -> HostStatus {
        HostStatus { state: host.state(), downtime: host.downtime }
    }
}

impl StatusSnapshot {
    /// Reads a status file.
    ///
    /// # Errors
    /// Fails if the file is not readable or not a status file.
    pub fn read(path: &Path) -> Result<StatusSnapshot, StatusFileError> {
        // Get the identity first. If Nagios replaces the file before it is read, the next refresh
        // sees another identity and reads the file again.
        let identity = status_file::identity(path)?;
        let (mut hosts, mut faults, mut share) = (HashMap::new(), HashMap::new(), (0, 0));
        let program = status_file::read(path, |object| {
            if object.service().is_none() {
                hosts.insert(object.host.clone(), HostStatus::from(object));
            }
            object.count_in(&mut share);
            let is_broken = object.state_type == StateType::Hard && !object.state().is_good();
            if object.has_repair() && is_broken {
                faults.insert(object.key(), object.clone());
            }
        })?;
        status_file::refuse_foreign(path, &program)?;
        Ok(StatusSnapshot { program, share, faults, hosts, identity: Some(identity) })
    }

    /// Reads the status file again if Nagios has written it since the last read.
    ///
    /// # Errors
    /// Fails if the file is not readable or not a status file.
    pub fn refresh(&mut self, path: &Path) -> Result<(), StatusFileError> {
        if Some(status_file::identity(path)?) != self.identity {
            *self = StatusSnapshot::read(path)?;
        }
        Ok(())
    }

    /// Returns the status of a host; `None` if the engine does not know it.
    pub fn host(&self, name: &[u8]) -> Option<HostStatus> {
        self.hosts.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::status_file::tests::status_file;

    #[test]
    fn reads_the_file_again_only_if_it_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.dat");
        let text = |state: u8| {
            let host = "hoststatus host_name=web1 _REPAIR=0;host current_state=";
            status_file(&format!("info created=1\n{host}{state}"))
        };
        fs::write(&path, text(0)).unwrap();
        let mut snapshot = StatusSnapshot::read(&path).unwrap();
        assert_eq!(snapshot.share, (0, 1));
        // Change the content, but not the metadata, so that only a read can notice the change.
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, text(1)).unwrap();
        File::open(&path).unwrap().set_modified(modified).unwrap();
        snapshot.refresh(&path).unwrap();
        assert_eq!(snapshot.share, (0, 1));
        fs::write(dir.path().join("new"), text(1)).unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
        snapshot.refresh(&path).unwrap();
        assert_eq!(snapshot.share, (1, 1));
    }
}
