//! Functions that several requests share. They find a repair, its account, the current time and the
//! path of this program.

use crate::config::{RepairDefinition, RepairDefinitions};
use crate::host::LocalHost;
use crate::record::Now;
use crate::rejection::{Rejection, RejectionReason};
use crate::request::Name;
use crate::{processes, run, timestamps};

/// Returns the account to which sudo must switch for the repair, or `None` if the repair runs as
/// the gate's own account.
pub(crate) fn account<'a>(repair: &'a RepairDefinition, host: &LocalHost) -> Option<&'a str> {
    repair.user.as_deref().filter(|account| !host.runs_as(account))
}

/// Returns the repair with this name.
///
/// # Errors
/// Fails if repairs.json has no such repair, or if the umask would let everyone write to files that
/// the repair creates.
pub(crate) fn find<'a>(
    repairs: &'a RepairDefinitions,
    name: &Name,
    host: &LocalHost,
) -> Result<&'a RepairDefinition, Rejection> {
    let repair = repairs.get(name).ok_or_else(|| {
        RejectionReason::UnknownRepair.because(format!("this host has no repair named {name}"))
    })?;
    if host.has_world_writable_umask() {
        return Err(RejectionReason::Config.because(
            "with the umask of this login, everyone could write to the files that a repair \
             creates; set the umask to 022, for example with pam_umask(8)",
        ));
    }
    Ok(repair)
}

pub(crate) fn now(host: &LocalHost) -> Now<'_> {
    Now { time: timestamps::now(), boot: &host.boot, lives: processes::any_in_session }
}

/// Returns the path of this program, for sudo commands and the sudoers file.
pub(crate) fn gate_path() -> Result<String, Rejection> {
    run::gate_path().map_err(|e| {
        RejectionReason::Config.because(format!("cannot determine the path of repair_gate: {e}"))
    })
}
