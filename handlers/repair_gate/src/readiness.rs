//! `ready NAME`: whether this repair could run now. Looks first at all that does not pass by
//! itself: the file, the program, the rule of sudo, the records, the hold; then at its pace. It
//! changes nothing and runs nothing but `sudo -l`, which only tells.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::answer::GateAnswer;
use crate::args::Args;
use crate::config::RepairDefinition;
use crate::context::{account, find, look, now, umask_is_sane};
use crate::durations::TimeLimit;
use crate::rejection::{Rejection, RejectionReason};
use crate::request::Name;
use crate::run::{self, CommandEnd, ExecutedCommand};
use crate::store::RecordStore;
use crate::{config_file, maintenance, rate_limit};

/// The answer, or the first thing that is in the way.
pub(crate) fn ready(args: &Args, name: &Name) -> Result<GateAnswer, Rejection> {
    let host = look()?;
    let repairs = config_file::load(&args.config)?;
    let repair = find(&repairs, name)?;
    umask_is_sane(&host)?;
    let store = RecordStore::open(&args.state, host.uid)?;
    let records = store.records(name)?;
    let limit = TimeLimit::of_repair(repair.timeout);
    for (argv, limit) in std::iter::once((&repair.run, limit)).chain(looks(repair)) {
        is_program(argv)?;
        if let Some(account) = account(repair, &host) {
            sudo_allows(argv, account, limit)?;
        }
    }
    maintenance::not_held(&args.config)?;
    rate_limit::check_unlocked(&records, name, repair, now(&host))?;
    Ok(GateAnswer::Ready(name.to_string()))
}

fn looks(repair: &RepairDefinition) -> impl Iterator<Item = (&Vec<String>, TimeLimit)> {
    repair.diagnose.iter().map(|argv| (argv, TimeLimit::DIAGNOSIS))
}

fn is_program(argv: &[String]) -> Result<(), Rejection> {
    let program = argv.first().map_or("", String::as_str);
    let wrong = |why: String| {
        RejectionReason::Config.because(format!("{program}, which repairs.json names, {why}"))
    };
    let found = fs::metadata(program).map_err(|e| wrong(format!("cannot be run: {e}")))?;
    if !found.is_file() || found.mode() & 0o111 == 0 {
        return Err(wrong("is no program".into()));
    }
    Ok(())
}

/// sudo(8), `-l` with a command: exit 0 if it is permitted as it stands, and nothing is run.
fn sudo_allows(argv: &[String], account: &str, limit: TimeLimit) -> Result<(), Rejection> {
    let unknown =
        |e| RejectionReason::Config.because(format!("cannot tell where this program is: {e}"));
    let whole = limit.command_line(&run::gate().map_err(unknown)?, argv);
    let ask = ["/usr/bin/sudo", "-n", "-l", "-u", account, "--"].map(str::to_owned);
    let ask: Vec<String> = ask.into_iter().chain(whole).collect();
    let ExecutedCommand { end, output, .. } = run::run(&ask, None, TimeLimit::DIAGNOSIS, None);
    // No answer is not a no.
    if let Some(why) = end.without_code() {
        let text = format!(
            "whether sudo lets this account run '{}' is not known: sudo -l: {why}",
            argv.join(" ")
        );
        return Err(RejectionReason::State.because(text));
    }
    if end == CommandEnd::Exit(0) {
        return Ok(());
    }
    let said = output
        .iter()
        .find(|line| !line.trim().is_empty())
        .map(|line| format!(" ({line})"))
        .unwrap_or_default();
    Err(RejectionReason::Config.because(format!(
        "sudo does not let this account run '{}' as {account}{said}; as root here: repair_gate \
             sudoers > \
             /etc/sudoers.d/nagios-selfheal && chmod 440 /etc/sudoers.d/nagios-selfheal && visudo \
             -c",
        argv.join(" ")
    )))
}
