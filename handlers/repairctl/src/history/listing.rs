//! Prints the list of repairs or refusals while the records are still being read.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use ledger::{Record, Refusal, RefusalCount};
use plugin_kit::Out;
use serde_json::{Value, json};

use super::args::HistoryArgs;
use super::collect::{HistoryPart, RefusalSummary};
use super::record::{outcome, repair_json};
use crate::object::Object;
use crate::ui::json::ListPrinter;
use crate::ui::table::{Cell, Table, state_empty};
use crate::ui::time;
use crate::ui::tone::Tone;

const NO_REPAIR: &str = "No matching repair is on record.";
const NO_REFUSAL: &str = "No matching refusal is on record. Refusals are kept for 90 days.";

/// A list that is being printed.
pub struct Listing<'a> {
    args: &'a HistoryArgs,
    /// The table for text output.
    table: Table,
    /// The JSON object, or `None` until its beginning has been printed.
    json: Option<ListPrinter>,
    /// Number of records listed so far.
    listed: usize,
    refused: RefusalSummary,
}

impl Listing<'_> {
    /// Creates a list. Prints nothing yet.
    pub fn new(args: &HistoryArgs) -> Listing<'_> {
        let table = match args.refused {
            true => Table::new(["WHEN", "OBJECT", "EVENT", "REASON", "WHY"]),
            false => Table::new([
                "BEGAN", "OBJECT", "REPAIR", "EVENT", "RUNGS", "TOOK", "OUTCOME", "JOB",
            ]),
        };
        Listing { args, table, json: None, listed: 0, refused: RefusalSummary::default() }
    }

    /// Prints the next records. Stores the counts, which are printed after the list.
    pub fn show(&mut self, part: HistoryPart, out: &mut Out) {
        match part {
            HistoryPart::Repairs(all) => self.list(&all, repair_json, repair_row, out),
            HistoryPart::Refusals(all) => self.list(&all, refusal_json, refusal_row, out),
            HistoryPart::Counts(counts) => self.refused = counts,
        }
    }

    fn list<T, const N: usize>(
        &mut self,
        records: &[T],
        as_json: fn(&T) -> Value,
        as_row: fn(&T) -> [Cell; N],
        out: &mut Out,
    ) {
        self.listed += records.len();
        if self.args.json {
            let list = self.begun(out);
            records.iter().for_each(|record| list.element(&as_json(record), out));
        } else {
            records.iter().for_each(|record| self.table.row(as_row(record)));
            self.table.write(out);
        }
    }

    /// Returns the JSON object. The first call prints the start of the object. Do not call this
    /// before there is something to print, because a command that fails must not print anything.
    fn begun(&mut self, out: &mut Out) -> &mut ListPrinter {
        let name = if self.args.refused { "refusals" } else { "repairs" };
        self.json.get_or_insert_with(|| ListPrinter::begin(name, out))
    }

    /// Prints the totals and hints below the list.
    pub fn end(mut self, out: &mut Out) {
        let nothing = if self.args.refused { NO_REFUSAL } else { NO_REPAIR };
        if self.args.json {
            self.begun(out);
            if let Some(list) = self.json {
                let refused = self.args.refused.then_some(self.refused);
                end_json(list, refused, out);
            }
            if self.listed == 0 {
                state_empty(nothing, false, out);
            }
            return;
        }
        self.table.write_or(nothing, out);
        if out.is_terminal() {
            self.footer(out);
        }
    }

    /// Prints a note if there may be more records than listed, and prints the number of refusals.
    fn footer(&self, out: &mut Out) {
        let RefusalSummary { counts, complete } = &self.refused;
        let total: u32 = counts.iter().map(|count| count.count).sum();
        let reasons = reasons(counts);
        if !self.args.refused && self.args.limit > 0 && self.listed == self.args.limit as usize {
            out.line(format!(
                "These are the newest {total} repairs; --limit 0 lists all repairs.",
                total = self.listed
            ));
        }
        match (self.args.refused, complete) {
            _ if counts.is_empty() => {}
            (false, true) => {
                out.line(format!("Refused: {reasons}. To list the refusals, pass --refused."))
            }
            (true, true) => out.line(format!("{total} refusals in total: {reasons}.")),
            (false, false) => out.line(format!(
                "The newest {total} refusals: {reasons}. To list them, pass --refused."
            )),
            (true, false) => out.line(format!("The newest {total} refusals: {reasons}.")),
        }
    }
}

/// Prints the members of the JSON object that come after the list.
fn end_json(mut list: ListPrinter, refused: Option<RefusalSummary>, out: &mut Out) {
    let Some(RefusalSummary { counts, complete }) = refused else {
        return list.end(json!({}), out);
    };
    list.next("counts", out);
    counts.iter().for_each(|count| list.element(&count_json(count), out));
    list.end(json!({ "complete": complete }), out);
}

/// Returns the number of refusals for each reason, most frequent first: `8 cooling-down, 4
/// same-event`.
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

fn repair_row(record: &Record) -> [Cell; 8] {
    [
        time::shown(record.reserved).into(),
        Object::from(record).to_string().into(),
        record.repair.as_str().into(),
        record.event.as_str().into(),
        record.rungs.to_string().into(),
        record.took().map(time::span).unwrap_or_default().into(),
        outcome(record),
        Cell::toned(&record.job, Tone::Faint),
    ]
}

fn refusal_row(refusal: &Refusal) -> [Cell; 5] {
    let object = Object { host: &refusal.host, service: refusal.service.as_deref() };
    [
        time::shown(refusal.at).into(),
        object.to_string().into(),
        refusal.event.as_str().into(),
        refusal.reason.as_str().into(),
        refusal.text.as_str().into(),
    ]
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
