//! `repairctl explain`: shows what would happen to an object now, and why.

pub mod args;
mod next;
mod no_action;
mod observed;

use std::time::{Duration, Instant, SystemTime};

use engine::{ObjectReport, read_only_engine_of};
use handle_repair::cli::Invocation;
use handle_repair::explain;
use handle_repair::verdict::Verdict;
use ledger::Ledger;
use plugin_kit::{Out, Problem, ToolResult, clean};
use policy::{Decision, History, ObjectNow, Observation, Reason, ReasonCode, decide};
use policy_file::Config;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::context::{Context, ENGINE_TIMEOUT};
use crate::object::Object;
use crate::split::{CommandResult, Split};
use crate::sweep::missed_repair;
use crate::ui::json::{self, merged};
use crate::ui::time;
use crate::ui::tone::Tone;
use args::ExplainArgs;
use next::{NextAttempt, Waiting};
use no_action::NoAction;
use observed::ObservedObject;

/// Everything that `explain` shows.
#[derive(Serialize, Deserialize)]
pub struct Explanation {
    /// Description of the object's state; `None` if the policy names no source for the state.
    state: Option<String>,
    prediction: Prediction,
    /// The prediction for a broken state, if the object is in a good state now.
    if_broken: Option<Prediction>,
    /// What triggers the next attempt; `None` if `--state` assumes a state.
    next: Option<NextAttempt>,
}

/// The decision that handle_repair would make about an event.
#[derive(Serialize, Deserialize)]
struct Prediction {
    event: String,
    in_trouble: bool,
    repair: Option<String>,
    no_action: Option<NoAction>,
    /// The names and values of everything that the decision depends on.
    because: Vec<(String, String)>,
}

impl Split for ExplainArgs {
    type Data = Explanation;

    fn prints_json(&self) -> bool {
        self.json
    }

    fn collect(&self, context: &Context) -> Result<Explanation, Problem> {
        let now = SystemTime::now();
        let config = context.config()?;
        let service = self.service.as_deref();
        let deadline = Instant::now() + ENGINE_TIMEOUT;
        let mut engine = read_only_engine_of(config);
        let report = engine.find(&self.host, service, deadline)?;
        let services = match &report {
            Some(ObjectReport { object: None, .. }) => engine.services(&self.host, deadline)?,
            _ => None,
        };
        let (policy, engine) = (context.policy.as_path(), engine.name());
        let observed = ObservedObject { args: self, policy, engine, services, report };
        let mut ledger = context.ledger(config)?;
        let mut predict = |call: &Invocation, is_real: bool| -> Result<Prediction, Problem> {
            let ledger = ledger.as_mut().map(|ledger| ledger.as_mut() as _);
            let history = history(ledger, call, config, &observed, is_real, now)?;
            Ok(predict(call, config, &history, now))
        };
        let is_real = self.state.is_none();
        let call = observed.call()?;
        let mut prediction = predict(&call, is_real)?;
        let is_well = is_real && prediction.no_action.as_ref().is_some_and(|no| no.recovered);
        let if_broken = is_well.then(|| predict(&observed.call_if_broken()?, false)).transpose()?;
        let next = match is_real {
            true => Some(next(&observed, &call, config, ledger, &mut prediction, now)?),
            false => None,
        };
        Ok(Explanation { state: observed.state(now), prediction, if_broken, next })
    }

    fn show(&self, explanation: Explanation, _: &Context, out: &mut Out) -> CommandResult {
        if self.json {
            json::print(as_json(self, &explanation), out);
        } else {
            print(self, &explanation, out);
        }
        let prediction = &explanation.prediction;
        let is_left_broken = prediction.in_trouble && prediction.no_action.is_some();
        Ok(if is_left_broken { ToolResult::Wrong } else { ToolResult::Fine })
    }
}

fn predict(call: &Invocation, config: &Config, history: &History, now: SystemTime) -> Prediction {
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
        // The call is one that the engine or the sweep would make now.
        because: explain::rows(call, config, Some((history, Duration::ZERO))),
    }
}

/// Returns what triggers the next attempt. If the decision allows a repair but the sweep would
/// leave the object alone, also stores the sweep's reason in `prediction.no_action`.
fn next(
    observed: &ObservedObject<'_>,
    call: &Invocation,
    config: &Config,
    mut ledger: Option<Box<dyn Ledger>>,
    prediction: &mut Prediction,
    now: SystemTime,
) -> Result<NextAttempt, Problem> {
    let repair = call.event.repair.as_ref();
    let rules = repair.and_then(|name| config.policy.repairs.get(name));
    let waiting = match (&observed.report, observed.object(), rules) {
        (Some(report), Some(object), Some(rules)) if next::is_left_to_the_sweep(object, rules) => {
            let ledger = ledger.as_mut().map(|ledger| ledger.as_mut() as _);
            let missed =
                missed_repair(object, &report.program, config, rules, &call.event, ledger, now)
                    .map_err(Problem::failed)?;
            // A breaker closes, and an incident's budget is restored, only after some time without
            // a fault. While the fault persists, it is unknown when that will be, so show no time.
            if let Some(why) = &mut prediction.no_action
                && let Some(ReasonCode::BreakerOpen | ReasonCode::IncidentBudget) =
                    ReasonCode::from_word(&why.code)
            {
                why.allowed_at = None;
            }
            if let (Err(why), None) = (&missed, &prediction.no_action) {
                prediction.no_action = Some(NoAction {
                    code: why.code().to_owned(),
                    text: why.to_string(),
                    recovered: false,
                    allowed_at: None,
                });
            }
            Waiting::Sweep(report, object, missed)
        }
        (Some(report), Some(object), _) => Waiting::Result(report, object),
        _ => Waiting::NotKnown,
    };
    Ok(NextAttempt::of(&waiting, rules, prediction.no_action.as_ref(), now))
}

/// Collects the object's history from the ledger and the engine. Leaves out the object's actual
/// state if `--state` replaces it.
fn history(
    ledger: Option<&mut dyn Ledger>,
    call: &Invocation,
    config: &Config,
    observed: &ObservedObject<'_>,
    is_real: bool,
    now: SystemTime,
) -> Result<History, Problem> {
    let host_downtime = observed.host().map_or(0, |host| host.downtime);
    let object = observed.object().map_or(ObjectNow::default(), |object| ObjectNow {
        acknowledged: object.acknowledged && !object.state().is_good(),
        ..object.object_now(is_real.then(|| object.state()), host_downtime)
    });
    let shown = observed.report.as_ref().map(|report| Observation { object, share: report.share });
    ledger::gather(ledger, &call.event, &config.policy.horizon(&call.event), now, shown)
        .map_err(Problem::failed)
}

fn print(args: &ExplainArgs, explanation: &Explanation, out: &mut Out) {
    let Explanation { state, prediction, if_broken, next } = explanation;
    let object = Object { host: &args.host, service: args.service.as_deref() };
    headline(&object.to_string(), prediction, out);
    if let Some(broken) = if_broken {
        headline(&format!("  if its state were {event}", event = broken.event), broken, out);
    }
    out.line("");
    let unknown = "as given with --state; the current state is unknown, because the policy has \
                   neither status_file nor icinga2";
    let state = ("state".to_owned(), state.clone().unwrap_or_else(|| unknown.to_owned()));
    let because = &if_broken.as_ref().unwrap_or(prediction).because;
    let next = next.as_ref().map(|next| ("next".to_owned(), next.text()));
    for (name, text) in std::iter::once(&state).chain(because).chain(&next) {
        let name = Tone::Faint.paint(&format!("{:<1$}", clean(name), explain::COLUMN), out);
        out.line(format!("  {name} {}", clean(text)));
    }
}

fn headline(what: &str, prediction: &Prediction, out: &mut Out) {
    let Some(why) = &prediction.no_action else {
        let name = clean(prediction.repair.as_deref().unwrap_or_default());
        let verdict = Tone::Good.paint(Verdict::WouldRepair.as_str(), out);
        return out.line(format!("{what}: {verdict} with {name}"));
    };
    let tone = if why.recovered { Tone::Good } else { Tone::Uneasy };
    let verdict = tone.paint(Verdict::NoAction.as_str(), out);
    out.line(format!("{what}: {verdict}: {}", clean(&why.text)));
    if let Some(then) = why.allowed_at {
        let indent = what.len() - what.trim_start().len() + 2;
        out.line(format!(
            "{:indent$}repairs are allowed again at {time}",
            "",
            time = time::shown(then)
        ));
    }
}

fn as_json(args: &ExplainArgs, explanation: &Explanation) -> Value {
    let one = |prediction: &Prediction| {
        let why = prediction.no_action.as_ref();
        let because = prediction
            .because
            .iter()
            .map(|(name, text)| (name.replace(' ', "_"), text.as_str().into()));
        let because: Map<String, Value> = because.collect();
        json!({
            "event": prediction.event, "repair": prediction.repair,
            "decision": if why.is_none() { "repair" } else { "no-action" },
            "reason": why.map(|why| &why.code), "text": why.map(|why| &why.text),
            "allowed_at": why.and_then(|why| why.allowed_at).map(time::rfc3339), "because": because,
        })
    };
    let about = json!({
        "host": args.host, "service": args.service,
        "if_broken": explanation.if_broken.as_ref().map(one),
        "next": explanation.next.as_ref().map(|next| json!({
            "trigger": next.trigger, "at": next.at.map(time::rfc3339),
        })),
    });
    merged(one(&explanation.prediction), about)
}
