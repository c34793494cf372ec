//! `ready NAME`: whether this repair could run now. Looks first at all that does not pass by
//! itself: the file, the programs, the rules of sudo, the records, the maintenance file; then at
//! cooldown and budget. It changes nothing and runs only `sudo -l`, which changes nothing either.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::answer::GateAnswer;
use crate::args::GateArgs;
use crate::context::{account, find, gate_path, now};
use crate::durations::TimeLimit;
use crate::host::LocalHost;
use crate::ownership::shell_word;
use crate::rejection::{Rejection, RejectionReason};
use crate::request::Name;
use crate::store::RecordStore;
use crate::timeout::ProcessEnd;
use crate::{config_file, maintenance, rate_limit, run};

/// Returns the answer, or the first thing that is in the way.
pub(crate) fn ready(args: &GateArgs, name: Name) -> Result<GateAnswer, Rejection> {
    let host = LocalHost::read()?;
    let repairs = config_file::load(&args.config)?;
    let repair = find(&repairs, &name, &host)?;
    let records = RecordStore::open(&args.state, host.uid)?.records(&name)?;
    for (argv, limit) in repair.commands() {
        check_program(argv)?;
        if let Some(account) = account(repair, &host) {
            check_sudo(argv, account, limit, &args.config)?;
        }
    }
    maintenance::check(&args.config)?;
    rate_limit::check_unlocked(&records, &name, repair, now(&host))?;
    Ok(GateAnswer::Ready(name))
}

fn check_program(argv: &[String]) -> Result<(), Rejection> {
    let program = argv.first().map_or("", String::as_str);
    let wrong = |why: String| {
        RejectionReason::Config.because(format!("{program}, which repairs.json names, {why}"))
    };
    let found = fs::metadata(program).map_err(|e| wrong(format!("cannot be run: {e}")))?;
    if !found.is_file() || found.mode() & 0o111 == 0 {
        return Err(wrong("is not a program".into()));
    }
    Ok(())
}

/// sudo(8), `-l` with a command: exit 0 if it is permitted as it stands, and nothing is run.
fn check_sudo(
    argv: &[String],
    account: &str,
    limit: TimeLimit,
    config: &Path,
) -> Result<(), Rejection> {
    let mut list = ["/usr/bin/sudo", "-n", "-l", "-u", account, "--"].map(str::to_owned).to_vec();
    list.extend(limit.command_line(&gate_path()?, argv));
    let ran = run::run(&list, None, TimeLimit::DIAGNOSIS, None);
    let command = argv.join(" ");
    // No answer is not a refusal.
    if let Some(why) = ran.no_exit_code() {
        return Err(RejectionReason::State.because(format!(
            "whether sudo lets this account run '{command}' is not known: sudo -l: {why}"
        )));
    }
    if ran.end == Ok(ProcessEnd::Exit(0)) {
        return Ok(());
    }
    let printed = ran.output.iter().find(|line| !line.trim().is_empty());
    let printed = printed.map_or(String::new(), |line| format!(" ({line})"));
    Err(RejectionReason::Config.because(format!(
        "sudo does not let this account run '{command}' as {account}{printed}; as root here: {}",
        renew_sudoers(&gate_path()?, config)
    )))
}

/// Returns the command that makes the sudoers file, whole or not at all: sudo(8) reads no file with
/// a dot in its name.
fn renew_sudoers(gate: &str, config: &Path) -> String {
    let (gate, config) = (shell_word(gate.as_ref()), shell_word(config));
    let file = "/etc/sudoers.d/nagios-selfheal";
    format!(
        "(umask 226 && {gate} --config {config} sudoers > {file}.new && visudo -cqf {file}.new && \
         mv -f {file}.new {file})"
    )
}
