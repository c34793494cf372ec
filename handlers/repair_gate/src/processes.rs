//! The processes of this host, as proc_pid_stat(5) shows them.

use std::fs;

/// errno(3): ENOMEM, ENFILE, EMFILE.
const SHORTAGES: [i32; 3] = [12, 23, 24];

/// Returns whether a living process is in a process group; true if that is not known.
pub(crate) fn any_in_group(group: u32) -> bool {
    any(|process| process.group == group)
}

/// Returns whether a living process is in a session, to which all processes of one SSH request
/// belong; true if that is not known. The session of this process does not count: someone who
/// calls the gate by hand is in it.
pub(crate) fn any_in_session(session: u32) -> bool {
    // Session 0 is that of the kernel's threads, and of a record that knows none.
    session != 0 && session != own_session() && any(|process| process.session == session)
}

/// Returns the session of this process; 0 if it is not known.
pub(crate) fn own_session() -> u32 {
    fs::read("/proc/self/stat")
        .ok()
        .and_then(|stat| Process::read(&stat))
        .map_or(0, |us| us.session)
}

struct Process {
    dead: bool,
    group: u32,
    session: u32,
}

impl Process {
    /// Reads `pid (name) state ppid pgrp session ...`, of which the name may hold anything,
    /// brackets too.
    fn read(stat: &[u8]) -> Option<Process> {
        let stat = String::from_utf8_lossy(stat);
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let dead = matches!(fields.next()?, "Z" | "X");
        let (group, session) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        Some(Process { dead, group, session })
    }
}

fn any(is_wanted: impl Fn(&Process) -> bool) -> bool {
    let Ok(entries) = fs::read_dir("/proc") else { return true };
    entries.flatten().any(|entry| match fs::read(entry.path().join("stat")) {
        Ok(stat) => Process::read(&stat).is_some_and(|one| !one.dead && is_wanted(&one)),
        // Most have ended meanwhile. If memory or descriptors ran out, it is not known what it is.
        Err(e) => e.raw_os_error().is_some_and(|number| SHORTAGES.contains(&number)),
    })
}
