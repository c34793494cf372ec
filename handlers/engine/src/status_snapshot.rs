//! The status file at one moment: the objects with a repair that are HARD broken, all hosts, and
//! the share in trouble.

use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;

use policy::{ObjectState, StateType};

use crate::status_file::{self, ObjectStatus, ProgramStatus, StatusFileError};

/// A host's name and, for a service, its description.
pub type ObjectKey = (Vec<u8>, Option<Vec<u8>>);

/// One reading of the status file.
#[derive(Debug)]
pub struct StatusSnapshot {
    /// Nagios itself.
    pub program: ProgramStatus,
    /// The number of objects with a repair that are in trouble, and of all with a repair.
    pub share: (u32, u32),
    /// The objects with a repair whose state is bad and HARD.
    pub faults: HashMap<ObjectKey, ObjectStatus>,
    hosts: HashMap<Vec<u8>, HostStatus>,
}

/// What matters of a host for its services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostStatus {
    /// Its state at the last check.
    pub state: ObjectState,
    /// The number of downtimes it is in.
    pub downtime: u32,
}

impl StatusSnapshot {
    /// Reads the file.
    ///
    /// # Errors
    /// It is not readable, or not a status file.
    pub fn read(path: &Path) -> Result<StatusSnapshot, StatusFileError> {
        let (mut hosts, mut faults, mut share) = (HashMap::new(), HashMap::new(), (0, 0));
        let program = status_file::read(path, |object| {
            if object.service().is_none() {
                let host = HostStatus { state: object.state(), downtime: object.downtime };
                hosts.insert(object.host.clone(), host);
            }
            object.count_in(&mut share);
            let is_broken = object.state_type == StateType::Hard && !object.state().is_good();
            if object.has_repair() && is_broken {
                let key = (object.host.clone(), object.service().map(<[u8]>::to_vec));
                faults.insert(key, object.clone());
            }
        })?;
        if program.written == SystemTime::UNIX_EPOCH {
            return Err(StatusFileError::Foreign(path.to_owned()));
        }
        Ok(StatusSnapshot { program, share, faults, hosts })
    }

    /// The host of an object; `None` if the file does not show it.
    pub fn host(&self, name: &[u8]) -> Option<HostStatus> {
        self.hosts.get(name).copied()
    }
}
