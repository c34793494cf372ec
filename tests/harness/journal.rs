//! A chronological record of what happens in the lab, read from Nagios' log and from the ledger.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ledger::{Ledger, Record};

use crate::monitor::Monitor;

/// An alert from Nagios, or a step of a repair.
#[derive(Debug, Clone, PartialEq)]
pub struct Happening {
    /// For a step, the time recorded in the ledger. For an alert, the time when its line was read.
    pub at: SystemTime,
    /// The kind, for example `SOFT 1`, `HARD 4`, `reserved`, `run`, `ran`, `verified` or `healed`.
    pub what: String,
    /// Details, which the demo prints.
    pub text: String,
}

/// Reads Nagios' log and the ledger, and returns each entry once.
#[derive(Debug)]
pub struct Journal<'a> {
    log: PathBuf,
    monitor: &'a Monitor,
    read: usize,
    told: HashSet<String>,
}

impl<'a> Journal<'a> {
    /// Creates a journal of alerts and repairs. It skips everything that happened before this call.
    pub fn new(log: &Path, monitor: &'a Monitor) -> Journal<'a> {
        let mut journal = Journal { log: log.into(), monitor, read: 0, told: HashSet::new() };
        journal.news();
        journal
    }

    /// Returns the entries since the last call, in chronological order.
    pub fn news(&mut self) -> Vec<Happening> {
        let mut news = self.alerts();
        news.extend(self.repairs());
        news.sort_by_key(|happening| happening.at);
        news
    }

    fn alerts(&mut self) -> Vec<Happening> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let fresh = text.get(self.read..).unwrap_or_default();
        // Nagios may still be writing the last line. If so, leave that line for the next call.
        let whole = fresh.rfind('\n').map_or(0, |end| end + 1);
        self.read += whole;
        fresh.get(..whole).unwrap_or_default().lines().filter_map(alert).collect()
    }

    fn repairs(&mut self) -> Vec<Happening> {
        let mut all = Vec::new();
        let with_steps = |ledger: &mut dyn Ledger, record: Record| {
            let steps = record
                .job
                .parse()
                .map(|job| ledger.steps(&job).unwrap_or_default())
                .unwrap_or_default();
            (record, steps)
        };
        let known = self.monitor.read(|ledger| {
            let records = ledger.records(100).unwrap_or_default();
            records.into_iter().map(|record| with_steps(ledger, record)).collect::<Vec<_>>()
        });
        for (record, steps) in known.unwrap_or_default() {
            let about = |at, what: &str, text: String| Happening { at, what: what.into(), text };
            all.push((
                format!("{} reserved", record.job),
                about(
                    record.reserved,
                    "reserved",
                    format!("{} as job {}", record.repair, record.job),
                ),
            ));
            for (n, step) in steps.into_iter().enumerate() {
                all.push((
                    format!("{} {n}", record.job),
                    about(step.at, step.kind.as_str(), step.text),
                ));
            }
            if let (Some(at), Some(outcome)) = (record.ended, record.outcome) {
                all.push((
                    format!("{} ended", record.job),
                    about(at, outcome.as_str(), record.text),
                ));
            }
        }
        all.retain(|(key, _)| self.told.insert(key.clone()));
        all.into_iter().map(|(_, happening)| happening).collect()
    }
}

/// Parses a line like `[time] SERVICE ALERT: web1;HTTP;CRITICAL;SOFT;1;output`.
fn alert(line: &str) -> Option<Happening> {
    let (_, alert) = line.split_once("SERVICE ALERT: ")?;
    let fields: Vec<&str> = alert.splitn(6, ';').collect();
    let [_, _, state, state_type, attempt, output] = fields.as_slice() else { return None };
    let what = if *state == "OK" { "OK".to_owned() } else { format!("{state_type} {attempt}") };
    Some(Happening { at: SystemTime::now(), what, text: format!("{state}: {output}") })
}
