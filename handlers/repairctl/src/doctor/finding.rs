//! Results of doctor's checks, and how they are printed.

use std::borrow::Cow;

use plugin_kit::{Out, clean, wrapped};
use rustix::termios::tcgetwinsize;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::advice::FixContext;
use super::fix::Fix;
use crate::ui::tone::Tone;

/// The verdict of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DoctorVerdict {
    /// The check found no problem.
    Ok,
    /// The check found something that an admin should look at. Repairs still work.
    Note,
    /// The check found a problem that makes repairs fail.
    Wrong,
}

/// The result of one check, without the host that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoctorFinding {
    /// The name of the check, one or two words.
    pub check: Cow<'static, str>,
    /// Whether there is a problem, and how serious it is.
    pub verdict: DoctorVerdict,
    /// What the check found, as a sentence without a full stop.
    pub text: String,
    /// How to fix the problem, or `None` if there is no problem.
    pub fix: Option<Fix>,
}

/// Some error messages end with this hint to run doctor. A finding must not contain it,
/// because the reader is already running doctor.
const SEE_DOCTOR: &str = concat!("; ", policy::see_doctor!());

/// Returns the result of a check that found no problem.
pub fn ok(check: &'static str, text: impl Into<String>) -> DoctorFinding {
    let text: String = text.into();
    let (check, text) = (check.into(), text.replace(SEE_DOCTOR, ""));
    DoctorFinding { check, verdict: DoctorVerdict::Ok, text, fix: None }
}

/// Returns the result of a check that failed. Repairs fail until the problem is fixed.
pub fn wrong(check: &'static str, text: impl Into<String>, fix: impl Into<Fix>) -> DoctorFinding {
    let fix = Some(fix.into());
    DoctorFinding { verdict: DoctorVerdict::Wrong, fix, ..ok(check, text) }
}

/// Returns the result of a check that found something an admin should look at. Repairs still work.
pub fn note(check: &'static str, text: impl Into<String>, fix: impl Into<Fix>) -> DoctorFinding {
    DoctorFinding { verdict: DoctorVerdict::Note, ..wrong(check, text, fix) }
}

/// Returns an [`ok`] finding with `text` if `reasons` is empty, and otherwise a [`wrong`] finding
/// with the reasons.
pub fn ok_unless(
    check: &'static str,
    text: String,
    reasons: Vec<String>,
    fix: impl Into<Fix>,
) -> DoctorFinding {
    if reasons.is_empty() { ok(check, text) } else { wrong(check, reasons.join("; "), fix) }
}

/// Returns an error's text without the words "nothing was run" and without its command. Doctor
/// never requests a repair, so the words would be misleading, and the fix already contains the
/// command on a line that is not wrapped.
pub fn cause(error: &transport::Error) -> String {
    let text = error.to_string();
    let what = text.split_once("as root here: `").and_then(|(before, _)| before.rsplit_once(": "));
    let text = what.map_or(text.as_str(), |(what, _)| what);
    text.trim_end_matches("nothing was run").trim_end_matches(['?', ':', ';', ' ']).to_owned()
}

impl DoctorFinding {
    /// Returns the finding as text, followed by a line with the fix. `about` is the host of the
    /// finding, or `None` for this server.
    pub fn lines(&self, about: Option<&str>, context: &FixContext<'_>, out: &Out) -> Vec<String> {
        let (word, tone) = match self.verdict {
            DoctorVerdict::Ok => ("ok   ", Tone::Good),
            DoctorVerdict::Note => ("note ", Tone::Uneasy),
            DoctorVerdict::Wrong => ("WRONG", Tone::Bad),
        };
        let line = one_line(&self.text);
        let text = if out.is_terminal() { wrapped(&line, columns(), MARGIN) } else { line };
        let found = format!("  {} {:<13} {text}", tone.paint(word, out), clean(&self.check));
        let fix = self.fix.as_ref().map(|fix| format!("        fix: {}", fix.text(about, context)));
        std::iter::once(found).chain(fix).collect()
    }

    /// Returns the finding as JSON. `about` is the host of the finding, or `None` for this server.
    pub fn json(&self, about: Option<&str>, context: &FixContext<'_>) -> Value {
        let DoctorFinding { check, verdict, text, fix } = self;
        let fix = fix.as_ref().map(|fix| fix.text(about, context));
        json!({"host": about, "check": check, "verdict": verdict, "text": text, "fix": fix})
    }
}

/// Total width of the columns to the left of the text, which show the verdict and the check.
const MARGIN: usize = 22;

fn columns() -> usize {
    let columns = tcgetwinsize(std::io::stdout()).map_or(0, |size| usize::from(size.ws_col));
    if columns > 0 { columns } else { 80 }
}

/// Returns untrusted text on one line. Changes any "fix:" in it, which a reader could mistake for a
/// fix from doctor.
pub fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    clean(&words.join(" ")).replace("fix:", "fix ")
}
