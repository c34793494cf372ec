//! What a check found, and how it is shown.

use std::borrow::Cow;

use plugin_kit::{Out, clean, wrapped};
use rustix::termios::tcgetwinsize;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::fix::{Fix, FixContext};
use crate::table::Tone;

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Worth a look; repairs work.
    Note,
    /// Repairs fail.
    Wrong,
}

/// One check's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub check: Cow<'static, str>,
    /// What came of it.
    pub verdict: Verdict,
    /// What was found.
    pub text: String,
    /// How to fix it.
    pub fix: Option<Fix>,
}

impl Finding {
    /// It is as it should be.
    pub fn ok(check: &'static str, text: impl Into<String>) -> Finding {
        Finding { check: check.into(), verdict: Verdict::Ok, text: text.into(), fix: None }
    }

    /// Repairs will fail.
    pub fn wrong(check: &'static str, text: impl Into<String>, fix: impl Into<Fix>) -> Finding {
        Finding {
            check: check.into(),
            verdict: Verdict::Wrong,
            text: text.into(),
            fix: Some(fix.into()),
        }
    }

    /// Repairs work, but.
    pub fn note(check: &'static str, text: impl Into<String>, fix: impl Into<Fix>) -> Finding {
        Finding { verdict: Verdict::Note, ..Finding::wrong(check, text, fix) }
    }

    /// `ok`, or `bad` when there is a reason for it.
    pub fn of(check: &'static str, ok: String, wrong: Vec<String>, fix: impl Into<Fix>) -> Finding {
        if wrong.is_empty() {
            Finding::ok(check, ok)
        } else {
            Finding::wrong(check, wrong.join("; "), fix)
        }
    }

    /// For people: what was found, and below it the fix.
    pub fn lines(&self, about: Option<&str>, context: &FixContext<'_>, out: &Out) -> Vec<String> {
        let (word, tone) = match self.verdict {
            Verdict::Ok => ("ok   ", Tone::Good),
            Verdict::Note => ("note ", Tone::Uneasy),
            Verdict::Wrong => ("WRONG", Tone::Bad),
        };
        let text = if out.is_terminal() {
            wrapped(&shown(&self.text), columns(), MARGIN)
        } else {
            shown(&self.text)
        };
        let found = format!("  {} {:<13} {text}", tone.paint(word, out), clean(&self.check));
        let fix = self.fix.as_ref().map(|fix| format!("        fix: {}", fix.text(about, context)));
        std::iter::once(found).chain(fix).collect()
    }

    /// For programs; `about` is a host, or null for this server.
    pub fn json(&self, about: Option<&str>, context: &FixContext<'_>) -> Value {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Wrong => "wrong",
        };
        let fix = self.fix.as_ref().map(|fix| fix.text(about, context));
        json!({"host": about, "check": self.check, "verdict": verdict, "text": self.text, "fix": fix})
    }
}

/// The columns in front of the text: verdict and check.
const MARGIN: usize = 22;

fn columns() -> usize {
    let columns = tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    if columns > 0 { columns } else { 80 }
}

/// A text that others may have written, on one line. It cannot pass for a fix.
pub fn shown(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    clean(&words.join(" ")).replace("fix:", "fix ")
}
