//! What was found, where, and how it is mended.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use plugin_kit::{Out, clean};
use serde_json::{Value as Json, json};

use crate::configuration::At;
use crate::ui::tone::Tone;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something is not repaired, or repaired when it must not be.
    Error,
    /// It works, but not as well, or not in every case.
    Warning,
    /// Worth knowing.
    Note,
}

impl Level {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Note => "note",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Level::Error => Tone::Bad,
            Level::Warning => Tone::Uneasy,
            Level::Note => Tone::Faint,
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone)]
pub struct Finding {
    /// How bad.
    pub level: Level,
    /// A short word, the same for every occurrence.
    pub code: &'static str,
    /// What is wrong.
    pub text: String,
    /// What to write instead.
    pub fix: String,
}

/// All that was found, by place; what is found at one place for many objects is one finding.
#[derive(Debug, Default)]
pub struct Findings(BTreeMap<(At, &'static str, String), (Finding, Vec<String>)>);

/// So many objects are named in a line.
const NAMED: usize = 2;

impl Findings {
    /// Adds one; `object` is what it is about, or empty.
    pub fn add(&mut self, at: &At, finding: Finding, object: &str) {
        let key = (at.clone(), finding.code, finding.text.clone());
        let objects = match self.0.entry(key) {
            Entry::Occupied(known) => &mut known.into_mut().1,
            Entry::Vacant(free) => &mut free.insert((finding, Vec::new())).1,
        };
        if !object.is_empty() {
            objects.push(clean(object));
        }
    }

    /// How many of a level.
    pub fn count(&self, level: Level) -> usize {
        self.0.values().filter(|(finding, _)| finding.level == level).count()
    }

    /// For people: two lines each on a terminal, one when piped.
    pub fn write(&self, out: &mut Out) {
        for ((at, code, _), (finding, objects)) in &self.0 {
            let level = finding.level.tone().paint(finding.level.as_str(), out);
            let line =
                format!("{at}: {level}: {}{} [{code}]", clean(&finding.text), named(objects));
            let fix = clean(&finding.fix);
            if out.is_terminal() {
                out.line(line);
                out.line(format!("    {fix}"));
            } else {
                out.line(format!("{line}: {fix}"));
            }
        }
    }

    /// For programs.
    pub fn json(&self) -> Vec<Json> {
        let one = |((at, code, _), (finding, objects)): (
            &(At, &str, String),
            &(Finding, Vec<String>),
        )| {
            json!({
                "level": finding.level.as_str(), "code": code, "file": at.file.display().to_string(), "line": at.line,
                "text": finding.text, "objects": objects, "fix": finding.fix,
            })
        };
        self.0.iter().map(one).collect()
    }
}

/// ` (web1/HTTP, web2/HTTP and 8 more)`
fn named(objects: &[String]) -> String {
    let shown = objects.get(..NAMED.min(objects.len())).unwrap_or_default().join(", ");
    match objects.len() {
        0 => String::new(),
        count if count > NAMED => format!(" ({shown} and {} more)", count - NAMED),
        _ => format!(" ({shown})"),
    }
}

/// An error.
pub fn error(code: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { level: Level::Error, code, text: text.into(), fix: fix.into() }
}

/// A warning.
pub fn warning(code: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { level: Level::Warning, code, text: text.into(), fix: fix.into() }
}

/// A note.
pub fn note(code: &'static str, text: impl Into<String>, fix: impl Into<String>) -> Finding {
    Finding { level: Level::Note, code, text: text.into(), fix: fix.into() }
}
