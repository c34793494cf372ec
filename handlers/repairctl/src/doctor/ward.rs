//! Many hosts at the same time, told in their order as they are done, with progress for a person.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use super::finding::Finding;
use super::host::{self, Patient};

/// Examines all of them, `jobs` at a time. Each has its own deadline, so this ends.
pub fn examine(patients: &[Patient], jobs: usize, mut tell: impl FnMut(&Patient, Vec<Finding>)) {
    let next = AtomicUsize::new(0);
    let (send, done) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.min(patients.len()) {
            let (send, next) = (send.clone(), &next);
            scope.spawn(move || {
                while let Some((at, patient)) = take(patients, next) {
                    let _ = send.send((at, host::examine(patient)));
                }
            });
        }
        drop(send);
        let mut waiting = BTreeMap::new();
        let mut told = 0;
        for count in 0..patients.len() {
            progress(count, patients.len());
            let Ok((at, findings)) = done.recv() else { break };
            waiting.insert(at, findings);
            while let (Some(findings), Some(patient)) = (waiting.remove(&told), patients.get(told))
            {
                clear();
                tell(patient, findings);
                told += 1;
            }
        }
        clear();
    });
}

fn take<'a>(patients: &'a [Patient], next: &AtomicUsize) -> Option<(usize, &'a Patient)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    Some((at, patients.get(at)?))
}

fn progress(done: usize, all: usize) {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r{done} of {all} hosts ");
    }
}

fn clear() {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r\x1b[K");
    }
}
