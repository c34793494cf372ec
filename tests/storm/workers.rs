//! Watches the workers of a lab in /proc, and kills some of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// The highest values that a [`Watcher`] has seen.
#[derive(Debug, Default)]
pub struct Highest {
    /// Number of workers at the same time. Supervisors of rungs do not count.
    pub workers: usize,
    /// Memory of all workers and supervisors (Pss) in KiB.
    pub memory: u64,
    /// Number of workers that were killed.
    pub kills: usize,
}

/// Watches the processes of a lab until it is stopped.
pub struct Watcher {
    place: PathBuf,
    is_over: AtomicBool,
}

impl Watcher {
    /// Watches the workers that run from a directory below `place`.
    pub fn new(place: &Path) -> Watcher {
        Watcher { place: place.to_owned(), is_over: AtomicBool::new(false) }
    }

    pub fn stop(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Checks the workers about 50 times a second. At every fifth check, kills one of them, up to
    /// `kills` in total.
    pub fn run(&self, kills: usize) -> Highest {
        let mut highest = Highest::default();
        for look in 1.. {
            if self.is_over.load(Ordering::Relaxed) {
                break;
            }
            let (workers, memory) = self.look();
            highest.workers = highest.workers.max(workers.len());
            highest.memory = highest.memory.max(memory);
            if look % 5 == 0
                && highest.kills < kills
                && let Some(pid) = workers.get(look % workers.len().max(1))
                && kill_process(*pid, Signal::KILL).is_ok()
            {
                highest.kills += 1;
            }
            thread::sleep(Duration::from_millis(20));
        }
        highest
    }

    /// Returns the workers, and the memory of the workers and supervisors in KiB.
    fn look(&self) -> (Vec<Pid>, u64) {
        let (mut workers, mut memory) = (Vec::new(), 0);
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            let mut words = line.split('\0');
            let program = Path::new(words.next().unwrap_or_default());
            let is_supervisor = words.next() == Some("--supervise");
            if !program.ends_with("repair_worker") {
                continue;
            }
            if !is_supervisor && program.starts_with(&self.place) {
                workers.extend(Pid::from_raw(pid));
            }
            memory += pss(&entry.path());
        }
        (workers, memory)
    }
}

/// Returns the proportional set size of a process in KiB, or 0 if the process has exited.
fn pss(process: &Path) -> u64 {
    let text = fs::read_to_string(process.join("smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
