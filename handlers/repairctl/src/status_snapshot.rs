//! What Nagios' status file shows at one moment: the objects with a repair that are surely broken,
//! the hosts, and how much is in trouble.

use std::collections::HashMap;
use std::path::Path;
use std::time::SystemTime;

use handle_repair::status::{self, Blind, Object, Program};
use policy::{ObjectState, StateType};

/// A host's name and, of a service, its description.
pub type Key = (Vec<u8>, Option<Vec<u8>>);

/// One reading of the status file.
#[derive(Debug)]
pub struct StatusSnapshot {
    /// Nagios itself.
    pub program: Program,
    /// Of how many objects with a repair how many are in trouble.
    pub share: (u32, u32),
    /// The objects with a repair whose state is bad and HARD.
    pub faults: HashMap<Key, Object>,
    hosts: HashMap<Vec<u8>, Host>,
}

/// What matters of a host for its services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// Its state at the last check.
    pub state: ObjectState,
    /// How many downtimes it is in.
    pub downtime: u32,
}

impl StatusSnapshot {
    /// Reads the file.
    pub fn read(path: &Path) -> Result<StatusSnapshot, Blind> {
        let (mut hosts, mut faults, mut share) = (HashMap::new(), HashMap::new(), (0, 0));
        let scanned = status::scan(status::open(path)?, |object| {
            if object.service().is_none() {
                hosts.insert(
                    object.host.clone(),
                    Host { state: object.state(), downtime: object.downtime },
                );
            }
            if object.has_repair() {
                share.0 += u32::from(object.in_trouble());
                share.1 += 1;
                if object.state_type == StateType::Hard && !object.state().is_good() {
                    let key = (object.host.clone(), object.service().map(<[u8]>::to_vec));
                    faults.insert(key, object.clone());
                }
            }
        });
        let program = scanned.map_err(|why| Blind::Unreadable { path: path.to_owned(), why })?;
        if program.written == SystemTime::UNIX_EPOCH {
            return Err(Blind::Foreign(path.to_owned()));
        }
        Ok(StatusSnapshot { program, share, faults, hosts })
    }

    /// The host of an object; `None` when the file does not show it.
    pub fn host(&self, name: &[u8]) -> Option<Host> {
        self.hosts.get(name).copied()
    }
}

/// Whether the file shows this host, or this service of it.
pub fn knows(path: &Path, host: &str, service: Option<&str>) -> Result<bool, Blind> {
    let mut known = false;
    let scanned = status::scan(status::open(path)?, |object| known |= object.is(host, service));
    scanned.map(|_| known).map_err(|why| Blind::Unreadable { path: path.to_owned(), why })
}

/// How old the file is at `now`; what lies ahead is new.
pub fn age(program: &Program, now: SystemTime) -> std::time::Duration {
    now.duration_since(program.written).unwrap_or_default()
}
