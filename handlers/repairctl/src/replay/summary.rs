//! Prints the result of a replay: for people, and as JSON.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use engine::log::LogError;
use plugin_kit::{Out, clean};
use policy::{Reason, RepairName};
use serde_json::{Value as Json, json};

use super::args::Assume;
use super::objects::{ObjectCounts, ReplayedObject};
use super::simulation::{ReplayDecision, ReplayOptions, Simulation};
use crate::ui::json;
use crate::ui::table::{Cell, Table};
use crate::ui::time;
use crate::ui::tone::Tone;

/// A replay and its options.
pub struct Summary<'a> {
    /// The replay.
    pub simulation: &'a Simulation<'a>,
    /// Its options.
    pub options: ReplayOptions<'a>,
    /// Where the objects' repairs are known from.
    pub known_from: String,
    /// The number of logs that were read.
    pub logs: usize,
    /// Those that could not be read, or not to their end.
    pub bad: &'a [LogError],
}

/// The number of objects that are listed for people; JSON has all.
const LISTED: usize = 20;

/// Prints one decision.
pub fn print_decision(decision: &ReplayDecision<'_>, as_json: bool, out: &mut Out) {
    let event = decision.event;
    let (repair, why) = (decision.verdict.ok(), decision.verdict.err());
    if as_json {
        let json = json!({
            "at": time::rfc3339(time(decision.at)), "host": event.host, "service": event.service,
            "event": event.change(),
            "decision": if repair.is_some() { "repair" } else { "no-action" },
            "repair": repair.map(RepairName::as_str), "reason": why.map(|why| why.code().as_str()),
            "text": why.map(Reason::to_string),
        });
        return json::print_line(json, out);
    }
    let (word, text) = match decision.verdict {
        Ok(name) => ("repair", name.to_string()),
        Err(why) => (why.code().as_str(), why.to_string()),
    };
    let (at, object) = (time::shown(time(decision.at)), clean(&event.object()));
    out.line(format!("{at}  {object}  {}  {word}: {}", event.change(), clean(&text)));
}

fn time(at: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)).unwrap_or(SystemTime::UNIX_EPOCH)
}

impl Summary<'_> {
    /// The counts of all objects together.
    fn totals(&self) -> ObjectCounts {
        let mut total = ObjectCounts::default();
        self.simulation.objects.iter().for_each(|object| total.add(&object.counts));
        total
    }

    /// The objects with incidents, those with the most first.
    fn worst(&self) -> Vec<&ReplayedObject> {
        let objects = self.simulation.objects.iter();
        let mut all: Vec<_> = objects.filter(|object| object.counts.incidents > 0).collect();
        all.sort_by_key(|object| Reverse((object.counts.incidents, object.counts.repairs)));
        all
    }

    fn assumed(&self) -> String {
        let takes = time::span(self.options.takes);
        match self.options.assume {
            Assume::Heals => format!(
                "each repair ends the trouble within {takes}, and what the logs show of it after \
                 that would not have been"
            ),
            Assume::Log => format!(
                "each repair takes {takes}, and healed if a recovery is what the logs show next; \
                 nothing else changes"
            ),
        }
    }

    /// For people.
    pub fn write(&self, out: &mut Out) {
        let (counts, total) = (&self.simulation.counts, self.totals());
        for bad in self.bad {
            let is_broken = matches!(bad, LogError::Broken { .. });
            let how = if is_broken { "not read to its end:" } else { "not read:" };
            out.line(format!("{} {}", Tone::Bad.paint(how, out), clean(&bad.to_string())));
        }
        let Some((first, last)) = counts.span else {
            out.line("there is no line of Nagios' log in these files");
            return;
        };
        let (from, to) = (time::shown(time(first)), time::shown(time(last)));
        out.line(format!("{from} to {to}: {} lines, logs: {}", counts.lines, self.logs));
        out.line(format!("objects: {}", clean(&self.known_from)));
        out.line(format!("assumed: {}; nothing was paused{}", self.assumed(), self.status()));
        out.line("");
        let row = |out: &mut Out, name: &str, count: u64, text: &str| {
            out.line(format!("{name:<26} {count:>9}  {text}").trim_end());
        };
        row(out, "incidents", total.incidents, "spans of trouble that the policy has a repair for");
        row(out, "repairs", total.repairs, &self.endings());
        row(out, "refused", total.refused, "calls that wanted a repair");
        for (code, count) in &counts.refused {
            row(out, &format!("  {code}"), *count, "");
        }
        row(out, "no repair called for", counts.not_called_for.values().sum(), "calls");
        for (code, count) in &counts.not_called_for {
            row(out, &format!("  {code}"), *count, "");
        }
        row(out, "notifications of problems", total.pages, "sent to people about these objects");
        if self.options.assume == Assume::Heals {
            row(out, "  would not have been sent", total.saved, "");
        }
        self.list(out);
    }

    /// Without the status file the policy does not know some of what the logs show.
    fn status(&self) -> &'static str {
        if self.options.knows_status {
            ""
        } else {
            "; the policy has no status_file, so acknowledgements and flapping are not known to it"
        }
    }

    fn endings(&self) -> String {
        let (counts, total) = (&self.simulation.counts, self.totals());
        match self.options.assume {
            Assume::Heals => "taken to heal".to_owned(),
            Assume::Log => {
                let open = total.repairs.saturating_sub(counts.healed + counts.failed);
                let open =
                    if open > 0 { format!(", {open} not seen to end") } else { String::new() };
                format!("{} healed, {} did not{open}", counts.healed, counts.failed)
            }
        }
    }

    fn list(&self, out: &mut Out) {
        let worst = self.worst();
        if worst.is_empty() {
            return;
        }
        out.line("");
        let mut table =
            Table::new(["OBJECT", "INCIDENTS", "REPAIRS", "REFUSED", "NOTIFICATIONS", "SAVED"]);
        for object in worst.iter().take(LISTED) {
            let ObjectCounts { incidents, repairs, refused, pages, saved, .. } = object.counts;
            let [incidents, repairs, refused, pages, saved] =
                [incidents, repairs, refused, pages, saved].map(|n| Cell::from(n.to_string()));
            let name = Cell::from(object.event.object());
            table.row([name, incidents, repairs, refused, pages, saved]);
        }
        table.write(out);
        if worst.len() > LISTED {
            out.line(format!("and {} more objects; --json has all of them", worst.len() - LISTED));
        }
    }

    /// For programs; in one line when decisions stand before it.
    pub fn print_json(&self, in_one_line: bool, out: &mut Out) {
        let (counts, total) = (&self.simulation.counts, self.totals());
        let (first, last) = counts.span.map_or((None, None), |(first, last)| {
            (Some(time::rfc3339(time(first))), Some(time::rfc3339(time(last))))
        });
        let object = |object: &&ReplayedObject| -> Json {
            let (event, counts) = (&object.event, object.counts);
            json!({
                "host": event.host, "service": event.service, "incidents": counts.incidents,
                "repairs": counts.repairs, "refused": counts.refused, "notifications": counts.pages,
                "saved": counts.saved,
            })
        };
        let by_reason = |counts: &BTreeMap<&'static str, u64>| -> Json {
            let count = |(reason, count)| json!({"reason": reason, "count": count});
            counts.iter().map(count).collect()
        };
        let json = json!({
            "from": first, "to": last, "lines": counts.lines, "logs": self.logs,
            "not_read": self.bad.iter().map(LogError::to_string).collect::<Vec<_>>(),
            "objects_known_from": self.known_from, "assumed": self.assumed(),
            "incidents": total.incidents, "repairs": total.repairs, "healed": counts.healed,
            "not_healed": counts.failed, "refused": total.refused,
            "refusals": by_reason(&counts.refused),
            "no_repair_called_for": by_reason(&counts.not_called_for),
            "events_that_would_not_have_been": counts.spared, "notifications": total.pages,
            "notifications_saved": total.saved,
            "objects": self.worst().iter().map(object).collect::<Vec<_>>(),
        });
        match in_one_line {
            true => json::print_line(json, out),
            false => json::print(json, out),
        }
    }
}
