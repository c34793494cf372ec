//! `usage`: reports how much of its limits each repair has used, and whether the gate would refuse
//! the repair now. Changes nothing.

use crate::answer::{GateAnswer, RepairUsage};
use crate::args::GateArgs;
use crate::context::now;
use crate::host::LocalHost;
use crate::rejection::Rejection;
use crate::run_times::RunHistory;
use crate::store::RecordStore;
use crate::{config_file, maintenance, rate_limit};

/// Reports the usage of all repairs on this host, sorted by name.
pub(crate) fn usage(args: &GateArgs) -> Result<GateAnswer, Rejection> {
    let host = LocalHost::read()?;
    let repairs = config_file::load(&args.config)?;
    let store = RecordStore::open(&args.state, host.uid)?;
    let held = maintenance::check(&args.config).err();
    let unfiled = store.unfiled()?;
    let mut all = Vec::new();
    for (name, repair) in repairs.iter() {
        let history = RunHistory::new(name, unfiled.clone(), store.filed(name)?);
        let now = now(&host);
        let check = || rate_limit::check_unlocked(&history, name, repair, now).err();
        all.push(RepairUsage {
            repair: name.clone(),
            usage: rate_limit::usage(&history, repair, now.time),
            refusal: held.clone().or_else(check),
        });
    }
    Ok(GateAnswer::Usage(all))
}
