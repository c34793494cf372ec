//! `usage`: how much of its limits each repair has used, and what would refuse it now. It changes
//! nothing.

use crate::answer::{Answer, Used};
use crate::args::Args;
use crate::ground::{look, now};
use crate::refusal::Refusal;
use crate::store::Store;
use crate::{file, hold, pace};

/// All repairs of this host, by name.
pub(crate) fn usage(args: &Args) -> Result<Answer, Refusal> {
    let host = look()?;
    let repairs = file::load(&args.config)?;
    let store = Store::open(&args.state, host.uid)?;
    let held = hold::not_held(&args.config).err();
    let unfiled = store.unfiled()?;
    let mut used = Vec::new();
    for (name, repair) in repairs.iter() {
        let records = [unfiled.clone(), store.filed(name)?].concat();
        let now = now(&host);
        let refusal = held.clone().or_else(|| pace::would_run(&records, name, repair, &now).err());
        used.push(Used {
            repair: name.clone(),
            usage: pace::usage(&records, name, repair, now.millis),
            refusal,
        });
    }
    Ok(Answer::Usage(used))
}
