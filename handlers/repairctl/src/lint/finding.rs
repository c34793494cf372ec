//! What lint has found: what is wrong, in which file and line, and how to fix it.

use std::collections::BTreeMap;

use engine::configuration::Location;
use plugin_kit::{Out, clean};
use serde_json::{Value as Json, json};

use crate::ui::tone::Tone;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LintLevel {
    /// A mistake that leaves a fault without its repair, or lets a repair run when it must not.
    Error,
    /// A mistake that makes repairs fail in some cases or gives them side effects.
    Warning,
    /// Something that an admin should know about. Repairs still work.
    Note,
}

impl LintLevel {
    /// Returns the level's name in the output and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            LintLevel::Error => "error",
            LintLevel::Warning => "warning",
            LintLevel::Note => "note",
        }
    }

    fn tone(self) -> Tone {
        match self {
            LintLevel::Error => Tone::Bad,
            LintLevel::Warning => Tone::Uneasy,
            LintLevel::Note => Tone::Faint,
        }
    }
}

/// What lint has checked.
#[derive(Debug, Default)]
pub struct LintCounts {
    /// Number of services with a `_REPAIR`. A service on several hosts counts once for each host.
    pub services: usize,
    /// Number of hosts with a `_REPAIR`.
    pub hosts: usize,
    /// Number of command definitions that call handle_repair. With Icinga 2, number of objects with
    /// the event command of nagios-selfheal.
    pub commands: usize,
}

/// One problem in the configuration, without its location.
#[derive(Debug, Clone)]
pub struct LintFinding {
    pub level: LintLevel,
    /// Identifier of the kind of problem, for example `unquoted-macro`. Scripts can filter by it.
    pub code: &'static str,
    /// What is wrong, and what effect it has.
    pub text: String,
    /// What to write instead, or what else to do.
    pub fix: String,
}

/// All findings, sorted by location. A finding that several objects share at one location is stored
/// once, with the names of these objects.
#[derive(Debug, Default)]
pub struct Findings(BTreeMap<(Location, &'static str, String), (LintFinding, Vec<String>)>);

/// Maximum number of objects that the text output names for each finding.
const NAMED: usize = 2;

impl Findings {
    /// Adds a finding. `object` is the affected host or service, or empty if the finding affects no
    /// object in particular.
    pub fn add(&mut self, at: &Location, finding: LintFinding, object: &str) {
        let key = (at.clone(), finding.code, finding.text.clone());
        let (_, objects) = self.0.entry(key).or_insert_with(|| (finding, Vec::new()));
        if !object.is_empty() {
            objects.push(clean(object));
        }
    }

    /// Returns the number of findings with this severity.
    pub fn count(&self, level: LintLevel) -> usize {
        self.0.values().filter(|(finding, _)| finding.level == level).count()
    }

    /// Prints each finding on two lines on a terminal, and on one line otherwise.
    pub fn write(&self, out: &mut Out) {
        for ((at, code, _), (finding, objects)) in &self.0 {
            let level = finding.level.tone().paint(finding.level.as_str(), out);
            let (text, fix) = (clean(&finding.text), clean(&finding.fix));
            let between = if out.is_terminal() { "\n    " } else { ": " };
            out.line(format!(
                "{at}: {level}: {text}{objects} [{code}]{between}{fix}",
                objects = named(objects)
            ));
        }
    }

    /// Returns the findings as JSON objects.
    pub fn json(&self) -> Vec<Json> {
        let all = self.0.iter().map(|((at, code, _), (finding, objects))| {
            json!({
                "level": finding.level.as_str(), "code": code,
                "file": at.file.display().to_string(), "line": at.line, "text": finding.text,
                "objects": objects, "fix": finding.fix,
            })
        });
        all.collect()
    }
}

/// Formats the names of objects, for example ` (web1/HTTP, web2/HTTP and 8 more)`.
fn named(objects: &[String]) -> String {
    let shown = objects.get(..NAMED.min(objects.len())).unwrap_or_default().join(", ");
    match objects.len() {
        0 => String::new(),
        count if count > NAMED => format!(" ({shown} and {more} more)", more = count - NAMED),
        _ => format!(" ({shown})"),
    }
}

pub fn error(code: &'static str, text: impl Into<String>, fix: impl Into<String>) -> LintFinding {
    LintFinding { level: LintLevel::Error, code, text: text.into(), fix: fix.into() }
}

pub fn warning(code: &'static str, text: impl Into<String>, fix: impl Into<String>) -> LintFinding {
    LintFinding { level: LintLevel::Warning, code, text: text.into(), fix: fix.into() }
}

pub fn note(code: &'static str, text: impl Into<String>, fix: impl Into<String>) -> LintFinding {
    LintFinding { level: LintLevel::Note, code, text: text.into(), fix: fix.into() }
}
