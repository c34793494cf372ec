//! `repairctl explain`: what would happen to an object now, and why.

pub mod args;
mod seen;

use std::time::SystemTime;

use handle_repair::cli::Invocation;
use handle_repair::explain;
use ledger::Ledger;
use plugin_kit::{Out, Problem, ToolResult, clean};
use policy::{Decision, History, ObjectNow, Observation, Reason, decide};
use policy_file::Config;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::object::Object;
use crate::split::Split;
use crate::ui::json::{self, merged};
use crate::ui::time;
use crate::ui::tone::Tone;
use args::ExplainArgs;
use seen::Seen;

/// What would happen.
#[derive(Serialize, Deserialize)]
pub struct Explanation {
    /// How the object is, for people; none without a status file.
    state: Option<String>,
    verdict: Prediction,
    /// All is well: what a person wants to know is whether it will be repaired when it breaks.
    broken: Option<Prediction>,
}

/// What the decision says to one call.
#[derive(Serialize, Deserialize)]
struct Prediction {
    event: String,
    in_trouble: bool,
    repair: Option<String>,
    no_action: Option<NoAction>,
    /// The decision's own values, each under its name.
    because: Vec<(String, String)>,
}

/// Why nothing would be done.
#[derive(Serialize, Deserialize)]
struct NoAction {
    code: String,
    text: String,
    recovered: bool,
    /// When time will have ended the reason, where it can; two of them start anew with every sign
    /// of trouble.
    allowed_at: Option<SystemTime>,
}

impl Split for ExplainArgs {
    type Data = Explanation;

    fn prints_json(&self) -> bool {
        self.json
    }

    fn collect(&self, context: &Context) -> Result<Explanation, Problem> {
        let now = SystemTime::now();
        let config = context.config()?;
        let seen = config
            .status_file
            .as_deref()
            .map(|file| seen::look(file, &self.host, self.service.as_deref()))
            .transpose()?;
        let mut ledger = context.ledger(config)?;
        let mut ask = |call: &Invocation, real: bool| -> Result<Prediction, Problem> {
            let history = history(
                ledger.as_mut().map(|ledger| ledger.as_mut() as _),
                call,
                config,
                seen.as_ref(),
                real,
                now,
            )?;
            Ok(verdict(call, config, &history, now))
        };
        let verdict =
            ask(&seen::call(self, seen.as_ref(), context.policy())?, self.state.is_none())?;
        let is_well =
            self.state.is_none() && verdict.no_action.as_ref().is_some_and(|no| no.recovered);
        let broken = is_well
            .then(|| ask(&seen::broken(self, seen.as_ref(), context.policy())?, false))
            .transpose()?;
        Ok(Explanation { state: seen.map(|seen| seen.told(now)), verdict, broken })
    }

    fn show(&self, told: Explanation, _: &Context, out: &mut Out) -> Result<ToolResult, Problem> {
        if self.json {
            out.line(json::text(format_args!("{:#}", as_json(self, &told))));
        } else {
            tell(self, &told, out);
        }
        let is_left_broken = told.verdict.in_trouble && told.verdict.no_action.is_some();
        Ok(if is_left_broken { ToolResult::Wrong } else { ToolResult::Fine })
    }
}

fn verdict(call: &Invocation, config: &Config, history: &History, now: SystemTime) -> Prediction {
    let no_action = match decide(&call.event, &config.policy, history) {
        Decision::Repair(_) => None,
        Decision::NoAction(why) => Some(NoAction {
            code: why.code().as_str().to_owned(),
            text: why.to_string(),
            recovered: matches!(why, Reason::Recovered(_)),
            allowed_at: why.retry_after().and_then(|left| now.checked_add(left)),
        }),
    };
    Prediction {
        event: call.event.change(),
        in_trouble: !call.event.state.is_good(),
        repair: call.event.repair.as_ref().map(ToString::to_string),
        no_action,
        because: explain::rows(call, config, Some(history)),
    }
}

/// What the ledger and the status file know. Of a state that is only supposed, the real one says
/// nothing.
fn history(
    ledger: Option<&mut dyn Ledger>,
    call: &Invocation,
    config: &Config,
    seen: Option<&Seen>,
    real: bool,
    now: SystemTime,
) -> Result<History, Problem> {
    let observed = seen.map(|seen| Observation {
        object: seen.object.as_ref().map_or(ObjectNow::default(), |object| ObjectNow {
            state: real.then(|| object.state()),
            acknowledged: object.acknowledged && !object.state().is_good(),
            flapping: object.flapping,
        }),
        share: seen.share,
    });
    let window = config.policy.fleet.started.per;
    ledger::gather(ledger, &call.event, window, now, observed).map_err(Problem::failed)
}

fn tell(words: &ExplainArgs, told: &Explanation, out: &mut Out) {
    let object = Object { host: &words.host, service: words.service.as_deref() };
    headline(&object.to_string(), &told.verdict, out);
    if let Some(broken) = &told.broken {
        headline(&format!("  if it were {}", broken.event), broken, out);
    }
    out.line("");
    let unknown = "as given: without status_file in the policy nobody knows how it is now";
    let state = ("state".to_owned(), told.state.clone().unwrap_or_else(|| unknown.to_owned()));
    for (name, text) in
        std::iter::once(&state).chain(&told.broken.as_ref().unwrap_or(&told.verdict).because)
    {
        out.line(format!(
            "  {} {}",
            Tone::Faint.paint(&format!("{:<8}", clean(name)), out),
            clean(text)
        ));
    }
}

fn headline(what: &str, verdict: &Prediction, out: &mut Out) {
    let Some(why) = &verdict.no_action else {
        let name = clean(verdict.repair.as_deref().unwrap_or_default());
        return out.line(format!("{what}: {} with {name}", Tone::Good.paint("WOULD REPAIR", out)));
    };
    let tone = if why.recovered { Tone::Good } else { Tone::Uneasy };
    out.line(format!("{what}: {}: {}", tone.paint("NO ACTION", out), clean(&why.text)));
    if let Some(then) = why.allowed_at {
        let indent = what.len() - what.trim_start().len() + 2;
        out.line(format!("{:indent$}allowed again at {}", "", time::shown(then)));
    }
}

fn as_json(words: &ExplainArgs, told: &Explanation) -> Value {
    let one = |verdict: &Prediction| {
        let why = verdict.no_action.as_ref();
        json!({
            "event": verdict.event,
            "repair": verdict.repair,
            "decision": if why.is_none() { "repair" } else { "no-action" },
            "reason": why.map(|why| &why.code),
            "text": why.map(|why| &why.text),
            "allowed_at": why.and_then(|why| why.allowed_at).map(time::rfc3339),
            "because": verdict.because.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect::<Map<_, _>>(),
        })
    };
    let about = json!({"host": words.host, "service": words.service, "if_broken": told.broken.as_ref().map(one)});
    merged(one(&told.verdict), about)
}
