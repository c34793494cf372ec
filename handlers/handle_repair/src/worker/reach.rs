//! From the policy's words to a gate that can be asked.

use std::time::Instant;

use transport::{Error, Gate, OpenSsh, SshTarget};

use policy_file::{Transport, Way};

/// Reaches the gate of a host.
pub fn gate(way: &Way, deadline: Instant) -> Result<Box<dyn Gate>, Error> {
    let by = match way.transport {
        Transport::Ssh2 => transport::Way::BuiltIn,
        Transport::Openssh => transport::Way::OpenSsh(OpenSsh { config: way.config.clone(), ..OpenSsh::default() }),
    };
    by.connect(&target(way), deadline)
}

/// The policy's words as the transport's.
pub fn target(way: &Way) -> SshTarget {
    let mut made = SshTarget::new(&way.host, &way.address, &way.user, way.key.clone(), way.known_hosts.clone());
    made.port = way.port;
    made.passphrase_file.clone_from(&way.passphrase_file);
    made.agent = way.agent;
    made.via = way.via.as_deref().map(|via| Box::new(target(via)));
    made
}
