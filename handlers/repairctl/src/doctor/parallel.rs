//! Checks several hosts at the same time, reports the results in order, and shows the progress.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::finding::DoctorFinding;
use super::host::{self, Target};

/// Checks all `targets`, up to `jobs` of them at a time, and calls `report` for each of them in the
/// order of `targets`. Each host has a deadline, so this function returns even if some hosts do not
/// answer.
pub fn examine(
    targets: &[Target],
    jobs: usize,
    mut report: impl FnMut(&Target, Vec<DoctorFinding>),
) {
    let next = AtomicUsize::new(0);
    let (send, done) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.min(targets.len()) {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                while let Some((at, target)) = take(targets, next) {
                    let _ = send.send((at, host::examine(target)));
                }
            });
        }
        drop(send);
        let mut waiting = BTreeMap::new();
        let mut reported = 0;
        for count in 0..targets.len() {
            progress(count, targets.len());
            let Ok((at, findings)) = done.recv() else { break };
            waiting.insert(at, findings);
            while let (Some(findings), Some(target)) =
                (waiting.remove(&reported), targets.get(reported))
            {
                clear();
                report(target, findings);
                reported += 1;
            }
        }
        clear();
    });
}

fn take<'a>(targets: &'a [Target], next: &AtomicUsize) -> Option<(usize, &'a Target)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((at, targets.get(at)?))
}

fn progress(done: usize, all: usize) {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r{done} of {all} hosts checked ");
    }
}

fn clear() {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r\x1b[K");
    }
}
