//! `repairctl explain`: what would happen to an object now, and why.

mod seen;

use std::time::SystemTime;

use handle_repair::cli::Call;
use handle_repair::config::Config;
use handle_repair::explain;
use ledger::{Ledger, SqliteLedger};
use plugin_kit::{Found, Out, Problem, clean};
use policy::{Decision, FleetNow, History, ObjectNow, Why, decide};
use serde_json::{Map, Value, json};

use crate::cli::Explain;
use crate::history::unread;
use crate::json::{self, merged};
use crate::object::Object;
use crate::site::Site;
use crate::table::Tone;
use crate::when;
use seen::Seen;

/// The command.
pub fn run(words: &Explain, site: &Site, out: &mut Out) -> Result<Found, Problem> {
    let now = SystemTime::now();
    let config = site.config()?;
    let seen = config.status_file.as_deref().map(|file| seen::look(file, &words.host, words.service.as_deref())).transpose()?;
    let mut ledger = site.ledger(&config)?;
    let mut ask = |call: Call, real: bool| -> Result<Verdict, Problem> {
        let history = history(ledger.as_mut(), &call, &config, seen.as_ref(), real, now)?;
        Ok(Verdict { decision: decide(&call.event, &config.policy, &history), history, call })
    };
    let verdict = ask(seen::call(words, seen.as_ref(), site.policy())?, words.state.is_none())?;
    // All is well: what a person wants to know is whether it will be repaired when it breaks.
    let broken = match &verdict.decision {
        Decision::Stand(Why::Recovered(_)) if words.state.is_none() => {
            Some(ask(seen::broken(words, seen.as_ref(), site.policy())?, false)?)
        }
        _ => None,
    };
    if words.json {
        out.line(json::text(format_args!("{:#}", as_json(words, &verdict, broken.as_ref(), &config, now))));
    } else {
        tell(words, &verdict, broken.as_ref(), &config, seen.as_ref(), now, out);
    }
    let in_trouble = !verdict.call.event.state.is_good();
    Ok(if in_trouble && matches!(verdict.decision, Decision::Stand(_)) { Found::Wrong } else { Found::Fine })
}

/// A question and the answer to it.
struct Verdict {
    call: Call,
    history: History,
    decision: Decision,
}

/// What the ledger and the status file know. Of a state that is only supposed, the real one says nothing.
fn history(
    ledger: Option<&mut SqliteLedger>,
    call: &Call,
    config: &Config,
    seen: Option<&Seen>,
    real: bool,
    now: SystemTime,
) -> Result<History, Problem> {
    let known = match ledger {
        Some(ledger) => ledger.history(&call.event, config.policy.fleet.started.per, now).map_err(unread)?,
        None => History::default(),
    };
    let Some(seen) = seen else { return Ok(known) };
    let object = seen.object.as_ref();
    let now = object.map(|object| ObjectNow {
        state: real.then(|| object.state()),
        acknowledged: object.acknowledged && !object.state().is_good(),
        flapping: object.flapping,
    });
    Ok(History { now, fleet: FleetNow { share: Some(seen.share), ..known.fleet.clone() }, ..known })
}

fn tell(
    words: &Explain,
    verdict: &Verdict,
    broken: Option<&Verdict>,
    config: &Config,
    seen: Option<&Seen>,
    now: SystemTime,
    out: &mut Out,
) {
    let object = Object { host: &words.host, service: words.service.as_deref() };
    headline(&object.to_string(), verdict, now, out);
    if let Some(broken) = broken {
        headline(&format!("  if it were {}", explain::event_text(&broken.call.event)), broken, now, out);
    }
    out.line("");
    let mut rows = Vec::new();
    match seen {
        None => {
            rows.push(("state".to_owned(), "as given: without status_file in the policy nobody knows how it is now".to_owned()))
        }
        Some(seen) => rows.push(("state".to_owned(), seen.told(now))),
    }
    let Verdict { call, history, .. } = broken.unwrap_or(verdict);
    rows.extend(explain::rows(call, config, Some(history)));
    for (name, text) in rows {
        out.line(format!("  {} {}", Tone::Faint.paint(&format!("{name:<8}"), out), clean(&text)));
    }
}

fn headline(what: &str, verdict: &Verdict, now: SystemTime, out: &mut Out) {
    match &verdict.decision {
        Decision::Repair(name) => out.line(format!("{what}: {} with {name}", Tone::Good.paint("WOULD REPAIR", out))),
        Decision::Stand(why) => {
            let tone = if matches!(why, Why::Recovered(_)) { Tone::Good } else { Tone::Uneasy };
            out.line(format!("{what}: {}: {}", tone.paint("STANDS STILL", out), clean(&why.to_string())));
            if let Some(then) = chance(why, now) {
                out.line(format!(
                    "{:indent$}allowed again at {}",
                    "",
                    when::shown(then),
                    indent = what.len() - what.trim_start().len() + 2
                ));
            }
        }
    }
}

/// When time will have ended the reason, where it can; two of them start anew with every sign of trouble.
fn chance(why: &Why, now: SystemTime) -> Option<SystemTime> {
    why.left().and_then(|left| now.checked_add(left))
}

fn as_json(words: &Explain, verdict: &Verdict, broken: Option<&Verdict>, config: &Config, now: SystemTime) -> Value {
    let one = |verdict: &Verdict| {
        let why = match &verdict.decision {
            Decision::Repair(_) => None,
            Decision::Stand(why) => Some(why),
        };
        let rows = explain::rows(&verdict.call, config, Some(&verdict.history));
        json!({
            "event": explain::event_text(&verdict.call.event),
            "repair": verdict.call.event.repair.as_ref().map(policy::RepairName::as_str),
            "decision": if why.is_none() { "repair" } else { "stand" },
            "reason": why.map(Why::code),
            "text": why.map(ToString::to_string),
            "allowed_at": why.and_then(|why| chance(why, now)).map(when::rfc3339),
            "because": rows.into_iter().map(|(name, text)| (name, Value::from(text))).collect::<Map<_, _>>(),
        })
    };
    let about = json!({"host": words.host, "service": words.service, "if_broken": broken.map(one)});
    merged(one(verdict), about)
}
