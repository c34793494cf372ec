//! The output of `repairctl status`: pauses, running jobs, usage of the fleet limits, open breakers
//! and unknown outcomes.

use std::time::{Duration, Instant, SystemTime};

use engine::{EngineSummary, read_only_engine_of};
use ledger::{HeldBack, Ledger, Paused, Record, Running};
use plugin_kit::Problem;
use policy::{Quota, Reason, Rounded};
use policy_file::Config;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::{describe, scope_of};
use crate::context::{Context, ENGINE_TIMEOUT};
use crate::history::repair_json;
use crate::object::Object;
use crate::ui::json::merged;
use crate::ui::table::{Cell, Table};
use crate::ui::time;
use crate::ui::tone::Tone;

/// How long `status` shows a repair with an unknown outcome after the repair has ended.
const UNKNOWN_SHOWN: Duration = Duration::from_secs(24 * 3600);

/// The state of all repairs at one point in time.
#[derive(Serialize, Deserialize)]
pub struct RepairStatus {
    now: SystemTime,
    trouble: FleetTrouble,
    pauses: Vec<Paused>,
    running: Vec<Running>,
    /// The number of running repairs that count towards the fleet limit.
    busy: u32,
    /// The number of repairs that were started within the last `fleet.started.per`, and how long
    /// ago the first of these repairs was started.
    started: (u32, Duration),
    breakers: Vec<OpenBreaker>,
    unknown: Vec<Record>,
}

/// How many of the objects that have a repair are in trouble, if this is known.
#[derive(Serialize, Deserialize)]
enum FleetTrouble {
    /// The policy names no source for the state of objects.
    NotKnown,
    /// Why the state cannot be read.
    Unreadable(String),
    /// The number of objects in trouble, the total number of objects, and the age of the state.
    Share { troubled: u32, all: u32, age: Duration },
}

/// An object whose breaker is open because its repairs do not help.
#[derive(Serialize, Deserialize)]
struct OpenBreaker {
    host: String,
    service: Option<String>,
    ineffective: u32,
    /// Time until the breaker closes if the fault does not return.
    left: Duration,
}

impl FleetTrouble {
    fn read(config: &Config, now: SystemTime) -> FleetTrouble {
        match read_only_engine_of(config).summary(Instant::now() + ENGINE_TIMEOUT) {
            Ok(None) => FleetTrouble::NotKnown,
            Ok(Some(EngineSummary { program, share: (troubled, all) })) => {
                FleetTrouble::Share { troubled, all, age: program.age(now) }
            }
            Err(why) => FleetTrouble::Unreadable(why.to_string()),
        }
    }
}

impl RepairStatus {
    /// Reads the state of all repairs from the ledger and from the engine.
    pub fn read(context: &Context) -> Result<RepairStatus, Problem> {
        let (now, config) = (SystemTime::now(), context.config()?);
        let mut status = RepairStatus {
            now,
            trouble: FleetTrouble::read(config, now),
            pauses: Vec::new(),
            running: Vec::new(),
            busy: 0,
            started: (0, Duration::ZERO),
            breakers: Vec::new(),
            unknown: Vec::new(),
        };
        if let Some(mut ledger) = context.ledger(config)? {
            status.take(ledger.as_mut(), config).map_err(Problem::failed)?;
        }
        Ok(status)
    }

    fn take(&mut self, ledger: &mut dyn Ledger, config: &Config) -> Result<(), ledger::Error> {
        let fleet = ledger.fleet(config.policy.fleet.started.per, self.now)?;
        let recent = self.now.checked_sub(UNKNOWN_SHOWN).unwrap_or(SystemTime::UNIX_EPOCH);
        (self.busy, self.started) = (fleet.running, (fleet.started, fleet.oldest_start));
        self.pauses = ledger.pauses(self.now)?;
        self.running = ledger.running()?;
        self.breakers = open_breakers(ledger, config, self.now)?;
        self.unknown = ledger.unknown_since(recent)?;
        Ok(())
    }

    /// Whether anything is paused.
    pub fn is_paused(&self) -> bool {
        !self.pauses.is_empty()
    }

    /// Returns the status as a table for text output.
    pub fn table(&self, context: &Context, config: &Config) -> Table {
        let limits = &config.policy.fleet;
        let mut table = Table::new(["WHAT", "STATE"]);
        let mut row =
            |what: &str, text: String, tone| table.row([Cell::from(what), Cell::toned(text, tone)]);
        for pause in &self.pauses {
            let text = format!("{}: {}", scope_of(pause), describe(pause, self.now));
            row("paused", text, Tone::Bad);
        }
        if !self.is_paused() {
            row("repairs", "enabled: nothing is paused".into(), Tone::Good);
        }
        let busy = format!("{busy} of at most {limit}", busy = self.busy, limit = limits.running);
        row("running", busy, tone(self.busy, limits.running));
        for running in &self.running {
            let tone = if running.alive { Tone::Plain } else { Tone::Uneasy };
            row("job", self.job(running), tone);
        }
        row("started", self.started(&limits.started), tone(self.started.0, limits.started.count));
        let (text, tone) = self.trouble(limits.share);
        row("in trouble", text, tone);
        for OpenBreaker { host, service, ineffective, left } in &self.breakers {
            let object = Object { host, service: service.as_deref() };
            let why = Reason::BreakerOpen { ineffective: *ineffective, left: *left };
            row("breaker", format!("{object}: {why}"), Tone::Bad);
        }
        for record in &self.unknown {
            let ago = Rounded(self.ago(record.ended.unwrap_or(record.reserved)));
            row(
                "unknown",
                format!("{}, {ago} ago: {}", Object::from(record), record.text),
                Tone::Uneasy,
            );
        }
        row("policy", context.policy.display().to_string(), Tone::Plain);
        row("ledger", config.ledger.to_string(), Tone::Plain);
        table
    }

    fn job(&self, running: &Running) -> String {
        let Running { record, alive, .. } = running;
        let dead = match alive {
            true => "",
            false => {
                ", but its worker has died; the next event or sweep will query the gate for the \
                 outcome"
            }
        };
        let since = time::span(self.ago(record.reserved));
        let Record { job, repair, .. } = record;
        format!(
            "{object} with {repair} for {since} (job {job}){dead}",
            object = Object::from(record)
        )
    }

    fn trouble(&self, limit: u32) -> (String, Tone) {
        match &self.trouble {
            FleetTrouble::NotKnown => {
                ("unknown: the policy has neither status_file nor icinga2".into(), Tone::Faint)
            }
            FleetTrouble::Unreadable(why) => (format!("unknown: {why}"), Tone::Bad),
            FleetTrouble::Share { troubled, all, age } => {
                let text = format!(
                    "{troubled} of {all} objects with a repair, {age} ago; above {limit} %, \
                     nothing is repaired, unless only one object is in trouble",
                    age = Rounded(*age)
                );
                (text, Tone::Plain)
            }
        }
    }

    fn started(&self, quota: &Quota) -> String {
        let (started, oldest) = self.started;
        let text = format!(
            "{started} of at most {limit} in {window}",
            limit = quota.count,
            window = Rounded(quota.per)
        );
        let left = Rounded(quota.per.saturating_sub(oldest));
        if started < quota.count {
            text
        } else {
            format!("{text}; repairs are allowed again in {left}")
        }
    }

    fn ago(&self, at: SystemTime) -> Duration {
        self.now.duration_since(at).unwrap_or_default()
    }

    /// Returns the status as JSON.
    pub fn json(&self, context: &Context, config: &Config) -> Value {
        let fleet = &config.policy.fleet;
        let pauses = self.pauses.iter().map(|pause| {
            json!({
                "host": pause.host, "service": pause.service, "by": pause.by,
                "reason": pause.reason, "since": time::rfc3339(pause.since),
                "until": pause.until.map(time::rfc3339),
            })
        });
        let running = self.running.iter().map(|running| {
            let worker = if running.alive { "alive" } else { "dead" };
            merged(repair_json(&running.record), json!({"worker": worker}))
        });
        let breakers = self.breakers.iter().map(|breaker| {
            json!({
                "host": breaker.host, "service": breaker.service,
                "ineffective": breaker.ineffective, "seconds_left": breaker.left.as_secs(),
            })
        });
        let trouble = match &self.trouble {
            FleetTrouble::Share { troubled, all, age } => json!({
                "now": troubled, "of": all, "allowed_percent": fleet.share,
                "seconds_old": age.as_secs(),
            }),
            FleetTrouble::NotKnown | FleetTrouble::Unreadable(_) => Value::Null,
        };
        json!({
            "paused": self.is_paused(), "pauses": pauses.collect::<Vec<_>>(),
            "running": running.collect::<Vec<_>>(),
            "fleet": {
                "running": {"now": self.busy, "allowed": fleet.running},
                "started": {
                    "now": self.started.0, "allowed": fleet.started.count,
                    "per_seconds": fleet.started.per.as_secs(),
                },
                "trouble": trouble,
            },
            "breakers": breakers.collect::<Vec<_>>(),
            "unknown": self.unknown.iter().map(repair_json).collect::<Vec<_>>(),
            "policy": context.policy.display().to_string(),
            "ledger": config.ledger.to_string(),
        })
    }
}

fn tone(used: u32, allowed: u32) -> Tone {
    if used >= allowed { Tone::Uneasy } else { Tone::Plain }
}

/// Returns the breakers that are open under the current policy.
fn open_breakers(
    ledger: &mut dyn Ledger,
    config: &Config,
    now: SystemTime,
) -> Result<Vec<OpenBreaker>, ledger::Error> {
    let held = ledger::held_back(ledger, &config.policy, now)?;
    let open = held.into_iter().filter_map(|HeldBack { host, service, reason }| match reason {
        Reason::BreakerOpen { ineffective, left } => {
            Some(OpenBreaker { host, service, ineffective, left })
        }
        _ => None,
    });
    Ok(open.collect())
}
