//! Prints the outcome of each object as soon as it is known, and a summary at the end.

use std::collections::BTreeMap;

use engine::status_snapshot::ObjectKey;
use ledger::RepairOutcome;
use plugin_kit::{Out, ToolResult, clean};
use policy::{RepairName, object_name, spell};
use serde_json::{Value, json};

use super::candidate::Candidate;
use crate::ui::json;
use crate::ui::tone::Tone;

/// What a sweep did about one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SweepOutcome {
    /// The repair ran and its check is OK.
    Healed,
    /// The object recovered before the sweep reached it.
    Recovered,
    /// The repair ran without success.
    NotHealed,
    /// The repair could not be run.
    CouldNotRun,
    /// It is unknown whether the repair ran, or whether it helped.
    Unknown,
    /// Without `--dry-run`, the sweep would start a worker for the object.
    WouldOffer,
    /// The decision was against a repair, for example because of a limit.
    Refused,
    /// The object has not missed a repair, or it is too early to try again.
    LeftAlone,
}

impl From<RepairOutcome> for SweepOutcome {
    fn from(outcome: RepairOutcome) -> SweepOutcome {
        match outcome {
            RepairOutcome::Healed => SweepOutcome::Healed,
            RepairOutcome::NotHealed => SweepOutcome::NotHealed,
            RepairOutcome::CouldNotRun => SweepOutcome::CouldNotRun,
            RepairOutcome::Unknown => SweepOutcome::Unknown,
        }
    }
}

impl SweepOutcome {
    /// Returns the word that stands for the outcome in the output and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            SweepOutcome::Healed => "healed",
            SweepOutcome::Recovered => "recovered",
            SweepOutcome::NotHealed => "not healed",
            SweepOutcome::CouldNotRun => "could not run",
            SweepOutcome::Unknown => "unknown",
            SweepOutcome::WouldOffer => "would offer",
            SweepOutcome::Refused => "refused",
            SweepOutcome::LeftAlone => "left alone",
        }
    }

    fn tone(self) -> Tone {
        match self {
            SweepOutcome::Healed | SweepOutcome::Recovered => Tone::Good,
            SweepOutcome::NotHealed | SweepOutcome::CouldNotRun => Tone::Bad,
            SweepOutcome::Unknown | SweepOutcome::Refused | SweepOutcome::WouldOffer => {
                Tone::Uneasy
            }
            SweepOutcome::LeftAlone => Tone::Faint,
        }
    }
}

/// One row of the output: an object and its outcome.
pub struct SweepRow {
    pub key: ObjectKey,
    pub outcome: SweepOutcome,
    /// Reason code for JSON, or `None` if the outcome needs no reason.
    pub code: Option<&'static str>,
    /// A sentence that explains the outcome.
    pub text: String,
    /// Why the object missed its repair.
    pub missed: Option<String>,
    /// ID of the job that the sweep started.
    pub job: Option<String>,
}

impl SweepRow {
    /// Returns the row for an object for which no worker was started. Returns `None` if the rules
    /// do not cover the object's state.
    pub fn of(key: ObjectKey, candidate: Candidate) -> Option<SweepRow> {
        let (outcome, code, text, missed) = match candidate {
            Candidate::NotCovered => return None,
            Candidate::Ineligible(why) => {
                (SweepOutcome::LeftAlone, Some(why.code()), why.to_string(), None)
            }
            Candidate::Unfit(why) => (SweepOutcome::Refused, Some("unfit"), why, None),
            Candidate::Refused(missed, why, _) => {
                (SweepOutcome::Refused, Some(why.code().as_str()), why.to_string(), Some(missed))
            }
            Candidate::Offered(missed, worker) => {
                let repair = worker.call.event.repair;
                let repair = repair.as_ref().map_or("", RepairName::as_str);
                (SweepOutcome::WouldOffer, None, format!("{repair}: {missed}"), Some(missed))
            }
        };
        let missed = missed.map(|missed| missed.to_string());
        Some(SweepRow { key, outcome, code, text, missed, job: None })
    }
}

/// Why the sweep ended.
pub enum SweepEnd {
    /// The sweep tried every object that missed its repair.
    Done,
    /// A limit that applies to every object was reached, or Nagios' files became unusable. The
    /// string is the reason.
    Held(String),
    /// A signal ended the sweep.
    Interrupted,
}

/// Prints the output of a sweep, and keeps the rows for the summary.
pub struct SweepReport<'a> {
    out: &'a mut Out,
    json: bool,
    width: usize,
    rows: Vec<SweepRow>,
}

/// Maximum width, in characters, of the first column, which lists the objects.
const WIDEST: usize = 40;

impl<'a> SweepReport<'a> {
    /// Starts a report. `keys` are all objects that can appear in the report. The longest of their
    /// names determines the width of the first column.
    pub fn new<'k>(
        out: &'a mut Out,
        json: bool,
        keys: impl Iterator<Item = &'k ObjectKey>,
    ) -> SweepReport<'a> {
        let width = keys.map(|key| object(key).chars().count()).max().unwrap_or(0).min(WIDEST);
        SweepReport { out, json, width, rows: Vec::new() }
    }

    /// Prints one row. With `--json`, only stores it for [`SweepReport::end`].
    pub fn row(&mut self, row: SweepRow) {
        if !self.json {
            let (object, word, text) = (object(&row.key), row.outcome.word(), clean(&row.text));
            let line = if self.out.is_terminal() {
                let padded = row.outcome.tone().paint(&format!("{word:<13}"), self.out);
                format!("{object:<width$}  {padded}  {text}", width = self.width)
            } else {
                format!("{object}\t{word}\t{text}")
            };
            self.out.line(line);
            self.out.flush();
        }
        self.rows.push(row);
    }

    /// Prints the summary. `waiting` is the number of objects that the sweep did not try, and
    /// `running` are the IDs of jobs that have not finished.
    pub fn end(self, end: &SweepEnd, waiting: usize, running: &[String]) -> ToolResult {
        let mut sums: BTreeMap<SweepOutcome, usize> = BTreeMap::new();
        self.rows.iter().for_each(|row| *sums.entry(row.outcome).or_default() += 1);
        if self.json {
            json::print(self.json(end, waiting, running), self.out);
        } else {
            let parts: Vec<String> =
                sums.iter().map(|(outcome, count)| format!("{count} {}", outcome.word())).collect();
            let sum = match (end, parts.is_empty()) {
                (SweepEnd::Done, true) => "no object with a repair has a HARD problem".to_owned(),
                (_, true) => "nothing".to_owned(),
                (_, false) => parts.join(", "),
            };
            let rest = if waiting > 0 { format!("; {waiting} not tried") } else { String::new() };
            self.out.line(match end {
                SweepEnd::Done => format!("Swept: {sum}."),
                SweepEnd::Held(why) => {
                    let stop = if why.ends_with('?') { "" } else { "." };
                    format!("Stopped: {why}{stop} So far: {sum}{rest}.", why = clean(why))
                }
                SweepEnd::Interrupted => format!("Interrupted. So far: {sum}{rest}."),
            });
            for job in running {
                self.out.line(format!("Job {job} is still running and will finish."));
            }
        }
        use SweepOutcome::{Healed, LeftAlone, Recovered};
        let fine = |outcome: &SweepOutcome| matches!(outcome, Healed | Recovered | LeftAlone);
        match end {
            SweepEnd::Done if sums.keys().all(fine) => ToolResult::Fine,
            // An interrupted sweep must not make systemd mark the unit as failed, because the next
            // sweep handles the remaining objects.
            SweepEnd::Done | SweepEnd::Interrupted => ToolResult::Wrong,
            SweepEnd::Held(_) => ToolResult::Failed,
        }
    }

    fn json(&self, end: &SweepEnd, waiting: usize, running: &[String]) -> Value {
        let rows = self.rows.iter().map(|row| {
            json!({
                "host": spell(&row.key.0), "service": row.key.1.as_deref().map(spell),
                "outcome": row.outcome.word(), "code": row.code, "text": row.text,
                "missed": row.missed,
                "job": row.job,
            })
        });
        let (ended, why) = match end {
            SweepEnd::Done => ("done", None),
            SweepEnd::Held(why) => ("held", Some(why)),
            SweepEnd::Interrupted => ("interrupted", None),
        };
        json!({
            "ended": ended, "why": why, "objects": rows.collect::<Vec<_>>(), "not_offered": waiting,
            "still_running": running,
        })
    }
}

/// Formats an object as `host/service` or `host`, safe to print on a terminal.
fn object(key: &ObjectKey) -> String {
    let service = key.1.as_ref().map(|service| spell(service));
    clean(&object_name(&spell(&key.0), service.as_deref()))
}
