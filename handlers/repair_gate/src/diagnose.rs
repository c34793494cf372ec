//! `diagnose NAME`: what the repair's own look-arounds see, before a restart destroys it.

use std::thread;
use std::time::Duration;

use crate::answer::{Answer, Report};
use crate::args::Args;
use crate::config_file;
use crate::context::{account, find, look, umask_is_sane};
use crate::durations::Limit;
use crate::rejection::{Reason, Refusal};
use crate::request::Name;
use crate::run::{self, End, Ran};
use crate::store::Store;

/// Looks, and changes nothing; so it is allowed at any pace, but one at a time, and under a hold
/// too.
pub(crate) fn diagnose(args: &Args, name: &Name) -> Result<Answer, Refusal> {
    let host = look()?;
    let repairs = config_file::load(&args.config)?;
    let repair = find(&repairs, name)?;
    umask_is_sane(&host)?;
    let store = Store::open(&args.state, host.uid)?;
    let lock = (0..100).find_map(|_| match store.try_lock("diagnose") {
        Ok(None) => {
            thread::sleep(Duration::from_millis(20));
            None
        }
        taken => Some(taken),
    });
    let Some(_lock) = lock.transpose()?.flatten() else {
        return Err(Refusal::new(
            Reason::Busy,
            "another diagnosis is running; one at a time on a host",
        ));
    };
    let reports =
        repair.diagnose.iter().map(|argv| look_with(argv, account(repair, &host))).collect();
    Ok(Answer::Diagnose { repair: name.to_string(), reports })
}

fn look_with(argv: &[String], account: Option<&str>) -> Report {
    let Ran { end, mut output, .. } = run::run(argv, account, Limit::DIAGNOSIS, None);
    output.extend(end.without_code());
    let exit = if let End::Exit(code) = end { Some(code) } else { None };
    Report { run: argv.to_vec(), exit, output }
}
