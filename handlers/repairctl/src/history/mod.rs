//! `repairctl history`: lists repairs or refusals.

pub mod args;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use ledger::{Filter, Record, Refusal, RefusalCount, RepairOutcome, RepairState, Which};
use plugin_kit::{Out, Problem, ToolResult};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::Context;
use crate::object::Object;
use crate::split::{CommandResult, Split};
use crate::ui::json;
use crate::ui::table::{Cell, Table, state_empty};
use crate::ui::time;
use crate::ui::tone::Tone;
use args::{HistoryArgs, OutcomeArg};

/// The records that match the arguments.
#[derive(Default, Serialize, Deserialize)]
pub struct HistoryData {
    repairs: Vec<Record>,
    refusals: Vec<Refusal>,
    /// The number of refusals for each object and reason. `--limit` does not affect these counts.
    counts: Vec<RefusalCount>,
}

impl Split for HistoryArgs {
    type Data = HistoryData;

    fn prints_json(&self) -> bool {
        self.json
    }

    fn collect(&self, context: &Context) -> Result<HistoryData, Problem> {
        let filter = filter(self, SystemTime::now())?;
        let Some(mut ledger) = context.ledger(context.config()?)? else {
            return Ok(HistoryData::default());
        };
        let mut data = HistoryData::default();
        if self.refused {
            data.refusals = ledger.refused(&filter).map_err(Problem::failed)?;
        } else {
            data.repairs = ledger.repairs(&filter).map_err(Problem::failed)?;
        }
        // The text output shows the number of refusals below the repairs. JSON contains it only
        // with --refused.
        if self.refused || (self.outcome.is_none() && !self.json) {
            let all = Filter { limit: None, ..filter };
            data.counts = ledger.refusal_counts(&all).map_err(Problem::failed)?;
        }
        Ok(data)
    }

    fn show(&self, recorded: HistoryData, _: &Context, out: &mut Out) -> CommandResult {
        match self.refused {
            true => list_refusals(self, &recorded.refusals, &recorded.counts, out),
            false => list_repairs(self, &recorded.repairs, &recorded.counts, out),
        }
        Ok(ToolResult::Fine)
    }
}

fn filter(args: &HistoryArgs, now: SystemTime) -> Result<Filter<'_>, Problem> {
    let time =
        |text: &Option<String>| text.as_deref().map(|text| time::read(text, now)).transpose();
    let which = match (&args.host, &args.service) {
        (None, _) => Which::All,
        (Some(host), None) => Which::Host(host),
        (Some(host), service) => Which::Object(host, service.as_deref()),
    };
    let (since, until) = (time(&args.since)?, time(&args.until)?);
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        let text = "--since must be before --until; swap the two times";
        return Err(Problem::Usage(text.into()));
    }
    let limit = (args.limit > 0).then_some(args.limit);
    Ok(Filter { which, since, until, state: args.outcome.map(OutcomeArg::state), limit })
}

const NO_REPAIR: &str = "No matching repair is on record.";
const NO_REFUSAL: &str = "No matching refusal is on record. Refusals are kept for 90 days.";

fn list_repairs(args: &HistoryArgs, records: &[Record], refused: &[RefusalCount], out: &mut Out) {
    if args.json {
        let list: Vec<Value> = records.iter().map(repair_json).collect();
        json::print(json!({ "repairs": list }), out);
        if records.is_empty() {
            state_empty(NO_REPAIR, false, out);
        }
        return;
    }
    let mut table =
        Table::new(["BEGAN", "OBJECT", "REPAIR", "EVENT", "RUNGS", "TOOK", "OUTCOME", "JOB"]);
    for record in records {
        table.row([
            time::shown(record.reserved).into(),
            Object::from(record).to_string().into(),
            record.repair.as_str().into(),
            record.event.as_str().into(),
            record.rungs.to_string().into(),
            record.took().map(time::span).unwrap_or_default().into(),
            outcome(record),
            Cell::toned(&record.job, Tone::Faint),
        ]);
    }
    table.write_or(NO_REPAIR, out);
    if out.is_terminal() {
        footer(args, records.len(), refused, out);
    }
}

/// Prints a note if there can be more repairs than listed, and the number of refusals.
fn footer(args: &HistoryArgs, listed: usize, refused: &[RefusalCount], out: &mut Out) {
    if args.limit > 0 && listed == args.limit as usize {
        out.line(format!("These are the newest {listed}; --limit 0 lists all."));
    }
    if !refused.is_empty() {
        out.line(format!("Refused: {} (see --refused).", reasons(refused)));
    }
}

fn list_refusals(args: &HistoryArgs, refusals: &[Refusal], counts: &[RefusalCount], out: &mut Out) {
    if args.json {
        let list: Vec<Value> = refusals.iter().map(refusal_json).collect();
        let counts: Vec<Value> = counts.iter().map(count_json).collect();
        json::print(json!({ "refusals": list, "counts": counts }), out);
        if refusals.is_empty() {
            state_empty(NO_REFUSAL, false, out);
        }
        return;
    }
    let mut table = Table::new(["WHEN", "OBJECT", "EVENT", "REASON", "WHY"]);
    for refusal in refusals {
        let object = Object { host: &refusal.host, service: refusal.service.as_deref() };
        table.row([
            time::shown(refusal.at).into(),
            object.to_string().into(),
            refusal.event.as_str().into(),
            refusal.reason.as_str().into(),
            refusal.text.as_str().into(),
        ]);
    }
    table.write_or(NO_REFUSAL, out);
    if out.is_terminal() && !counts.is_empty() {
        let total: u32 = counts.iter().map(|count| count.count).sum();
        out.line(format!("{total} in total: {}.", reasons(counts)));
    }
}

/// Returns the counts by reason, the most frequent first: `8 cooling-down, 4 same-event`.
fn reasons(counts: &[RefusalCount]) -> String {
    let mut sums = BTreeMap::<&str, u32>::new();
    for count in counts {
        *sums.entry(count.reason.as_str()).or_default() += count.count;
    }
    let mut sums: Vec<(&str, u32)> = sums.into_iter().collect();
    sums.sort_by_key(|(_, count)| Reverse(*count));
    let texts = sums.into_iter().map(|(reason, count)| format!("{count} {reason}"));
    plugin_kit::clean(&texts.collect::<Vec<_>>().join(", "))
}

/// Returns the outcome of a repair as a coloured cell.
pub fn outcome(record: &Record) -> Cell {
    let tone = match record.state() {
        RepairState::Running => Tone::Plain,
        RepairState::Ended(RepairOutcome::Healed) => Tone::Good,
        RepairState::Ended(RepairOutcome::NotHealed) => Tone::Bad,
        RepairState::Ended(RepairOutcome::CouldNotRun | RepairOutcome::Unknown) => Tone::Uneasy,
    };
    Cell::toned(record.state().as_str(), tone)
}

/// Returns a repair as JSON, with times in UTC and durations in seconds.
pub fn repair_json(record: &Record) -> Value {
    json!({
        "job": record.job,
        "host": record.host,
        "service": record.service,
        "repair": record.repair,
        "event": record.event,
        "problem": record.problem,
        "began": time::rfc3339(record.reserved),
        "ended": record.ended.map(time::rfc3339),
        "seconds": record.took().as_ref().map(Duration::as_secs_f64),
        "rungs": record.rungs,
        "outcome": record.state().as_str(),
        "text": record.text,
    })
}

fn refusal_json(refusal: &Refusal) -> Value {
    json!({
        "at": time::rfc3339(refusal.at),
        "host": refusal.host,
        "service": refusal.service,
        "event": refusal.event,
        "reason": refusal.reason,
        "text": refusal.text,
    })
}

fn count_json(count: &RefusalCount) -> Value {
    json!({
        "host": count.host,
        "service": count.service,
        "reason": count.reason,
        "count": count.count,
        "first": time::rfc3339(count.first),
        "last": time::rfc3339(count.last),
    })
}
