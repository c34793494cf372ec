//! `repairctl show`: prints everything that is on record about one repair.

pub mod args;

use std::time::{Duration, SystemTime};

use ledger::{Record, Step, StepKind};
use plugin_kit::{Out, Problem, ToolResult, clean};
use serde_json::{Value, json};

use crate::context::Context;
use crate::history::{outcome, repair_json};
use crate::object::Object;
use crate::split::{CommandResult, Split};
use crate::ui::json::{self, merged};
use crate::ui::table::{Cell, Table};
use crate::ui::time;
use crate::ui::tone::Tone;
use args::ShowArgs;

/// Why the argument does not identify one job.
#[derive(Debug, thiserror::Error)]
enum JobMatchError {
    /// No recorded job ID starts with the argument.
    #[error("no job ID starts with '{id}'; 'repairctl history' lists the \
             IDs", id = .0.escape_debug())]
    Unknown(String),
    /// Several recorded job IDs start with the argument.
    #[error("several job IDs start with '{prefix}': {jobs}; give more characters of the ID")]
    Ambiguous { prefix: String, jobs: String },
}

impl From<JobMatchError> for Problem {
    fn from(error: JobMatchError) -> Problem {
        Problem::Usage(error.to_string())
    }
}

impl Split for ShowArgs {
    type Data = (Record, Vec<Step>);

    fn prints_json(&self) -> bool {
        self.json
    }

    fn collect(&self, context: &Context) -> Result<Self::Data, Problem> {
        let ledger = context.ledger(context.config()?)?;
        let mut ledger = ledger.ok_or_else(|| JobMatchError::Unknown(self.job.clone()))?;
        let record = match_one(&self.job, ledger.jobs(&self.job).map_err(Problem::failed)?)?;
        let steps = match record.job.parse() {
            Ok(job) => ledger.steps(&job).map_err(Problem::failed)?,
            Err(_) => Vec::new(),
        };
        Ok((record, steps))
    }

    fn show(&self, (record, steps): Self::Data, _: &Context, out: &mut Out) -> CommandResult {
        if self.json {
            let steps: Vec<_> = steps.iter().map(|step| step_json(step, record.reserved)).collect();
            json::print(merged(repair_json(&record), json!({"steps": steps})), out);
        } else {
            print_record(&record, &steps, out);
        }
        Ok(ToolResult::Fine)
    }
}

/// Returns the job whose ID is exactly `prefix`. If there is none, returns the only job whose ID
/// starts with `prefix`.
fn match_one(prefix: &str, mut found: Vec<Record>) -> Result<Record, JobMatchError> {
    if let Some(exact) = found.iter().position(|record| record.job == prefix) {
        return Ok(found.swap_remove(exact));
    }
    match found.len() {
        0 => Err(JobMatchError::Unknown(prefix.to_owned())),
        1 => Ok(found.swap_remove(0)),
        _ => {
            let jobs: Vec<&str> = found.iter().map(|record| record.job.as_str()).take(5).collect();
            let more = if found.len() > jobs.len() { ", ..." } else { "" };
            let jobs = jobs.join(", ") + more;
            Err(JobMatchError::Ambiguous { prefix: prefix.to_owned(), jobs })
        }
    }
}

fn print_record(record: &Record, steps: &[Step], out: &mut Out) {
    let took = record.took().map(time::span).unwrap_or_default();
    let ended = match record.ended {
        Some(ended) => format!("{}, after {took}", time::shown(ended)),
        None => "not yet".to_owned(),
    };
    let problem =
        record.problem.as_ref().map(|id| format!(", Nagios' problem {id}")).unwrap_or_default();
    out.line(format!("{}  {}", Object::from(record), outcome(record).paint(out)));
    for (name, text) in [
        ("job", record.job.clone()),
        ("repair", record.repair.clone()),
        ("event", format!("{}{problem}", record.event)),
        ("began", time::shown(record.reserved)),
        ("ended", ended),
        ("summary", record.text.clone()),
    ] {
        if !text.is_empty() {
            let name = Tone::Faint.paint(&format!("{name:<8}"), out);
            out.line(format!("  {name} {}", clean(&text)));
        }
    }
    if !steps.is_empty() {
        out.line("");
        steps_table(record, steps).write(out);
    }
}

fn steps_table(record: &Record, steps: &[Step]) -> Table {
    let mut table = Table::new(["AFTER", "STEP", "WHAT"]);
    for step in steps {
        let tone = match step.kind {
            StepKind::Failed
            | StepKind::Refused
            | StepKind::NotRun
            | StepKind::Unknown
            | StepKind::NotNotified => Tone::Uneasy,
            StepKind::Evidence
            | StepKind::Begun
            | StepKind::Ran
            | StepKind::Verified
            | StepKind::Notified
            | StepKind::Note => Tone::Plain,
        };
        let [first, more @ ..] = &text_lines(step)[..] else { continue };
        let after = format!("{:.2} s", since(step, record.reserved).as_secs_f64());
        table.row([after.into(), Cell::toned(step.kind.as_str(), tone), first.into()]);
        for line in more {
            table.row(["".into(), "".into(), line.into()]);
        }
    }
    table
}

/// Returns the text of a step as lines. The ledger stores the output of diagnostics on one line,
/// with ` / ` in place of each line break.
fn text_lines(step: &Step) -> Vec<String> {
    match step.kind {
        StepKind::Evidence => step.text.split(" / ").map(str::to_owned).collect(),
        _ => vec![step.text.clone()],
    }
}

fn since(step: &Step, begun: SystemTime) -> Duration {
    step.at.duration_since(begun).unwrap_or_default()
}

fn step_json(step: &Step, begun: SystemTime) -> Value {
    json!({
        "at": time::rfc3339(step.at),
        "after_seconds": since(step, begun).as_secs_f64(),
        "step": step.kind.as_str(),
        "rung": step.rung,
        "text": step.text,
    })
}
