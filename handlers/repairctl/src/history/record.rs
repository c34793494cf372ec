//! Formats a repair as a coloured cell or as JSON.

use std::time::Duration;

use ledger::{Record, RepairOutcome, RepairState};
use serde_json::{Value, json};

use crate::ui::table::Cell;
use crate::ui::time;
use crate::ui::tone::Tone;

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
