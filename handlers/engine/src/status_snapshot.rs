//! A snapshot of the status file. It holds the opted-in objects with a HARD fault, all hosts, and
//! the share of objects in trouble.

use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;

use policy::{ObjectState, StateType};

use crate::status_file::{self, ObjectStatus, ProgramStatus, StatusFileError};

/// The name of the host and, for a service, its description, both as bytes.
pub type ObjectKey = (Vec<u8>, Option<Vec<u8>>);

/// What the status file contained when it was read.
#[derive(Debug)]
pub struct StatusSnapshot {
    /// What the file says about Nagios itself.
    pub program: ProgramStatus,
    /// How many opted-in objects are in trouble, and how many there are in total.
    pub share: (u32, u32),
    /// The opted-in objects with a HARD fault.
    pub faults: HashMap<ObjectKey, ObjectStatus>,
    hosts: HashMap<Vec<u8>, HostStatus>,
}

/// The part of a host's status that decisions about its services need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostStatus {
    /// State of the host at the last check.
    pub state: ObjectState,
    /// How many downtimes are in effect for the host.
    pub downtime: u32,
}

impl StatusSnapshot {
    /// Reads a status file.
    ///
    /// # Errors
    /// Fails if the file is not readable or not a status file.
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

    /// Returns the status of a host; `None` if the file does not contain it.
    pub fn host(&self, name: &[u8]) -> Option<HostStatus> {
        self.hosts.get(name).copied()
    }
}
