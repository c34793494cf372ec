//! Parses the repairs in policy.json into rules.

use std::time::Duration;

use policy::{Act, Limits, ObjectState, Quota, RepairName, Rules, Rung, respell};
use serde::Deserialize;

use super::span::Span;

/// The keys of a repair as they stand in policy.json, without defaults. If a rung can have the same
/// key, the value here is the default for all rungs of the repair.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RepairKeys {
    ladder: Vec<RungKeys>,
    verify: Option<Vec<String>>,
    good_results: Option<u32>,
    timeout: Option<Span>,
    settle: Option<Span>,
    on: Option<Vec<String>>,
    soft_attempt: Option<u32>,
    in_a_row: Option<u32>,
    cooldown: Option<Span>,
    per_incident: Option<u32>,
    window: Option<QuotaKeys>,
    relapse: Option<Span>,
    breaker: Option<u32>,
    healthy_for: Option<Span>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RungKeys {
    ssh: Option<String>,
    at: Option<String>,
    local: Option<Vec<String>>,
    verify: Option<Vec<String>>,
    good_results: Option<u32>,
    timeout: Option<Span>,
    settle: Option<Span>,
}

/// The keys of a [`Quota`] as they stand in policy.json.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QuotaKeys {
    count: u32,
    per: Span,
}

impl From<QuotaKeys> for Quota {
    fn from(keys: QuotaKeys) -> Quota {
        Quota { count: keys.count, per: keys.per.0 }
    }
}

/// Default time limit for a rung, including the connection and the answer. It is longer than the
/// gate's own default of 200 s plus the 15 s that the gate may take to stop a repair.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(240);
/// Default time for a repaired service to come up before it is checked.
const DEFAULT_SETTLE: Duration = Duration::from_secs(2);

/// A repair from the policy, checked and with its defaults filled in.
#[derive(Deserialize)]
#[serde(try_from = "RepairKeys")]
pub(super) struct Repair(pub Rules);

impl TryFrom<RepairKeys> for Repair {
    type Error = String;

    fn try_from(keys: RepairKeys) -> Result<Repair, String> {
        if keys.ladder.is_empty() {
            return Err("the ladder is empty; add at least one rung".into());
        }
        let rungs = keys.ladder.iter().enumerate();
        let ladder: Result<Vec<Rung>, String> = rungs
            .map(|(n, rung)| rung_of(rung, &keys).map_err(|why| format!("ladder[{n}]: {why}")))
            .collect();
        let mut rules = Rules::with_ladder(ladder?);
        if let Some(words) = &keys.on {
            rules.on =
                words.iter().map(|word| parse_fault_state(word)).collect::<Result<_, _>>()?;
        }
        if let Some(attempt) = keys.soft_attempt {
            rules.soft_attempt = Some(attempt)
                .filter(|n| *n > 0)
                .ok_or("soft_attempt is 0; attempts are counted from 1")?;
        }
        if let Some(wanted) = keys.in_a_row {
            rules.in_a_row =
                Some(wanted).filter(|n| (1..=Rules::MOST_IN_A_ROW).contains(n)).ok_or(
                    "in_a_row must be 1 or 2, because Nagios passes only the previous result; to \
                     wait for more attempts, use soft_attempt",
                )?;
        }
        rules.limits = limits(keys);
        Ok(Repair(rules))
    }
}

fn limits(keys: RepairKeys) -> Limits {
    let safe = Limits::default();
    let span = |given: Option<Span>, default| given.map_or(default, |span| span.0);
    Limits {
        cooldown: span(keys.cooldown, safe.cooldown),
        per_incident: keys.per_incident.unwrap_or(safe.per_incident),
        window: keys.window.map_or(safe.window, Into::into),
        relapse: span(keys.relapse, safe.relapse),
        breaker: keys.breaker.unwrap_or(safe.breaker),
        healthy_for: span(keys.healthy_for, safe.healthy_for),
    }
}

/// Parses a state that can call for a repair: any state except OK and UP.
fn parse_fault_state(word: &str) -> Result<ObjectState, String> {
    let state = ObjectState::of_service(word).or_else(|_| ObjectState::of_host(word));
    match state {
        Ok(state) if !state.is_good() => Ok(state),
        _ => {
            let word = word.escape_debug();
            Err(format!(
                "on: '{word}' is not a fault state; use one of CRITICAL, WARNING, UNKNOWN, DOWN, \
                 UNREACHABLE"
            ))
        }
    }
}

fn rung_of(rung: &RungKeys, repair: &RepairKeys) -> Result<Rung, String> {
    let verify = rung.verify.as_ref().or(repair.verify.as_ref());
    let verify = verify
        .filter(|argv| !argv.is_empty())
        .ok_or("\"verify\" is missing; name the check that shows whether the repair helped")?;
    let good_results = rung.good_results.or(repair.good_results).unwrap_or(1);
    Ok(Rung {
        act: act_of(rung)?,
        verify: checked_words("verify", verify)?,
        good_results: Some(good_results)
            .filter(|n| (1..=60).contains(n))
            .ok_or("good_results must be between 1 and 60")?,
        timeout: rung.timeout.or(repair.timeout).map_or(DEFAULT_TIMEOUT, |span| span.0),
        settle: rung.settle.or(repair.settle).map_or(DEFAULT_SETTLE, |span| span.0),
    })
}

fn act_of(rung: &RungKeys) -> Result<Act, String> {
    match (&rung.ssh, &rung.local, &rung.at) {
        (Some(name), None, at) => {
            let repair: RepairName =
                name.parse().map_err(|bad: policy::BadName| bad.to_string())?;
            Ok(Act::Ssh { repair, at: at.as_deref().map(respell) })
        }
        (None, Some(argv), None) => {
            let program = argv.first().ok_or("local is empty; give a program and its arguments")?;
            if !program.starts_with('/') {
                return Err(format!("local: '{}' is not an absolute path", program.escape_debug()));
            }
            Ok(Act::Local(checked_words("local", argv)?))
        }
        (None, Some(_), Some(_)) => {
            Err("\"at\" is allowed only with \"ssh\", because a local program runs on the Nagios \
                 server"
                .into())
        }
        _ => Err("a rung needs either \"ssh\" or \"local\"".into()),
    }
}

/// Checks that no word of a command contains a NUL byte or an unknown placeholder.
fn checked_words(key: &str, argv: &[String]) -> Result<Vec<String>, String> {
    for word in argv {
        if word.contains('\0') {
            return Err(format!("{key}: a word contains a NUL byte"));
        }
        for inner in
            word.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(inner, _)| inner)
        {
            let a_name =
                !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            if a_name && !["host", "address", "service"].contains(&inner) {
                return Err(format!(
                    "{key}: unknown placeholder {{{inner}}}; use {{host}}, {{address}} or \
                     {{service}}"
                ));
            }
        }
    }
    Ok(argv.to_vec())
}
