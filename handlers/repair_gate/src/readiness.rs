//! `ready NAME`: checks whether a repair would run now.
//!
//! Checks in this order: the configuration, the records, the programs, the sudo rules, systemd's
//! session settings, the maintenance file, the cooldown and the budget. Refusals for the cooldown
//! or the budget come last, because they end by themselves. Changes nothing. The only commands that
//! `ready` runs, `sudo -l`, `busctl get-property` and `systemctl show`, do not change anything
//! either.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::answer::GateAnswer;
use crate::args::GateArgs;
use crate::context::{account, find, now};
use crate::host::{self, LocalHost};
use crate::rejection::{Rejection, RejectionReason};
use crate::request::Name;
use crate::store::RecordStore;
use crate::{config_file, maintenance, rate_limit, session, sudo};

/// Checks whether the repair `name` would run now. Returns the first problem as a refusal.
pub(crate) fn ready(args: &GateArgs, name: Name) -> Result<GateAnswer, Rejection> {
    let host = LocalHost::read()?;
    let repairs = config_file::load(&args.config)?;
    let repair = find(&repairs, &name, &host)?;
    let history = RecordStore::open(&args.state, host.uid)?.history(&name)?;
    for (argv, limit) in repair.commands() {
        check_program(argv)?;
        if let Some(account) = account(repair, &host) {
            sudo::check_command(argv, account, limit, &args.config)?;
        }
    }
    if let Some(account) = account(repair, &host) {
        sudo::check_options(account)?;
    }
    session::check(&host.cgroup, &host::account(host.uid))?;
    maintenance::check(&args.config)?;
    rate_limit::check_unlocked(&history, &name, repair, now(&host))?;
    Ok(GateAnswer::Ready(name))
}

fn check_program(argv: &[String]) -> Result<(), Rejection> {
    let program = argv.first().map_or("", String::as_str);
    let wrong = |why: String| {
        RejectionReason::Config.because(format!("the program {program} in repairs.json {why}"))
    };
    let found = fs::metadata(program).map_err(|e| wrong(format!("cannot be run: {e}")))?;
    if !found.is_file() || found.mode() & 0o111 == 0 {
        return Err(wrong("is not an executable file".into()));
    }
    Ok(())
}
