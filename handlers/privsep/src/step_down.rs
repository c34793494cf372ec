//! Gives up root's privileges in the child process, which then runs as Nagios' user.

use std::ffi::{CString, OsStr, OsString};
use std::fs;
use std::io;

use nix::unistd::{Gid, Uid, close, getresgid, getresuid, initgroups, setgid, setsid, setuid};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::account::Account;
use crate::error::Error;

/// Prefix of the internal option with which the root process starts the child.
const OPTION: &str = "--step-down=";

/// Whether this process is the original process or its unprivileged child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The process that the user or Nagios started.
    Started,
    /// The child of the root process, after it has become Nagios' user.
    SteppedDown,
}

/// Returns the option `--step-down=UID:GID:NAME`, which makes the child switch to this account.
pub(crate) fn option(account: &Account) -> OsString {
    format!("{OPTION}{}:{}:{}", account.uid, account.gid, account.name).into()
}

/// Becomes Nagios' user permanently if `argv` starts with the internal option. Returns the role of
/// this process and the remaining arguments. Programs must call this before they do anything else.
///
/// # Errors
/// Fails if the option is given but this process does not run as root or cannot become the account.
/// The program must then exit.
pub fn step_down(argv: &[OsString]) -> Result<(Role, &[OsString]), Error> {
    let Some((option, rest)) = argv.split_first() else { return Ok((Role::Started, argv)) };
    let Some(account) = option.to_str().and_then(|option| option.strip_prefix(OPTION)) else {
        return Ok((Role::Started, argv));
    };
    if !rustix::process::getuid().is_root() {
        return Err(Error::NotRoot);
    }
    become_account(account)?;
    let Some((directory, rest)) = rest.split_first() else { return Ok((Role::SteppedDown, rest)) };
    // Ignore errors. If the account has no access to the directory, only relative paths fail.
    let _ = std::env::set_current_dir(directory);
    Ok((Role::SteppedDown, rest))
}

/// Starts a new session and switches to the account in `text`, which has the form `UID:GID:NAME`.
/// The new session has no controlling terminal, so the account cannot inject input into root's
/// terminal (TIOCSTI). The account cannot trace this process either, because the kernel makes a
/// process that gives up root non-dumpable, see PR_SET_DUMPABLE in prctl(2).
fn become_account(text: &str) -> Result<(), Error> {
    let failed = |step| {
        move |why: nix::Error| Error::StepDown { account: text.to_owned(), step, why: why.into() }
    };
    let mut words = text.splitn(3, ':');
    let mut number = || words.next().and_then(|word| word.parse().ok());
    let (uid, gid) = (number(), number());
    let (Some(uid), Some(gid), Some(name)) =
        (uid, gid, words.next().and_then(|name| CString::new(name).ok()))
    else {
        return Err(failed("reading the option")(nix::Error::EINVAL));
    };
    let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
    if user.is_root() {
        return Err(failed("becoming root")(nix::Error::EPERM));
    }
    setsid().map_err(failed("setsid"))?;
    close_inherited().map_err(|why| Error::StepDown {
        account: text.to_owned(),
        step: "closing inherited descriptors",
        why,
    })?;
    leave_keyring().map_err(failed("joining a session keyring"))?;
    initgroups(&name, group).map_err(failed("initgroups"))?;
    setgid(group).map_err(failed("setgid"))?;
    setuid(user).map_err(failed("setuid"))?;
    let (users, groups) =
        (getresuid().map_err(failed("getresuid"))?, getresgid().map_err(failed("getresgid"))?);
    if [users.real, users.effective, users.saved] != [user; 3]
        || [groups.real, groups.effective, groups.saved] != [group; 3]
    {
        return Err(failed("giving up root permanently")(nix::Error::EPERM));
    }
    // When the root process ends, this process gets SIGTERM, because nobody will read its answer.
    // setuid(2) clears the parent death signal, so set it last.
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(|why| Error::StepDown {
        account: text.to_owned(),
        step: "PR_SET_PDEATHSIG",
        why: why.into(),
    })
}

/// Leaves root's session keyring. Does nothing if the kernel has no keyrings or a container forbids
/// them.
fn leave_keyring() -> nix::Result<()> {
    match keyutils::Keyring::join_anonymous_session().map_err(|why| nix::Error::from_raw(why.0)) {
        Ok(_) | Err(nix::Error::ENOSYS | nix::Error::EPERM) => Ok(()),
        Err(why) => Err(why),
    }
}

/// Closes the descriptors that root's shell left open. The root process itself leaves none open,
/// because std opens them with O_CLOEXEC.
fn close_inherited() -> io::Result<()> {
    let number = |name: &OsStr| name.to_str().and_then(|name| name.parse::<i32>().ok());
    let open: Vec<i32> = fs::read_dir("/proc/self/fd")?
        .flatten()
        .filter_map(|entry| number(&entry.file_name()))
        .collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor > 2) {
        // Ignore errors. The list includes read_dir's own descriptor, which is already closed.
        let _ = close(descriptor);
    }
    Ok(())
}
