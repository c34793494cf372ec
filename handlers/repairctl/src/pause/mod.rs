//! `repairctl pause`, `resume` and `status`.

mod standing;
mod who;

use std::io::Write;
use std::time::SystemTime;

use handle_repair::config::{Config, Span};
use ledger::Paused;
use plugin_kit::{Found, Out, Problem, clean};

use crate::board;
use crate::cli::{Pause, Resume, Status};
use crate::json;
use crate::object::Object;
use crate::site::Site;
use standing::Standing;

/// Stops repairs.
pub fn pause(words: &Pause, site: &Site, out: &mut Out) -> Result<Found, Problem> {
    let scope = scope(words.host.as_deref(), words.service.as_deref())?;
    let reason = clean(words.reason.trim());
    if reason.is_empty() {
        return Err(Problem::Usage("--reason is empty: say why, for whoever asks tonight; nothing was paused".into()));
    }
    let now = SystemTime::now();
    let until = words.span.as_deref().map(|span| end_of(span, now)).transpose()?;
    let config = site.config()?;
    let paused = Paused { host: words.host.clone(), service: words.service.clone(), by: who::asks(), reason, since: now, until };
    let mut ledger = site.ledger_to_write(&config)?;
    let same = |earlier: &Paused| (&earlier.host, &earlier.service) == (&paused.host, &paused.service);
    let replaced = ledger.pauses(now).map_err(unusable)?.into_iter().find(same);
    ledger.pause(&paused).map_err(unusable)?;
    out.line(format!("{scope}: {}", told(&paused, now)));
    if let Some(earlier) = replaced {
        out.line(format!("In place of: {}", told(&earlier, now)));
    }
    out.line("What is running goes on to its end.");
    Ok(if is_known(&config, words.host.as_deref(), words.service.as_deref()) { Found::Fine } else { Found::Wrong })
}

/// Lets them go on.
pub fn resume(words: &Resume, site: &Site, out: &mut Out) -> Result<Found, Problem> {
    let (host, service) = (words.host.as_deref(), words.service.as_deref());
    let scope = scope(host, service)?;
    let now = SystemTime::now();
    let config = site.config()?;
    // A ledger that is not there yet holds no pause, and resuming is no reason to make one.
    let ended = match site.ledger(&config)? {
        None => None,
        Some(_) => site.ledger_to_write(&config)?.resume(host, service, now).map_err(unusable)?,
    };
    let rest = match site.ledger(&config)? {
        None => Vec::new(),
        Some(mut ledger) => ledger.pauses(now).map_err(unusable)?,
    };
    match &ended {
        Some(paused) => out.line(format!("{scope}: resumed; it was {}", told(paused, now))),
        None => out.line(format!("{scope}: was not paused")),
    }
    for still in &rest {
        out.line(format!("still paused: {}: {}", scope_of(still), told(still, now)));
    }
    Ok(if ended.is_some() { Found::Fine } else { Found::Wrong })
}

/// Says how it stands.
pub fn status(words: &Status, site: &Site, out: &mut Out) -> Result<Found, Problem> {
    let standing = Standing::look(site)?;
    if words.json {
        out.line(json::text(standing.json()));
    } else {
        standing.table().write(out);
    }
    Ok(if standing.is_paused() { Found::Wrong } else { Found::Fine })
}

/// When a pause of this span ends.
fn end_of(span: &str, now: SystemTime) -> Result<SystemTime, Problem> {
    let Span(span) = span.parse().map_err(|bad| Problem::Usage(format!("--for: {bad}; nothing was paused")))?;
    if span.is_zero() {
        return Err(Problem::Usage("--for is no time at all; nothing was paused".into()));
    }
    Ok(now + span)
}

/// What a command is about, for people. An empty name comes from a script whose variable was empty: it must not be taken
/// for "everything".
fn scope(host: Option<&str>, service: Option<&str>) -> Result<String, Problem> {
    if host == Some("") || service == Some("") {
        return Err(Problem::Usage("a name is empty: leave it out to mean everything; nothing was changed".into()));
    }
    Ok(host.map_or_else(|| "everything".to_owned(), |host| Object { host, service }.to_string()))
}

fn scope_of(paused: &Paused) -> String {
    scope(paused.host.as_deref(), paused.service.as_deref()).unwrap_or_default()
}

/// `paused by alice for another 2 h: migration`
fn told(paused: &Paused, now: SystemTime) -> String {
    let left = match paused.until {
        Some(until) => format!("for another {}", policy::Span(until.duration_since(now).unwrap_or_default())),
        None => "until it is resumed".to_owned(),
    };
    format!("paused by {} {left}: {}", clean(&paused.by), clean(&paused.reason))
}

/// A mistyped name pauses nothing: that must not be found out at night.
fn is_known(config: &Config, host: Option<&str>, service: Option<&str>) -> bool {
    let (Some(host), Some(file)) = (host, &config.status_file) else { return true };
    match board::knows(file, host, service) {
        Ok(true) => true,
        Ok(false) => {
            let name = Object { host, service };
            warn(&format!("Nagios does not know {name}, so this pauses nothing: resume it if it is mistyped"));
            false
        }
        Err(why) => {
            warn(&format!("whether Nagios knows it was not looked up: {why}"));
            false
        }
    }
}

fn warn(text: &str) {
    let _ = writeln!(std::io::stderr(), "repairctl: warning: {}", clean(text));
}

fn unusable(why: ledger::Error) -> Problem {
    Problem::Usage(why.to_string())
}
