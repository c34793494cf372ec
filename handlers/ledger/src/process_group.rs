//! The process group of a `local` rung, as its supervisor leaves it in the lock file of its job.
//!
//! A lock alone does not show that a rung still runs: its program outlives a supervisor that was
//! killed. So the supervisor, which leads the group, records it before it starts the program.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::process;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// More than a group is written in, in bytes.
const LONGEST: u64 = 128;

/// A process group of this machine. Its number may be given to another group once it is empty, so
/// the start of its leader and the boot belong to its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessGroup {
    id: Pid,
    /// When its leader was started, in clock ticks since the boot: proc_pid_stat(5), `starttime`.
    started: String,
    boot: String,
}

impl ProcessGroup {
    /// Returns the group that this process leads.
    ///
    /// # Errors
    /// This process leads no group, or `/proc` is not readable.
    pub fn led_by_us() -> io::Result<ProcessGroup> {
        let id = rustix::process::getpgrp();
        if id != rustix::process::getpid() {
            return Err(io::Error::other("this process leads no process group"));
        }
        let us = GroupMember::read(process::id().to_string().as_ref())?;
        Ok(ProcessGroup { id, started: us.started, boot: boot()? })
    }

    /// Records the group in the lock file of its job.
    pub fn record(&self, mut lock: &File) -> io::Result<()> {
        ProcessGroup::erase(lock)?;
        lock.seek(SeekFrom::Start(0))?;
        writeln!(lock, "{} {} {}", self.id.as_raw_nonzero(), self.started, self.boot)
    }

    /// Records that its program has ended. What that has left in the group is not waited for: it is
    /// a daemon.
    pub fn erase(lock: &File) -> io::Result<()> {
        lock.set_len(0)
    }

    /// Returns the group in a lock file; `None` when no program was started, or has ended.
    pub fn recorded(mut lock: &File) -> io::Result<Option<ProcessGroup>> {
        let mut text = String::new();
        lock.seek(SeekFrom::Start(0))?;
        lock.take(LONGEST).read_to_string(&mut text)?;
        let mut words = text.split_ascii_whitespace().map(str::to_owned);
        let (id, started, boot) = (words.next(), words.next(), words.next());
        let id = id.and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
        Ok(match (id, started, boot) {
            (Some(id), Some(started), Some(boot)) => Some(ProcessGroup { id, started, boot }),
            _ => None,
        })
    }

    /// Returns whether a living process is in the group. When that cannot be found out, one is.
    pub fn is_running(&self) -> bool {
        if boot().is_ok_and(|boot| boot != self.boot) {
            return false;
        }
        let leader = GroupMember::read(self.id.as_raw_nonzero().to_string().as_ref());
        if leader.is_ok_and(|leader| leader.started != self.started) {
            return false;
        }
        match test_kill_process_group(self.id) {
            Err(Errno::SRCH) => false,
            // Dead processes that nobody has waited for count there; those of other users may not
            // be visible here.
            Ok(()) => self.living_member().unwrap_or(false),
            Err(_) => self.living_member().unwrap_or(true),
        }
    }

    /// Kills what is left of the group and is ours: programs of root, as sudo runs them, are not.
    pub fn kill(&self) {
        if self.is_running() {
            let _ = kill_process_group(self.id, Signal::KILL);
        }
    }

    /// Whether a member that can be seen lives; `None` when none can be seen.
    fn living_member(&self) -> Option<bool> {
        let group = self.id.as_raw_nonzero().to_string();
        let all = fs::read_dir("/proc").ok()?.flatten();
        let members = all
            .filter_map(|entry| GroupMember::read(&entry.file_name()).ok())
            .filter(|process| process.group == group);
        members.map(|member| !member.is_dead).reduce(|one, other| one || other)
    }
}

/// What `/proc/PID/stat` says of a process.
struct GroupMember {
    group: String,
    started: String,
    is_dead: bool,
}

impl GroupMember {
    fn read(pid: &std::ffi::OsStr) -> io::Result<GroupMember> {
        let stat = fs::read(std::path::Path::new("/proc").join(pid).join("stat"))?;
        let stat = String::from_utf8_lossy(&stat);
        // `pid (name) state ppid pgrp ... starttime`, where the name may hold anything.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        match (fields.first(), fields.get(2), fields.get(19)) {
            (Some(state), Some(group), Some(started)) => Ok(GroupMember {
                group: (*group).to_owned(),
                started: (*started).to_owned(),
                is_dead: matches!(*state, "Z" | "X"),
            }),
            _ => Err(io::Error::other("not a process")),
        }
    }
}

/// The identity of this boot: random(4).
fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::*;

    /// A group of one process, and its record.
    fn sleeping() -> (Child, ProcessGroup) {
        let child = Command::new("/bin/sleep").arg("600").process_group(0).spawn().unwrap();
        let pid = child.id().to_string();
        let started = GroupMember::read(pid.as_ref()).unwrap().started;
        let id = Pid::from_child(&child);
        (child, ProcessGroup { id, started, boot: boot().unwrap() })
    }

    #[test]
    fn is_read_as_it_was_recorded_and_not_after_its_end() {
        let (mut child, group) = sleeping();
        let file = tempfile::tempfile().unwrap();
        assert_eq!(ProcessGroup::recorded(&file).unwrap(), None);
        group.record(&file).unwrap();
        assert_eq!(ProcessGroup::recorded(&file).unwrap(), Some(group.clone()));
        ProcessGroup::erase(&file).unwrap();
        assert_eq!(ProcessGroup::recorded(&file).unwrap(), None);
        group.kill();
        child.wait().unwrap();
    }

    #[test]
    fn runs_until_its_last_process_has_died() {
        let (mut child, group) = sleeping();
        assert!(group.is_running());
        group.kill();
        while group.is_running() {
            std::thread::yield_now();
        }
        // It has died and was not waited for.
        child.wait().unwrap();
        assert!(!group.is_running());
    }

    #[test]
    fn another_group_with_its_number_is_not_it() {
        let (mut child, group) = sleeping();
        let reused = ProcessGroup { started: "1".into(), ..group.clone() };
        let rebooted = ProcessGroup { boot: "another".into(), ..group.clone() };
        assert!(!reused.is_running() && !rebooted.is_running());
        rebooted.kill();
        assert!(child.try_wait().unwrap().is_none() && group.is_running());
        group.kill();
        child.wait().unwrap();
    }
}
