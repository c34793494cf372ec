//! Finds the processes on this host in /proc (see proc_pid_stat(5)).

use std::fs;

/// Error numbers for a lack of memory or descriptors: ENOMEM, ENFILE and EMFILE, see errno(3).
const SHORTAGES: [i32; 3] = [12, 23, 24];

/// Whether any process in the group is alive. Returns true if this cannot be determined.
pub(crate) fn any_in_group(group: u32) -> bool {
    any(|process| process.group == group)
}

/// Whether any process in the session is alive. All processes of one SSH request are in one
/// session. Returns true if this cannot be determined. Returns false for our own session, because
/// it includes the shell if someone runs the gate by hand.
pub(crate) fn any_in_session(session: u32) -> bool {
    // Kernel threads have session 0, and a record without a session also contains 0. Therefore 0
    // never counts as alive.
    session != 0 && session != own_session() && any(|process| process.session == session)
}

/// Returns the session of this process, or 0 if it cannot be determined.
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
    /// Parses `pid (name) state ppid pgrp session ...`. The name can contain any characters, even
    /// parentheses.
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
        // An error usually means that the process has just ended. If memory or descriptors ran out,
        // the process cannot be examined, so it counts as alive.
        Err(e) => e.raw_os_error().is_some_and(|number| SHORTAGES.contains(&number)),
    })
}
