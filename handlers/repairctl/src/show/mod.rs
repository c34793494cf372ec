//! `repairctl show`: everything that is on record of one repair.

pub mod args;

use std::time::{Duration, SystemTime};

use ledger::{Record, Step, StepKind};
use plugin_kit::{Out, Problem, ToolResult, clean};
use serde_json::{Value, json};

use crate::context::Context;
use crate::history::{object, outcome, repair_json, unread};
use crate::split::Split;
use crate::ui::json::{self, merged};
use crate::ui::table::{Cell, Table};
use crate::ui::time;
use crate::ui::tone::Tone;
use args::ShowArgs;

impl Split for ShowArgs {
    type Data = (Record, Vec<Step>);

    fn prints_json(&self) -> bool {
        self.json
    }

    fn collect(&self, context: &Context) -> Result<(Record, Vec<Step>), Problem> {
        let no_such_job = || {
            Problem::Usage(format!(
                "no job begins with '{}' (see 'repairctl history')",
                self.job.escape_debug()
            ))
        };
        let mut ledger = context.ledger(context.config()?)?.ok_or_else(no_such_job)?;
        let found = ledger.jobs(&self.job).map_err(unread)?;
        let record =
            match_one(&self.job, found).map_err(|many| many.unwrap_or_else(no_such_job))?;
        let steps = match record.job.parse() {
            Ok(job) => ledger.steps(&job).map_err(unread)?,
            Err(_) => Vec::new(),
        };
        Ok((record, steps))
    }

    fn show(
        &self,
        (record, steps): (Record, Vec<Step>),
        _: &Context,
        out: &mut Out,
    ) -> Result<ToolResult, Problem> {
        if self.json {
            let steps: Vec<_> = steps.iter().map(|step| step_json(step, record.reserved)).collect();
            out.line(json::text(format_args!(
                "{:#}",
                merged(repair_json(&record), json!({"steps": steps}))
            )));
        } else {
            print_record(&record, &steps, out);
        }
        Ok(ToolResult::Fine)
    }
}

/// The job that was meant; an error that names them when there are several, an empty one when there
/// is none.
fn match_one(asked: &str, mut found: Vec<Record>) -> Result<Record, Option<Problem>> {
    if let Some(exact) = found.iter().position(|record| record.job == asked) {
        return Ok(found.swap_remove(exact));
    }
    match found.len() {
        0 => Err(None),
        1 => Ok(found.swap_remove(0)),
        _ => {
            let jobs: Vec<&str> = found.iter().map(|record| record.job.as_str()).take(5).collect();
            let more = if found.len() > jobs.len() { ", ..." } else { "" };
            let text = format!(
                "'{asked}' begins more than one job: {}{more}; write more of it",
                jobs.join(", ")
            );
            Err(Some(Problem::Usage(text)))
        }
    }
}

fn print_record(record: &Record, steps: &[Step], out: &mut Out) {
    let ended = match record.ended {
        Some(ended) => format!(
            "{}, after {}",
            time::shown(ended),
            record.took().map(time::span).unwrap_or_default()
        ),
        None => "not yet".to_owned(),
    };
    let problem =
        record.problem.as_ref().map(|id| format!(", Nagios' problem {id}")).unwrap_or_default();
    out.line(format!("{}  {}", object(record), outcome(record).paint(out)));
    for (name, text) in [
        ("job", record.job.clone()),
        ("repair", record.repair.clone()),
        ("event", format!("{}{problem}", record.event)),
        ("began", time::shown(record.reserved)),
        ("ended", ended),
        ("in short", record.text.clone()),
    ] {
        if !text.is_empty() {
            out.line(format!(
                "  {} {}",
                Tone::Faint.paint(&format!("{name:<8}"), out),
                clean(&text)
            ));
        }
    }
    if steps.is_empty() {
        return;
    }
    out.line("");
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
        table.row([
            after(step, record.reserved).into(),
            Cell::toned(step.kind.as_str(), tone),
            first.into(),
        ]);
        for line in more {
            table.row(["".into(), "".into(), line.into()]);
        }
    }
    table.write(out);
}

/// What diagnostics printed is on record in one line, its lines parted by ` / `: here they are
/// lines again.
fn text_lines(step: &Step) -> Vec<String> {
    match step.kind {
        StepKind::Evidence => step.text.split(" / ").map(str::to_owned).collect(),
        _ => vec![step.text.clone()],
    }
}

fn after(step: &Step, begun: SystemTime) -> String {
    format!("{:.2} s", since(step, begun).as_secs_f64())
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
