//! How it stands: pauses, running jobs, what is used of the fleet's limits, open breakers, unknown
//! outcomes.

use std::time::{Duration, SystemTime};

use ledger::{Ledger, Paused, Record, Running};
use plugin_kit::Problem;
use policy::{Event, ObjectState, Quota, Rounded, Rules, StateType};
use policy_file::Config;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::text::{describe, scope_of};
use crate::context::Context;
use crate::object::Object;
use crate::status_snapshot::{self, StatusSnapshot};
use crate::ui::json::merged;
use crate::ui::table::{Cell, Table};
use crate::ui::time;
use crate::ui::tone::Tone;

/// How long an outcome that nobody knows is shown.
const UNKNOWN_SHOWN: Duration = Duration::from_secs(24 * 3600);

/// How it stands at one moment.
#[derive(Serialize, Deserialize)]
pub struct Standing {
    now: SystemTime,
    pauses: Vec<Paused>,
    running: Vec<Running>,
    /// How many repairs run by the fleet's count.
    busy: u32,
    /// How many began within the fleet's time, and how long ago the first of them.
    started: (u32, Duration),
    /// None without a status file; else what it says, or why it is not known.
    share: Option<Result<Share, String>>,
    breakers: Vec<Breaker>,
    unknown: Vec<Record>,
}

/// How many of Nagios' objects are in trouble, by a status file of this age.
#[derive(Serialize, Deserialize)]
struct Share {
    troubled: u32,
    of: u32,
    age: Duration,
}

/// An object whose repairs do not help.
#[derive(Serialize, Deserialize)]
struct Breaker {
    host: String,
    service: Option<String>,
    ineffective: u32,
    /// When it closes, if there is no more trouble until then.
    left: Duration,
}

impl Standing {
    /// Looks at the ledger and at Nagios' status file.
    pub fn look(context: &Context) -> Result<Standing, Problem> {
        let now = SystemTime::now();
        let config = context.config()?;
        let share = config.status_file.as_deref().map(|file| match StatusSnapshot::read(file) {
            Ok(board) => Ok(Share {
                troubled: board.share.0,
                of: board.share.1,
                age: status_snapshot::age(&board.program, now),
            }),
            Err(why) => Err(why.to_string()),
        });
        let nothing = Standing {
            now,
            pauses: Vec::new(),
            running: Vec::new(),
            busy: 0,
            started: (0, Duration::ZERO),
            share,
            breakers: Vec::new(),
            unknown: Vec::new(),
        };
        match context.ledger(config)? {
            None => Ok(nothing),
            Some(mut ledger) => nothing.with(ledger.as_mut(), config).map_err(Problem::failed),
        }
    }

    fn with(self, ledger: &mut dyn Ledger, config: &Config) -> Result<Standing, ledger::Error> {
        let fleet = ledger.fleet(config.policy.fleet.started.per, self.now)?;
        Ok(Standing {
            pauses: ledger.pauses(self.now)?,
            running: ledger.running()?,
            busy: fleet.running,
            started: (fleet.started, fleet.oldest_start),
            breakers: open_breakers(ledger, config, self.now)?,
            unknown: ledger.unknown_since(
                self.now.checked_sub(UNKNOWN_SHOWN).unwrap_or(SystemTime::UNIX_EPOCH),
            )?,
            ..self
        })
    }

    /// Whether anything is paused.
    pub fn is_paused(&self) -> bool {
        !self.pauses.is_empty()
    }

    /// For people.
    pub fn table(&self, context: &Context, config: &Config) -> Table {
        let mut table = Table::new(["WHAT", "HOW IT STANDS"]);
        let mut row =
            |what: &str, text: String, tone| table.row([Cell::from(what), Cell::toned(text, tone)]);
        match self.pauses.as_slice() {
            [] => row("repairs", "on: nothing is paused".into(), Tone::Good),
            pauses => pauses.iter().for_each(|pause| {
                row(
                    "paused",
                    format!("{}: {}", scope_of(pause), describe(pause, self.now)),
                    Tone::Bad,
                )
            }),
        }
        let limits = &config.policy.fleet;
        row(
            "running",
            format!("{} of {} at once", self.busy, limits.running),
            tone(self.busy, limits.running),
        );
        for running in &self.running {
            let dead = if running.alive {
                ""
            } else {
                ", but its worker is dead: the next call or sweep asks its gate"
            };
            let since = time::span(self.ago(running.record.reserved));
            let Record { job, repair, .. } = &running.record;
            let text =
                format!("{} with {repair} for {since} (job {job}){dead}", object(&running.record));
            row("job", text, if running.alive { Tone::Plain } else { Tone::Uneasy });
        }
        row("started", self.started(&limits.started), tone(self.started.0, limits.started.count));
        match &self.share {
            None => {
                row("in trouble", "not known: the policy has no status_file".into(), Tone::Faint)
            }
            Some(Err(why)) => row("in trouble", format!("not known: {why}"), Tone::Bad),
            Some(Ok(Share { troubled, of, age })) => {
                let text = format!(
                    "{troubled} of {of} objects with a repair, {} ago; above {} %, unless it is \
                     one alone, nothing is repaired",
                    Rounded(*age),
                    limits.share
                );
                row("in trouble", text, Tone::Plain);
            }
        }
        for breaker in &self.breakers {
            let (object, ineffective, left) =
                (breaker.object(), breaker.ineffective, Rounded(breaker.left));
            let text = format!(
                "{object}: {ineffective} repairs did not help; it closes after {left} without a \
                 fault"
            );
            row("breaker", text, Tone::Bad);
        }
        for record in &self.unknown {
            let ago = Rounded(self.ago(record.ended.unwrap_or(record.reserved)));
            row("unknown", format!("{}, {ago} ago: {}", object(record), record.text), Tone::Uneasy);
        }
        row("policy", context.policy().display().to_string(), Tone::Plain);
        row("ledger", config.ledger.display().to_string(), Tone::Plain);
        table
    }

    fn started(&self, quota: &Quota) -> String {
        let (started, oldest) = self.started;
        let text = format!("{started} of {} within {}", quota.count, Rounded(quota.per));
        let left = quota.per.saturating_sub(oldest);
        if started < quota.count {
            text
        } else {
            format!("{text}; allowed again in {}", Rounded(left))
        }
    }

    fn ago(&self, at: SystemTime) -> Duration {
        self.now.duration_since(at).unwrap_or_default()
    }

    /// For programs.
    pub fn json(&self, context: &Context, config: &Config) -> Value {
        let fleet = &config.policy.fleet;
        let pauses = self.pauses.iter().map(|pause| {
            json!({
                "host": pause.host, "service": pause.service, "by": pause.by, "reason": pause.reason,
                "since": time::rfc3339(pause.since), "until": pause.until.map(time::rfc3339),
            })
        });
        let running = self.running.iter().map(|running| {
            merged(
                job(&running.record),
                json!({"worker": if running.alive { "alive" } else { "dead" }}),
            )
        });
        let breakers = self.breakers.iter().map(|breaker| {
            json!({
                "host": breaker.host, "service": breaker.service, "ineffective": breaker.ineffective,
                "seconds_left": breaker.left.as_secs(),
            })
        });
        let share = self.share.as_ref().and_then(|share| share.as_ref().ok());
        json!({
            "paused": self.is_paused(),
            "pauses": pauses.collect::<Vec<_>>(),
            "running": running.collect::<Vec<_>>(),
            "fleet": {
                "running": {"now": self.busy, "allowed": fleet.running},
                "started": {"now": self.started.0, "allowed": fleet.started.count, "per_seconds": fleet.started.per.as_secs()},
                "trouble": share.map(|Share { troubled, of, age }| {
                    json!({"now": troubled, "of": of, "allowed_percent": fleet.share, "seconds_old": age.as_secs()})
                }),
            },
            "breakers": breakers.collect::<Vec<_>>(),
            "unknown": self.unknown.iter().map(job).collect::<Vec<_>>(),
            "policy": context.policy(),
            "ledger": config.ledger,
        })
    }
}

impl Breaker {
    fn object(&self) -> Object<'_> {
        Object { host: &self.host, service: self.service.as_deref() }
    }
}

fn object(record: &Record) -> Object<'_> {
    Object { host: &record.host, service: record.service.as_deref() }
}

fn job(record: &Record) -> Value {
    json!({
        "job": record.job, "host": record.host, "service": record.service, "repair": record.repair,
        "reserved": time::rfc3339(record.reserved), "ended": record.ended.map(time::rfc3339), "text": record.text,
    })
}

fn tone(used: u32, allowed: u32) -> Tone {
    if used >= allowed { Tone::Uneasy } else { Tone::Plain }
}

/// The breakers that are open, found among the objects that were in trouble lately enough.
fn open_breakers(
    ledger: &mut dyn Ledger,
    config: &Config,
    now: SystemTime,
) -> Result<Vec<Breaker>, ledger::Error> {
    let longest = config
        .policy
        .repairs
        .values()
        .map(|rules| rules.limits.healthy_for)
        .max()
        .unwrap_or_default();
    let since = now.checked_sub(longest).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut open: Vec<Breaker> = Vec::new();
    for (host, service, repair) in ledger.in_trouble_since(since)? {
        let rules: Option<&Rules> =
            repair.parse().ok().and_then(|name| config.policy.repairs.get(&name));
        let Some(limits) = rules.map(|rules| &rules.limits) else { continue };
        let event =
            Event::new(&host, service.as_deref(), ObjectState::Critical, StateType::Hard, 1);
        let history = ledger.history(&event, config.policy.fleet.started.per, now)?;
        let ineffective = history.ineffective(limits);
        if ineffective >= limits.breaker {
            let left =
                limits.healthy_for.saturating_sub(history.last_trouble().unwrap_or_default());
            open.push(Breaker { host, service, ineffective, left });
        }
    }
    open.dedup_by(|one, other| (&one.host, &one.service) == (&other.host, &other.service));
    Ok(open)
}
