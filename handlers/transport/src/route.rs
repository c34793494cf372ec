//! From a host's route in the policy to its gate.

use std::time::Instant;

use policy_file::{HostRoute, Transport};

use crate::{Backend, Error, Gate, OpenSsh, SshTarget};

/// Connects to the gate of a host by the backend that its route names.
///
/// # Errors
/// Those of [`Backend::connect`].
pub fn connect(route: &HostRoute, deadline: Instant) -> Result<Box<dyn Gate>, Error> {
    let backend = match route.transport {
        Transport::Ssh2 => Backend::BuiltIn,
        Transport::Openssh => {
            Backend::OpenSsh(OpenSsh { config: route.config.clone(), ..OpenSsh::default() })
        }
    };
    backend.connect(&target(route), deadline)
}

/// Returns the target of a route, with its bastion.
pub fn target(route: &HostRoute) -> SshTarget {
    let mut target = SshTarget::new(
        &route.host,
        &route.address,
        &route.user,
        route.key.clone(),
        route.known_hosts.clone(),
    );
    target.port = route.port;
    target.passphrase_file.clone_from(&route.passphrase_file);
    target.agent = route.agent;
    target.via = route.via.as_deref().map(|via| Box::new(self::target(via)));
    target
}
