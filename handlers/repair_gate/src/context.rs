//! What a request for a repair stands on: this machine, the repair of that name, the account it
//! runs under.

use crate::config::{RepairDefinition, RepairDefinitions};
use crate::host::LocalHost;
use crate::record::Now;
use crate::rejection::{Rejection, RejectionReason};
use crate::request::Name;
use crate::timestamps;

/// The account to change to, if it is not the gate's own already.
pub(crate) fn account<'a>(repair: &'a RepairDefinition, host: &LocalHost) -> Option<&'a str> {
    repair.user.as_deref().filter(|account| !host.runs_as(account))
}

pub(crate) fn look() -> Result<LocalHost, Rejection> {
    LocalHost::look().map_err(|text| RejectionReason::State.because(text))
}

pub(crate) fn now(host: &LocalHost) -> Now<'_> {
    Now { time: timestamps::now(), boot: &host.boot }
}

pub(crate) fn find<'a>(
    repairs: &'a RepairDefinitions,
    name: &Name,
) -> Result<&'a RepairDefinition, Rejection> {
    repairs.get(name).ok_or_else(|| {
        RejectionReason::UnknownRepair.because(format!("this host has no repair named {name}"))
    })
}

pub(crate) fn umask_is_sane(host: &LocalHost) -> Result<(), Rejection> {
    if host.careless_umask() {
        let text = "the umask of this login lets everyone write to what a repair makes; set it to \
                    022 (pam_umask, sshd)";
        return Err(RejectionReason::Config.because(text));
    }
    Ok(())
}
