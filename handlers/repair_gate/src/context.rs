//! What a request needs to know: this host, the repair it names and the account that repair runs
//! under.

use crate::config::{RepairDefinition, RepairDefinitions};
use crate::host::LocalHost;
use crate::record::Now;
use crate::rejection::{Rejection, RejectionReason};
use crate::request::Name;
use crate::{processes, run, timestamps};

/// Returns the account to change to, if it is not the gate's own.
pub(crate) fn account<'a>(repair: &'a RepairDefinition, host: &LocalHost) -> Option<&'a str> {
    repair.user.as_deref().filter(|account| !host.runs_as(account))
}

/// Returns the repair of that name, unless it could make files that everyone can write.
pub(crate) fn find<'a>(
    repairs: &'a RepairDefinitions,
    name: &Name,
    host: &LocalHost,
) -> Result<&'a RepairDefinition, Rejection> {
    let repair = repairs.get(name).ok_or_else(|| {
        RejectionReason::UnknownRepair.because(format!("this host has no repair named {name}"))
    })?;
    if host.careless_umask() {
        return Err(RejectionReason::Config.because(
            "the umask of this login lets everyone write to what a repair makes; set it to 022 \
             (pam_umask, sshd)",
        ));
    }
    Ok(repair)
}

pub(crate) fn now(host: &LocalHost) -> Now<'_> {
    Now { time: timestamps::now(), boot: &host.boot, lives: processes::any_in_session }
}

/// Returns where this program is, for sudo.
pub(crate) fn gate_path() -> Result<String, Rejection> {
    run::gate_path().map_err(|e| {
        RejectionReason::Config.because(format!("cannot tell where this program is: {e}"))
    })
}
