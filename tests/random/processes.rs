//! Finds the processes that belong to a lab, and their roles in a repair.

use std::path::Path;
use std::{fmt, fs};

use rustix::process::{Pid, Signal, kill_process};

/// What a process does in a repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Worker,
    Supervisor,
    Gate,
    /// `repair_gate within`, which stops the gate's command at its timeout.
    Timer,
}

impl Role {
    pub const ALL: [Role; 4] = [Role::Worker, Role::Supervisor, Role::Gate, Role::Timer];

    pub fn name(self) -> &'static str {
        match self {
            Role::Worker => "worker",
            Role::Supervisor => "supervisor",
            Role::Gate => "gate",
            Role::Timer => "timer of a gate",
        }
    }

    fn of(words: &[String]) -> Option<Role> {
        let first = words.first()?.rsplit('/').next()?;
        let second = words.get(1).map_or("", String::as_str);
        match (first, second) {
            ("repair_worker", "--supervise") => Some(Role::Supervisor),
            ("repair_worker", _) => Some(Role::Worker),
            ("repair_gate", "within") => Some(Role::Timer),
            ("repair_gate", _) => Some(Role::Gate),
            _ => None,
        }
    }
}

/// A process that takes part in a repair.
pub struct Process {
    pub role: Role,
    pid: Pid,
    words: Vec<String>,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid.as_raw_nonzero(), self.words.join(" "))
    }
}

impl Process {
    /// Kills the process. Returns `false` if it had already exited.
    pub fn kill(&self) -> bool {
        kill_process(self.pid, Signal::KILL).is_ok()
    }
}

/// Returns the processes that have a role and whose command line contains a path below `place`.
pub fn find(place: &Path) -> Vec<Process> {
    let place = place.to_str().unwrap();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| {
            let pid = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            let words: Vec<String> = line
                .split(|byte| *byte == 0)
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect();
            let is_ours = words.iter().any(|word| word.contains(place));
            let role = Role::of(&words).filter(|_| is_ours)?;
            Some(Process { role, pid, words })
        })
        .collect()
}
