//! Prints the result of a replay as text or JSON.

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

/// Everything that the summary shows.
pub struct Summary<'a> {
    pub simulation: &'a Simulation<'a>,
    pub options: ReplayOptions<'a>,
    /// Text that says where the objects' repairs come from.
    pub known_from: String,
    /// Number of logs that replay read.
    pub logs: usize,
    /// The errors for logs that could not be read completely.
    pub bad: &'a [LogError],
}

/// Maximum number of objects in the text output. JSON contains all objects.
const LISTED: usize = 20;

/// Prints one decision as a line.
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
    out.line(format!(
        "{at}  {object}  {change}  {word}: {text}",
        change = event.change(),
        text = clean(&text)
    ));
}

fn time(at: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)).unwrap_or(SystemTime::UNIX_EPOCH)
}

impl Summary<'_> {
    /// Returns the totals over all objects.
    fn totals(&self) -> ObjectCounts {
        let mut total = ObjectCounts::default();
        self.simulation.objects.iter().for_each(|object| total.add(&object.counts));
        total
    }

    /// Returns the objects with incidents, sorted by the number of incidents, highest first.
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
                "each repair ends the fault within {takes}, so replay ignores later lines about \
                 the fault"
            ),
            Assume::Log => format!(
                "each repair takes {takes} and heals the fault if the next line about the object \
                 is a recovery"
            ),
        }
    }

    /// Prints the summary as text.
    pub fn write(&self, out: &mut Out) {
        let (counts, total) = (&self.simulation.counts, self.totals());
        for bad in self.bad {
            let is_broken = matches!(bad, LogError::Broken { .. });
            let how = if is_broken { "only partly read:" } else { "not read:" };
            out.line(format!("{} {}", Tone::Bad.paint(how, out), clean(&bad.to_string())));
        }
        let Some((first, last)) = counts.span else {
            out.line("these files contain no Nagios log lines");
            return;
        };
        let (from, to) = (time::shown(time(first)), time::shown(time(last)));
        let logs = if self.logs == 1 { "1 log".into() } else { format!("{} logs", self.logs) };
        out.line(format!("{from} to {to}: {lines} lines in {logs}", lines = counts.lines));
        out.line(format!("objects: {}", clean(&self.known_from)));
        out.line(format!(
            "assumed: {assumed}; nothing was paused{status}",
            assumed = self.assumed(),
            status = self.status()
        ));
        out.line("");
        let row = |out: &mut Out, name: &str, count: u64, text: &str| {
            out.line(format!("{name:<26} {count:>9}  {text}").trim_end());
        };
        row(out, "incidents", total.incidents, "faults that the policy has a repair for");
        row(out, "repairs", total.repairs, &self.endings());
        row(out, "refused", total.refused, "events that called for a repair");
        for (code, count) in &counts.refused {
            row(out, &format!("  {code}"), *count, "");
        }
        row(
            out,
            "no repair due",
            counts.not_called_for.values().sum(),
            "events that did not call for a repair",
        );
        for (code, count) in &counts.not_called_for {
            row(out, &format!("  {code}"), *count, "");
        }
        row(out, "problem notifications", total.pages, "that Nagios sent about these objects");
        if self.options.assume == Assume::Heals {
            row(out, "  prevented by a repair", total.saved, "");
        }
        self.list(out);
    }

    /// If the policy names no status file, returns a note that acknowledgements and flapping are
    /// ignored, although the logs show them.
    fn status(&self) -> &'static str {
        if self.options.knows_status {
            ""
        } else {
            "; acknowledgements and flapping are ignored, because the policy has neither \
             status_file nor icinga2"
        }
    }

    fn endings(&self) -> String {
        let (counts, total) = (&self.simulation.counts, self.totals());
        match self.options.assume {
            Assume::Heals => "assumed to heal".to_owned(),
            Assume::Log => {
                let open = total.repairs.saturating_sub(counts.healed + counts.failed);
                let open =
                    if open > 0 { format!(", {open} have no outcome") } else { String::new() };
                format!(
                    "{healed} healed, {failed} did not{open}",
                    healed = counts.healed,
                    failed = counts.failed
                )
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
            out.line(format!(
                "and {more} more objects; --json lists all of them",
                more = worst.len() - LISTED
            ));
        }
    }

    /// Prints the summary as JSON. Set `in_one_line` if decisions were printed before, because each
    /// of them is a line of JSON.
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
