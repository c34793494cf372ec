//! The session of a `local` rung, as its supervisor leaves it in the lock file of its job.
//!
//! A lock alone does not show that a rung still runs: its program outlives a supervisor that was
//! killed. So the supervisor begins a session, setsid(2), and records it before it starts the
//! program. What leaves the session, as setsid(1) does, is a daemon.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, setsid, test_kill_process_group};

/// More than a session is written in, in bytes.
const LONGEST: u64 = 160;

/// How long after its deadline a session is given up that cannot be killed, because its processes
/// are another user's.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(3600);

/// A session of this machine. Its number may be given to another one once it is empty, so the start
/// of its leader and the boot belong to its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RungSession {
    id: Pid,
    /// When its leader was started, in clock ticks since the boot: proc_pid_stat(5), `starttime`.
    started: String,
    boot: String,
    /// The deadline of the rung.
    until: SystemTime,
}

impl RungSession {
    /// Begins a session of this process, for a rung with this deadline.
    ///
    /// # Errors
    /// This process leads a process group, or `/proc` is not readable.
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

    /// Records that the rung has ended. What it has left in the session is not waited for: it is a
    /// daemon.
    pub fn erase(lock: &File) -> io::Result<()> {
        lock.set_len(0)
    }

    /// Returns the session in a lock file; `None` when no program was started, or has ended.
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

    /// Returns whether a living process is in the session, other than this one. When that cannot be
    /// found out, one is.
    pub fn is_running(&self) -> bool {
        if boot().is_ok_and(|boot| boot != self.boot) || self.is_given_up() {
            return false;
        }
        let leader = Member::read(self.id.as_raw_nonzero().to_string().as_ref());
        if leader.is_ok_and(|leader| leader.started != self.started) {
            return false;
        }
        // Where `/proc` hides processes of other users, only the kernel knows of those that sudo
        // has started.
        !self.groups().is_empty() || test_kill_process_group(self.id) == Err(Errno::PERM)
    }

    /// Whether the deadline of the rung has passed.
    pub fn is_overdue(&self) -> bool {
        SystemTime::now() > self.until
    }

    fn is_given_up(&self) -> bool {
        SystemTime::now() > self.until + GIVEN_UP_AFTER
    }

    /// Kills what is left of the session and is ours, but this process: programs of root, as sudo
    /// runs them, are not.
    pub fn kill(&self) {
        if self.is_running() {
            for group in self.groups() {
                let _ = kill_process_group(group, Signal::KILL);
            }
        }
    }

    /// The process groups of its living processes that can be seen, without our own.
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

/// A process as `/proc/PID/stat` shows it.
struct Member {
    /// Its process group; `None` when the group's leader is outside of our PID namespace, as for
    /// what `docker exec` starts: pid_namespaces(7).
    group: Option<Pid>,
    /// Its session; `None` as for `group`.
    session: Option<Pid>,
    started: String,
    is_dead: bool,
}

impl Member {
    fn read(pid: &OsStr) -> io::Result<Member> {
        let stat = fs::read(Path::new("/proc").join(pid).join("stat"))?;
        Member::parse(&String::from_utf8_lossy(&stat)).ok_or(io::Error::other("not a process"))
    }

    /// Parses `pid (name) state ppid pgrp session ... starttime`, where the name may hold anything.
    fn parse(stat: &str) -> Option<Member> {
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
        let pid = |at: usize| fields.get(at)?.parse().ok().map(Pid::from_raw);
        Some(Member {
            group: pid(2)?,
            session: pid(3)?,
            started: (*fields.get(19)?).to_owned(),
            is_dead: matches!(*fields.first()?, "Z" | "X"),
        })
    }
}

/// The identity of this boot: random(4).
fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::*;

    /// A session of two process groups, whose leader has started a sleep in a group of its own.
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
    fn is_read_as_it_was_recorded_and_not_after_its_end() {
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
    fn runs_until_its_last_process_has_died_whatever_its_group() {
        let (mut child, session) = sleeping();
        assert!(session.is_running());
        // The leader alone: what it has started lives on.
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(session.is_running());
        session.kill();
        while session.is_running() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn another_session_with_its_number_is_not_it() {
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
    fn a_process_whose_session_began_outside_of_the_container_is_read() {
        let stat = format!("7 (a) b) S 0 0 0 {}1234 0", "0 ".repeat(15));
        let process = Member::parse(&stat).unwrap();
        assert_eq!((process.group, process.session), (None, None));
        assert_eq!(process.started, "1234");
    }

    #[test]
    fn is_given_up_an_hour_after_its_deadline() {
        let (mut child, session) = sleeping();
        let hour = Duration::from_secs(3601);
        let old = RungSession { until: SystemTime::now() - hour, ..session.clone() };
        assert!(!old.is_running() && session.is_running());
        session.kill();
        child.wait().unwrap();
    }
}
