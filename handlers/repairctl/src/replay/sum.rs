//! What a replay comes to: for people, and as JSON.

use std::time::{Duration, SystemTime};

use plugin_kit::{Out, clean};
use serde_json::{Value as Json, json};

use super::files::BadLog;
use super::sim::{Assume, Decided, Sim, Terms};
use super::things::Thing;
use crate::ui::json;
use crate::ui::table::{Cell, Table};
use crate::ui::time;
use crate::ui::tone::Tone;

/// A replay that is over.
pub struct Sum<'a> {
    /// The replay.
    pub sim: &'a Sim<'a>,
    /// How it was made.
    pub terms: Terms<'a>,
    /// Where the objects' repairs are known from.
    pub known_from: String,
    /// How many logs were read.
    pub logs: usize,
    /// Those that could not be.
    pub bad: &'a [BadLog],
}

/// So many objects are listed for people; JSON has all.
const LISTED: usize = 20;

/// A line for one decision.
pub fn decision(decided: &Decided<'_>, as_json: bool) -> String {
    let event = decided.event;
    let change = format!("{};{};{}", event.state, event.state_type, event.attempt);
    let (word, text) = match decided.verdict {
        Ok(name) => ("repair", name.to_string()),
        Err(why) => (why.code().as_str(), why.to_string()),
    };
    if as_json {
        let json = json!({
            "at": time::rfc3339(time(decided.at)), "host": event.host, "service": event.service, "event": change,
            "decision": word, "text": text,
        });
        return json::text(json);
    }
    format!(
        "{}  {}  {change}  {word}: {}",
        time::shown(time(decided.at)),
        clean(&event.object()),
        clean(&text)
    )
}

fn time(at: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The counts of all objects together.
struct Total {
    incidents: u64,
    repairs: u64,
    refused: u64,
    pages: u64,
    saved: u64,
}

impl Sum<'_> {
    fn total(&self) -> Total {
        let add = |of: fn(&Thing) -> u64| self.sim.things.iter().map(of).sum();
        Total {
            incidents: add(|thing| thing.count.incidents),
            repairs: add(|thing| thing.count.repairs),
            refused: add(|thing| thing.count.refused),
            pages: add(|thing| thing.count.pages),
            saved: add(|thing| thing.count.saved),
        }
    }

    /// The objects with incidents, those with the most first.
    fn worst(&self) -> Vec<&Thing> {
        let mut all: Vec<&Thing> =
            self.sim.things.iter().filter(|thing| thing.count.incidents > 0).collect();
        all.sort_by_key(|thing| std::cmp::Reverse((thing.count.incidents, thing.count.repairs)));
        all
    }

    fn assumed(&self) -> String {
        let takes = time::span(self.terms.takes);
        match self.terms.assume {
            Assume::Heals => format!(
                "each repair ends the trouble within {takes}, and what the logs show of it after \
                 that would not have been"
            ),
            Assume::Log => {
                format!(
                    "each repair takes {takes}, and healed if a recovery is what the logs show \
                     next; nothing else changes"
                )
            }
        }
    }

    /// For people.
    pub fn write(&self, out: &mut Out) {
        let (tally, total) = (&self.sim.tally, self.total());
        for bad in self.bad {
            let how = if matches!(bad, BadLog::Broken { .. }) {
                "not read to its end:"
            } else {
                "not read:"
            };
            out.line(format!("{} {}", Tone::Bad.paint(how, out), clean(&bad.to_string())));
        }
        let Some((first, last)) = tally.span else {
            out.line("there is no line of Nagios' log in these files");
            return;
        };
        let (from, to) = (time::shown(time(first)), time::shown(time(last)));
        out.line(format!("{from} to {to}: {} lines, logs: {}", tally.lines, self.logs));
        out.line(format!("objects: {}", clean(&self.known_from)));
        out.line(format!("assumed: {}; nothing was paused{}", self.assumed(), self.status()));
        out.line("");
        let row = |out: &mut Out, name: &str, count: u64, text: &str| {
            out.line(format!("{name:<26} {count:>9}  {text}").trim_end());
        };
        row(out, "incidents", total.incidents, "spans of trouble that the policy has a repair for");
        row(out, "repairs", total.repairs, &self.endings());
        row(out, "refused", total.refused, "calls that wanted a repair");
        for (code, count) in &tally.refused {
            row(out, &format!("  {code}"), *count, "");
        }
        row(out, "no repair called for", tally.stood.values().sum(), "calls");
        for (code, count) in &tally.stood {
            row(out, &format!("  {code}"), *count, "");
        }
        row(out, "notifications of problems", total.pages, "sent to people about these objects");
        if self.terms.assume == Assume::Heals {
            row(out, "  would not have been sent", total.saved, "");
        }
        self.list(out);
    }

    /// Without the status file the policy does not know what the logs tell.
    fn status(&self) -> &'static str {
        if self.terms.knows_status {
            ""
        } else {
            "; the policy has no status_file, so acknowledgements and flapping are not known to it"
        }
    }

    fn endings(&self) -> String {
        let (tally, total) = (&self.sim.tally, self.total());
        match self.terms.assume {
            Assume::Heals => "taken to heal".to_owned(),
            Assume::Log => {
                let open = total.repairs.saturating_sub(tally.healed + tally.failed);
                let open =
                    if open > 0 { format!(", {open} not seen to end") } else { String::new() };
                format!("{} healed, {} did not{open}", tally.healed, tally.failed)
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
        for thing in worst.iter().take(LISTED) {
            let count = thing.count;
            let number = |count: u64| Cell::from(count.to_string());
            table.row([
                Cell::from(thing.event.object()),
                number(count.incidents),
                number(count.repairs),
                number(count.refused),
                number(count.pages),
                number(count.saved),
            ]);
        }
        table.write(out);
        if worst.len() > LISTED {
            out.line(format!("and {} more objects; --json has all of them", worst.len() - LISTED));
        }
    }

    /// For programs; in one line when decisions stand before it.
    pub fn json(&self, in_one_line: bool) -> String {
        let (tally, total) = (&self.sim.tally, self.total());
        let (first, last) = tally.span.map_or((None, None), |(first, last)| {
            (Some(time::rfc3339(time(first))), Some(time::rfc3339(time(last))))
        });
        let object = |thing: &&Thing| -> Json {
            let (event, count) = (&thing.event, thing.count);
            json!({
                "host": event.host, "service": event.service, "incidents": count.incidents, "repairs": count.repairs,
                "refused": count.refused, "notifications": count.pages, "saved": count.saved,
            })
        };
        let json = json!({
            "from": first, "to": last, "lines": tally.lines, "logs": self.logs,
            "not_read": self.bad.iter().map(BadLog::to_string).collect::<Vec<_>>(),
            "objects_known_from": self.known_from, "assumed": self.assumed(),
            "incidents": total.incidents, "repairs": total.repairs, "healed": tally.healed, "not_healed": tally.failed,
            "refused": tally.refused, "no_repair_called_for": tally.stood,
            "events_that_would_not_have_been": tally.spared,
            "notifications": total.pages, "notifications_saved": total.saved,
            "objects": self.worst().iter().map(object).collect::<Vec<_>>(),
        });
        json::text(if in_one_line { json.to_string() } else { format!("{json:#}") })
    }
}
