//! The session in which a `local` rung runs. The supervisor of the rung records this session in the
//! job's lock file.
//!
//! The lock alone does not show whether a rung is still running, because the rung's program can
//! outlive a supervisor that was killed. The supervisor therefore starts a new session with
//! setsid(2) and records it before it starts the program. A process that leaves the session, for
//! example with setsid(1), counts as a daemon and is ignored.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, setsid, test_kill_process_group};

/// Maximum number of bytes to read from a lock file. A recorded session is always shorter.
const LONGEST: u64 = 160;

/// A session counts as ended this long after its deadline, even if it still has processes.
/// Otherwise, processes of another user, which we cannot kill, could keep the session open forever.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(3600);

/// A session on this machine. The kernel can reuse the ID of an empty session, so the ID alone does
/// not identify the session. The start time of the session leader and the ID of the boot are needed
/// too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RungSession {
    id: Pid,
    /// Start time of the session leader in clock ticks since boot (`starttime` in
    /// proc_pid_stat(5)).
    started: String,
    boot: String,
    /// Deadline of the rung.
    until: SystemTime,
}

impl RungSession {
    /// Starts a new session led by this process, for a rung whose deadline is `until`.
    ///
    /// # Errors
    /// Fails if this process already leads a process group, or if `/proc` is not readable.
    pub fn begin(until: SystemTime) -> io::Result<RungSession> {
        let id = setsid()?;
        let us = Member::read(id.as_raw_nonzero().to_string().as_ref())?;
        Ok(RungSession { id, started: us.started, boot: boot()?, until })
    }

    /// Records the session in the lock file of its job.
    pub fn record(&self, mut lock: &File) -> io::Result<()> {
        RungSession::erase(lock)?;
        lock.seek(SeekFrom::Start(0))?;
        let until = self.until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (id, millis) = (self.id.as_raw_nonzero(), until.as_millis());
        writeln!(lock, "{id} {} {} {millis}", self.started, self.boot)
    }

    /// Records that the rung has ended. Any processes left in the session count as daemons and keep
    /// running.
    pub fn erase(lock: &File) -> io::Result<()> {
        lock.set_len(0)
    }

    /// Returns the session recorded in a lock file, or `None` if no program was started or the rung
    /// has ended.
    pub fn recorded(mut lock: &File) -> io::Result<Option<RungSession>> {
        let mut text = String::new();
        lock.seek(SeekFrom::Start(0))?;
        lock.take(LONGEST).read_to_string(&mut text)?;
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [id, started, boot, millis] = words.as_slice() else { return Ok(None) };
        let id = id.parse().ok().and_then(Pid::from_raw);
        let until = millis.parse().ok().map(Duration::from_millis);
        let until = until.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
        let (started, boot) = ((*started).to_owned(), (*boot).to_owned());
        Ok(id.zip(until).map(|(id, until)| RungSession { id, started, boot, until }))
    }

    /// Whether the session has a live process outside our own process group. Returns `true` if this
    /// cannot be determined.
    pub fn is_running(&self) -> bool {
        if boot().is_ok_and(|boot| boot != self.boot) || self.is_given_up() {
            return false;
        }
        let leader = Member::read(self.id.as_raw_nonzero().to_string().as_ref());
        if leader.is_ok_and(|leader| leader.started != self.started) {
            return false;
        }
        // `/proc` can be mounted so that it hides other users' processes, such as those started by
        // sudo. kill(2) still reveals them by failing with EPERM.
        !self.groups().is_empty() || test_kill_process_group(self.id) == Err(Errno::PERM)
    }

    /// Whether the deadline of the rung has passed.
    pub fn is_overdue(&self) -> bool {
        SystemTime::now() > self.until
    }

    fn is_given_up(&self) -> bool {
        SystemTime::now() > self.until + GIVEN_UP_AFTER
    }

    /// Kills the remaining processes of the session, except our own process group. The kernel does
    /// not let us kill other users' processes, such as programs that sudo started as root.
    pub fn kill(&self) {
        if self.is_running() {
            for group in self.groups() {
                let _ = kill_process_group(group, Signal::KILL);
            }
        }
    }

    /// Returns the process groups of the session's live processes that `/proc` shows, except our
    /// own group.
    fn groups(&self) -> Vec<Pid> {
        let ours = Member::read("self".as_ref()).ok().and_then(|us| us.group);
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let members = entries.filter_map(|entry| Member::read(&entry.file_name()).ok());
        let mut groups: Vec<Pid> = members
            .filter(|member| member.session == Some(self.id) && !member.is_dead)
            .filter_map(|member| member.group.filter(|group| Some(*group) != ours))
            .collect();
        groups.dedup();
        groups
    }
}

/// The fields of `/proc/PID/stat` that show which session a process belongs to. See
/// proc_pid_stat(5).
struct Member {
    /// Process group ID; `None` if the group's leader is outside our PID namespace (see
    /// pid_namespaces(7)). This is the case, for example, for a process that `docker exec` started.
    group: Option<Pid>,
    /// Session ID; `None` if the session's leader is outside our PID namespace.
    session: Option<Pid>,
    started: String,
    is_dead: bool,
}

impl Member {
    fn read(pid: &OsStr) -> io::Result<Member> {
        let stat = fs::read(Path::new("/proc").join(pid).join("stat"))?;
        Member::parse(&String::from_utf8_lossy(&stat)).ok_or(io::Error::other("not a process"))
    }

    /// Parses `pid (name) state ppid pgrp session ... starttime`. The name can contain any
    /// character.
    fn parse(stat: &str) -> Option<Member> {
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        // The group and the session of a process that has just been reaped are -1.
        let number = |at: usize| fields.get(at)?.parse().ok().filter(|number| *number >= 0);
        let pid = |at: usize| number(at).map(Pid::from_raw);
        Some(Member {
            group: pid(2)?,
            session: pid(3)?,
            started: (*fields.get(19)?).to_owned(),
            is_dead: matches!(*fields.first()?, "Z" | "X"),
        })
    }
}

/// Returns the ID of the current boot, see random(4).
fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    /// Starts a session with two process groups. One contains the leader, the other a `sleep` that
    /// the leader started.
    fn sleeping() -> (Child, RungSession) {
        let script = "set -m; sleep 600 & wait";
        let child = Command::new("setsid").args(["/bin/bash", "-c", script]).spawn().unwrap();
        let id = Pid::from_child(&child);
        let member = || Member::read(child.id().to_string().as_ref()).unwrap();
        while member().session != Some(id) {
            std::thread::yield_now();
        }
        let until = SystemTime::now();
        let session = RungSession { id, started: member().started, boot: boot().unwrap(), until };
        while session.groups().len() < 2 {
            std::thread::yield_now();
        }
        (child, session)
    }

    #[test]
    fn reads_recorded_session_until_it_is_erased() {
        let (mut child, mut session) = sleeping();
        session.until = SystemTime::UNIX_EPOCH + Duration::from_millis(1_796_071_746_123);
        let file = tempfile::tempfile().unwrap();
        assert_eq!(RungSession::recorded(&file).unwrap(), None);
        session.record(&file).unwrap();
        assert_eq!(RungSession::recorded(&file).unwrap(), Some(session.clone()));
        RungSession::erase(&file).unwrap();
        assert_eq!(RungSession::recorded(&file).unwrap(), None);
        session.until = SystemTime::now();
        session.kill();
        child.wait().unwrap();
    }

    #[test]
    fn is_running_until_last_process_of_any_group_dies() {
        let (mut child, session) = sleeping();
        assert!(session.is_running());
        // Kill only the leader. The `sleep` that it started keeps running.
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(session.is_running());
        session.kill();
        while session.is_running() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn ignores_other_session_with_reused_id() {
        let (mut child, session) = sleeping();
        let reused = RungSession { started: "1".into(), ..session.clone() };
        let rebooted = RungSession { boot: "another".into(), ..session.clone() };
        assert!(!reused.is_running() && !rebooted.is_running());
        rebooted.kill();
        assert!(child.try_wait().unwrap().is_none() && session.is_running());
        session.kill();
        child.wait().unwrap();
    }

    #[test]
    fn reads_process_with_session_from_outside_the_container() {
        let stat = format!("7 (a) b) S 0 0 0 {}1234 0", "0 ".repeat(15));
        let process = Member::parse(&stat).unwrap();
        assert_eq!((process.group, process.session), (None, None));
        assert_eq!(process.started, "1234");
    }

    #[test]
    fn counts_as_ended_an_hour_after_deadline() {
        let (mut child, session) = sleeping();
        let hour = Duration::from_secs(3601);
        let old = RungSession { until: SystemTime::now() - hour, ..session.clone() };
        assert!(!old.is_running() && session.is_running());
        session.kill();
        child.wait().unwrap();
    }
}
