//! What came of the sweep: one row for each object, as it comes, and the sum.

use std::collections::BTreeMap;

use plugin_kit::{Out, ToolResult, clean};
use serde_json::{Value, json};

use crate::status_snapshot::Key;
use crate::ui::json;
use crate::ui::tone::Tone;

/// What became of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It was repaired.
    Healed,
    /// It was in order again before its turn came.
    Recovered,
    /// Its repair ran and did not help.
    NotHealed,
    /// Nothing could be run.
    CouldNotRun,
    /// Nobody knows.
    Unknown,
    /// Only a dry run.
    WouldOffer,
    /// The decision says no.
    Refused,
    /// Its chance was not lost.
    LeftAlone,
}

impl Fate {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Fate::Healed => "healed",
            Fate::Recovered => "recovered",
            Fate::NotHealed => "not healed",
            Fate::CouldNotRun => "could not run",
            Fate::Unknown => "unknown",
            Fate::WouldOffer => "would offer",
            Fate::Refused => "refused",
            Fate::LeftAlone => "left alone",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Fate::Healed | Fate::Recovered => Tone::Good,
            Fate::NotHealed | Fate::CouldNotRun => Tone::Bad,
            Fate::Unknown | Fate::Refused | Fate::WouldOffer => Tone::Uneasy,
            Fate::LeftAlone => Tone::Faint,
        }
    }
}

/// One object and what became of it.
pub struct Row {
    /// The object.
    pub key: Key,
    /// What became of it.
    pub fate: Fate,
    /// A short word for the reason, where there is one.
    pub code: Option<&'static str>,
    /// For people.
    pub text: String,
    /// Why its chance was lost.
    pub lost: Option<String>,
    /// The job that was started.
    pub job: Option<String>,
}

/// Why it ended.
pub enum End {
    /// Everything was offered once.
    Done,
    /// A limit that only time lifts holds for all, or Nagios' files are no ground any more.
    Held(String),
    /// Somebody ended it.
    Interrupted,
}

/// Tells rows as they come, and the sum at the end.
pub struct Telling<'a> {
    out: &'a mut Out,
    json: bool,
    width: usize,
    rows: Vec<Row>,
}

/// The widest column of objects.
const WIDEST: usize = 40;

impl<'a> Telling<'a> {
    /// Begins to tell about these objects.
    pub fn new<'k>(
        out: &'a mut Out,
        json: bool,
        keys: impl Iterator<Item = &'k Key>,
    ) -> Telling<'a> {
        let width = keys.map(|key| object(key).chars().count()).max().unwrap_or(0).min(WIDEST);
        Telling { out, json, width, rows: Vec::new() }
    }

    /// One more row.
    pub fn row(&mut self, row: Row) {
        if !self.json {
            let (object, word, text) = (object(&row.key), row.fate.word(), clean(&row.text));
            let line = if self.out.is_terminal() {
                let padded = row.fate.tone().paint(&format!("{word:<13}"), self.out);
                format!("{object:<width$}  {padded}  {text}", width = self.width)
            } else {
                format!("{object}\t{word}\t{text}")
            };
            self.out.line(line);
            self.out.flush();
        }
        self.rows.push(row);
    }

    /// The sum. `waiting` objects were not offered, `running` jobs go on.
    pub fn end(self, end: &End, waiting: usize, running: &[String]) -> ToolResult {
        let mut sums: BTreeMap<Fate, usize> = BTreeMap::new();
        self.rows.iter().for_each(|row| *sums.entry(row.fate).or_default() += 1);
        if self.json {
            self.out.line(json::text(self.json(end, waiting, running)));
        } else {
            let parts: Vec<String> =
                sums.iter().map(|(fate, count)| format!("{count} {}", fate.word())).collect();
            let sum = match (end, parts.is_empty()) {
                (End::Done, true) => "nothing with a repair is HARD broken".to_owned(),
                (_, true) => "nothing".to_owned(),
                (_, false) => parts.join(", "),
            };
            let rest = if waiting > 0 { format!("; {waiting} not offered") } else { String::new() };
            match end {
                End::Done => self.out.line(format!("Swept: {sum}.")),
                End::Held(why) => {
                    let stop = if why.ends_with('?') { "" } else { "." };
                    self.out.line(format!("Stopped: {}{stop} So far: {sum}{rest}.", clean(why)));
                }
                End::Interrupted => self.out.line(format!("Interrupted. So far: {sum}{rest}.")),
            }
            for job in running {
                self.out.line(format!("Job {job} goes on to its end."));
            }
        }
        let fine = |fate: &Fate| matches!(fate, Fate::Healed | Fate::Recovered | Fate::LeftAlone);
        match end {
            End::Done if sums.keys().all(fine) => ToolResult::Fine,
            End::Done => ToolResult::Wrong,
            End::Held(_) | End::Interrupted => ToolResult::Failed,
        }
    }

    fn json(&self, end: &End, waiting: usize, running: &[String]) -> Value {
        let rows = self.rows.iter().map(|row| {
            let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            json!({
                "host": name(&row.key.0), "service": row.key.1.as_deref().map(name), "fate": row.fate.word(), "code": row.code,
                "text": row.text, "lost": row.lost, "job": row.job,
            })
        });
        let (ended, why) = match end {
            End::Done => ("done", None),
            End::Held(why) => ("held", Some(why)),
            End::Interrupted => ("interrupted", None),
        };
        json!({
            "ended": ended, "why": why, "objects": rows.collect::<Vec<_>>(), "not_offered": waiting, "still_running": running,
        })
    }
}

/// `host/service` for people.
fn object(key: &Key) -> String {
    let name = |bytes: &[u8]| clean(&String::from_utf8_lossy(bytes));
    match &key.1 {
        Some(service) => format!("{}/{}", name(&key.0), name(service)),
        None => name(&key.0),
    }
}
