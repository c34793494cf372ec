//! `usage`: how much of its limits each repair has used, and what would refuse it now. It changes
//! nothing.

use crate::answer::{GateAnswer, RepairUsage};
use crate::args::Args;
use crate::context::{look, now};
use crate::rejection::Rejection;
use crate::store::RecordStore;
use crate::{config_file, maintenance, rate_limit};

/// All repairs of this host, by name.
pub(crate) fn usage(args: &Args) -> Result<GateAnswer, Rejection> {
    let host = look()?;
    let repairs = config_file::load(&args.config)?;
    let store = RecordStore::open(&args.state, host.uid)?;
    let held = maintenance::not_held(&args.config).err();
    let unfiled = store.unfiled()?;
    let mut used = Vec::new();
    for (name, repair) in repairs.iter() {
        let records = [unfiled.clone(), store.filed(name)?].concat();
        let now = now(&host);
        let refusal =
            held.clone().or_else(|| rate_limit::check_unlocked(&records, name, repair, now).err());
        used.push(RepairUsage {
            repair: name.clone(),
            usage: rate_limit::usage(&records, name, repair, now.time),
            refusal,
        });
    }
    Ok(GateAnswer::Usage(used))
}
