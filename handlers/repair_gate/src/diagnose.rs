//! `diagnose NAME`: what the repair's own look-arounds see, before a restart destroys it.

use std::thread;
use std::time::Duration;

use crate::answer::{DiagnosisReport, GateAnswer};
use crate::args::Args;
use crate::config_file;
use crate::context::{account, find, look, umask_is_sane};
use crate::durations::TimeLimit;
use crate::rejection::{Rejection, RejectionReason};
use crate::request::Name;
use crate::run::{self, CommandEnd, ExecutedCommand};
use crate::store::RecordStore;

/// Looks, and changes nothing; so it is allowed at any pace, but one at a time, and under a hold
/// too.
pub(crate) fn diagnose(args: &Args, name: &Name) -> Result<GateAnswer, Rejection> {
    let host = look()?;
    let repairs = config_file::load(&args.config)?;
    let repair = find(&repairs, name)?;
    umask_is_sane(&host)?;
    let store = RecordStore::open(&args.state, host.uid)?;
    let lock = (0..100).find_map(|_| match store.try_lock("diagnose") {
        Ok(None) => {
            thread::sleep(Duration::from_millis(20));
            None
        }
        taken => Some(taken),
    });
    let Some(_lock) = lock.transpose()?.flatten() else {
        return Err(
            RejectionReason::Busy.because("another diagnosis is running; one at a time on a host")
        );
    };
    let reports =
        repair.diagnose.iter().map(|argv| look_with(argv, account(repair, &host))).collect();
    Ok(GateAnswer::Diagnose { repair: name.to_string(), reports })
}

fn look_with(argv: &[String], account: Option<&str>) -> DiagnosisReport {
    let ExecutedCommand { end, mut output, .. } =
        run::run(argv, account, TimeLimit::DIAGNOSIS, None);
    output.extend(end.without_code());
    let exit = if let CommandEnd::Exit(code) = end { Some(code) } else { None };
    DiagnosisReport { run: argv.to_vec(), exit, output }
}
