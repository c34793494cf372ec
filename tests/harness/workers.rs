//! Calls the handler many times at once, watches the workers in /proc, and kills some of them.

use std::collections::VecDeque;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Number of threads that start commands at the same time.
const CALLERS: usize = 4;

/// Runs a command for each number in `calls`. Starts each command without waiting for the previous
/// one to end. Returns the output and the approximate run time of each command.
pub fn run_at_once(
    calls: Range<usize>,
    command: impl Fn(usize) -> Command + Sync,
) -> Vec<(Output, Duration)> {
    thread::scope(|scope| {
        let numbers = |caller| calls.clone().skip(caller).step_by(CALLERS);
        let command = &command;
        let start = |caller| scope.spawn(move || run_all(numbers(caller).map(command)));
        let callers: Vec<_> = (0..CALLERS).map(start).collect();
        callers.into_iter().flat_map(|caller| caller.join().expect("no panic")).collect()
    })
}

/// Starts all commands. Between two starts, checks whether the oldest commands have ended.
fn run_all(commands: impl Iterator<Item = Command>) -> Vec<(Output, Duration)> {
    let (mut running, mut ended) = (VecDeque::<(Instant, Child)>::new(), Vec::new());
    let end = |(begun, child): (Instant, Child)| {
        let output = child.wait_with_output().expect("the output of the command");
        (output, begun.elapsed())
    };
    for mut command in commands {
        running.push_back((Instant::now(), command.spawn().expect("the command starts")));
        let has_ended = |child: &mut Child| child.try_wait().expect("its status").is_some();
        while running.front_mut().is_some_and(|(_, child)| has_ended(child)) {
            ended.extend(running.pop_front().map(end));
        }
    }
    ended.extend(running.into_iter().map(end));
    ended
}

/// The highest values that a [`Watcher`] has seen.
#[derive(Debug, Default)]
pub struct Highest {
    /// Number of workers at the same time. Supervisors of rungs do not count.
    pub workers: usize,
    /// Number of workers and supervisors at the same time.
    pub processes: usize,
    /// Memory of all workers and supervisors in KiB, without counting shared pages twice (Pss in
    /// proc(5)).
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
    /// Watches while `work` runs, and kills up to `kills` workers.
    pub fn watch<T>(place: &Path, kills: usize, work: impl FnOnce() -> T) -> (T, Highest) {
        let watcher = Watcher::new(place);
        thread::scope(|scope| {
            let watch = scope.spawn(|| watcher.run(kills));
            let done = work();
            watcher.stop();
            (done, watch.join().expect("the watcher ends"))
        })
    }

    /// Watches the workers that run from a directory below `place`.
    fn new(place: &Path) -> Watcher {
        Watcher { place: place.to_owned(), is_over: AtomicBool::new(false) }
    }

    fn stop(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Checks the workers about 50 times a second. At every fifth check, kills one of them, up to
    /// `kills` in total.
    fn run(&self, kills: usize) -> Highest {
        let mut highest = Highest::default();
        for look in 1.. {
            if self.is_over.load(Ordering::Relaxed) {
                break;
            }
            let (workers, processes, memory) = self.look();
            highest.workers = highest.workers.max(workers.len());
            highest.processes = highest.processes.max(processes);
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

    /// Returns the workers, and the number and the memory in KiB of workers and supervisors.
    fn look(&self) -> (Vec<Pid>, usize, u64) {
        let (mut workers, mut processes, mut memory) = (Vec::new(), 0, 0);
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
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
            processes += 1;
            memory += pss(&entry.path());
        }
        (workers, processes, memory)
    }
}

/// Returns the proportional set size of a process in KiB, or 0 if the process has exited.
fn pss(process: &Path) -> u64 {
    let text = fs::read_to_string(process.join("smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}
