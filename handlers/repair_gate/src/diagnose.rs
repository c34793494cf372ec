//! `diagnose NAME`: runs a repair's `diagnose` commands, so that a server can collect evidence
//! before a restart destroys it.

use std::thread;
use std::time::Duration;

use crate::answer::{DiagnosisReport, GateAnswer};
use crate::args::GateArgs;
use crate::context::{account, find};
use crate::durations::TimeLimit;
use crate::host::LocalHost;
use crate::rejection::{Rejection, RejectionReason};
use crate::request::Name;
use crate::store::{HostLock, RecordStore};
use crate::timeout::ProcessEnd;
use crate::{config_file, run};

/// Runs a repair's `diagnose` commands. They change nothing, so the cooldown, the budget and the
/// maintenance file do not apply. Only one diagnosis runs at a time.
pub(crate) fn diagnose(args: &GateArgs, name: Name) -> Result<GateAnswer, Rejection> {
    let host = LocalHost::read()?;
    let repairs = config_file::load(&args.config)?;
    let repair = find(&repairs, &name, &host)?;
    let _lock = wait_for_lock(&RecordStore::open(&args.state, host.uid)?)?;
    let account = account(repair, &host);
    let reports = repair.diagnose.iter().map(|argv| report(argv, account)).collect();
    Ok(GateAnswer::Diagnose(name, reports))
}

fn wait_for_lock(store: &RecordStore) -> Result<HostLock, Rejection> {
    for _ in 0..100 {
        if let Some(lock) = store.try_lock("diagnose")? {
            return Ok(lock);
        }
        thread::sleep(Duration::from_millis(20));
    }
    Err(RejectionReason::Busy.because(
        "another diagnosis is running, and a host runs only one at a time; try again later",
    ))
}

fn report(argv: &[String], account: Option<&str>) -> DiagnosisReport {
    let mut ran = run::run(argv, account, TimeLimit::DIAGNOSIS, None);
    ran.output.extend(ran.no_exit_code());
    let exit = if let Ok(ProcessEnd::Exit(code)) = ran.end { Some(code) } else { None };
    DiagnosisReport { run: argv.to_vec(), exit, output: ran.output }
}
