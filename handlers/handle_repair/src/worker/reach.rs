//! From the policy's words to a gate that can be asked.

use std::time::Instant;

use transport::{Error, Gate, OpenSsh, SshTarget};

use crate::config::{Transport, Way};

/// Reaches the gate of a host.
pub fn gate(way: &Way, deadline: Instant) -> Result<Box<dyn Gate>, Error> {
    let target = target(way);
    Ok(match way.transport {
        Transport::Ssh2 => Box::new(transport::connect(&target, deadline)?),
        Transport::Openssh => {
            let openssh = OpenSsh { config: way.config.clone(), ..OpenSsh::default() };
            Box::new(openssh.gate(&target)?)
        }
    })
}

fn target(way: &Way) -> SshTarget {
    let mut made = SshTarget::new(&way.host, &way.address, &way.user, way.key.clone(), way.known_hosts.clone());
    made.port = way.port;
    made.passphrase_file.clone_from(&way.passphrase_file);
    made.agent = way.agent;
    made.via = way.via.as_deref().map(|via| Box::new(target(via)));
    made
}
