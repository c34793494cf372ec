//! What a request for a repair stands on: this machine, the repair of that name, the account it
//! runs under.

use crate::config::{Repair, Repairs};
use crate::host::{self, Host};
use crate::rate_limit::Now;
use crate::rejection::{Reason, Refusal};
use crate::request::Name;

/// The account to change to, if it is not the gate's own already.
pub(crate) fn account<'a>(repair: &'a Repair, host: &Host) -> Option<&'a str> {
    repair.user.as_deref().filter(|account| !host.runs_as(account))
}

pub(crate) fn look() -> Result<Host, Refusal> {
    Host::look().map_err(|text| Refusal::new(Reason::State, text))
}

pub(crate) fn now(host: &Host) -> Now<'_> {
    Now { millis: host::now(), boot: &host.boot }
}

pub(crate) fn find<'a>(repairs: &'a Repairs, name: &Name) -> Result<&'a Repair, Refusal> {
    repairs.get(name).ok_or_else(|| {
        Refusal::new(Reason::UnknownRepair, format!("this host has no repair named {name}"))
    })
}

pub(crate) fn umask_is_sane(host: &Host) -> Result<(), Refusal> {
    if host.careless_umask() {
        let text = "the umask of this login lets everyone write to what a repair makes; set it to \
                    022 (pam_umask, sshd)";
        return Err(Refusal::new(Reason::Config, text));
    }
    Ok(())
}
