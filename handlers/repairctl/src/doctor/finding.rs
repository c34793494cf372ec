//! What a check found, and how it is shown.

use plugin_kit::{Out, clean};
use serde_json::{Value, json};

use crate::table::Tone;

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Worth a look; repairs work.
    Note,
    /// Repairs fail.
    Wrong,
}

/// One check's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at, in a word or two.
    pub check: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// What was found.
    pub text: String,
    /// How to mend it.
    pub mend: Option<String>,
}

impl Finding {
    /// It is as it should be.
    pub fn ok(check: &'static str, text: impl Into<String>) -> Finding {
        Finding { check, verdict: Verdict::Ok, text: text.into(), mend: None }
    }

    /// Repairs will fail.
    pub fn wrong(check: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding { check, verdict: Verdict::Wrong, text: text.into(), mend: Some(mend.into()) }
    }

    /// Repairs work, but.
    pub fn note(check: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Note, ..Finding::wrong(check, text, mend) }
    }

    /// `ok`, or `bad` when there is a reason for it.
    pub fn of(check: &'static str, ok: String, wrong: Vec<String>, mend: &str) -> Finding {
        if wrong.is_empty() { Finding::ok(check, ok) } else { Finding::wrong(check, wrong.join("; "), mend) }
    }

    /// One line: the word, the check, the text, the mending.
    pub fn line(&self, out: &Out) -> String {
        let (word, tone) = match self.verdict {
            Verdict::Ok => ("ok   ", Tone::Good),
            Verdict::Note => ("note ", Tone::Uneasy),
            Verdict::Wrong => ("WRONG", Tone::Bad),
        };
        let mend = self.mend.as_ref().map(|mend| format!(" -- mend: {}", clean(mend))).unwrap_or_default();
        format!("  {} {:<13} {}{mend}", tone.paint(word, out), self.check, clean(&self.text))
    }

    /// For programs; `about` is a host, or null for this server.
    pub fn json(&self, about: Option<&str>) -> Value {
        let verdict = match self.verdict {
            Verdict::Ok => "ok",
            Verdict::Note => "note",
            Verdict::Wrong => "wrong",
        };
        json!({"host": about, "check": self.check, "verdict": verdict, "text": self.text, "mend": self.mend})
    }
}
