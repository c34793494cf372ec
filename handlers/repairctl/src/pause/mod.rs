//! `repairctl pause`, `resume` and `status`: set, end and list pauses.

pub mod args;
mod known;
mod status;
mod text;

use std::ffi::OsString;
use std::io::Write;
use std::time::SystemTime;

use ledger::Paused;
use plugin_kit::{Out, Problem, ToolResult, clean};
use policy_file::Span;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::split::{CommandResult, Split};
use crate::sudo;
use crate::ui::json;
use args::{PauseArgs, ResumeArgs, StatusArgs};
use known::UnknownObject;
use status::RepairStatus;
use text::{describe, scope, scope_of};

/// The pause that `pause` has recorded, and the one that it replaced.
#[derive(Serialize, Deserialize)]
pub struct PauseResult {
    paused: Paused,
    replaced: Option<Paused>,
    /// Why the pause may have no effect, or `None` if Nagios knows the paused object.
    warning: Option<String>,
}

impl Split for PauseArgs {
    type Data = PauseResult;

    fn extra_args(&self) -> Vec<OsString> {
        vec![format!("--by={}", sudo::caller_name()).into()]
    }

    fn collect(&self, context: &Context) -> Result<PauseResult, Problem> {
        let (host, service) = (self.host.as_deref(), self.service.as_deref());
        scope(host, service)?;
        let reason = clean(self.reason.trim());
        if reason.is_empty() {
            let why = "nothing was paused; give a reason that helps your colleagues on call";
            return Err(Problem::Usage(format!("--reason is empty, so {why}")));
        }
        let now = SystemTime::now();
        let until = self.span.as_deref().map(|span| end_of(span, now)).transpose()?;
        let config = context.config()?;
        let warning = match known::check(context, config, host, service) {
            Ok(()) => None,
            Err(UnknownObject::NotLookedUp(why)) => Some(why),
            Err(why) => return Err(Problem::Usage(format!("{why}; nothing was paused"))),
        };
        let by = self.by.as_deref().map_or_else(sudo::caller_name, clean);
        let paused = Paused {
            host: self.host.clone(),
            service: self.service.clone(),
            by,
            reason,
            since: now,
            until,
        };
        let mut ledger = context.ledger_to_write(config)?;
        let same =
            |earlier: &Paused| (&earlier.host, &earlier.service) == (&paused.host, &paused.service);
        let replaced = ledger.pauses(now).map_err(Problem::failed)?.into_iter().find(same);
        ledger.pause(&paused).map_err(Problem::failed)?;
        Ok(PauseResult { paused, replaced, warning })
    }

    fn show(&self, made: PauseResult, _: &Context, out: &mut Out) -> CommandResult {
        let now = SystemTime::now();
        let scope = scope(self.host.as_deref(), self.service.as_deref())?;
        out.line(format!("{scope}: {}", describe(&made.paused, now)));
        if let Some(earlier) = made.replaced {
            out.line(format!("It replaces this pause: {pause}", pause = describe(&earlier, now)));
        }
        out.line("Repairs that are already running continue.");
        let Some(warning) = made.warning else { return Ok(ToolResult::Fine) };
        out.flush();
        let _ = writeln!(std::io::stderr(), "repairctl: warning: {}", clean(&warning));
        Ok(ToolResult::Wrong)
    }
}

impl Split for ResumeArgs {
    /// The pause that was ended, and the pauses that are still in effect.
    type Data = (Option<Paused>, Vec<Paused>);

    fn collect(&self, context: &Context) -> Result<Self::Data, Problem> {
        let (host, service) = (self.host.as_deref(), self.service.as_deref());
        scope(host, service)?;
        let now = SystemTime::now();
        let config = context.config()?;
        // Without a ledger there are no pauses to end. Do not create a ledger just to find none in
        // it.
        if context.ledger(config)?.is_none() {
            return Ok((None, Vec::new()));
        }
        let mut ledger = context.ledger_to_write(config)?;
        let ended = ledger.resume(host, service, now).map_err(Problem::failed)?;
        Ok((ended, ledger.pauses(now).map_err(Problem::failed)?))
    }

    fn show(&self, (ended, rest): Self::Data, _: &Context, out: &mut Out) -> CommandResult {
        let now = SystemTime::now();
        let scope = scope(self.host.as_deref(), self.service.as_deref())?;
        match &ended {
            Some(paused) => out.line(format!(
                "{scope}: resumed; repairs were {pause}",
                pause = describe(paused, now)
            )),
            None => out.line(format!("{scope}: nothing to resume, because it was not paused")),
        }
        for still in &rest {
            out.line(format!(
                "still paused: {scope}: {pause}",
                scope = scope_of(still),
                pause = describe(still, now)
            ));
        }
        Ok(if ended.is_some() { ToolResult::Fine } else { ToolResult::Wrong })
    }
}

impl Split for StatusArgs {
    type Data = RepairStatus;

    fn prints_json(&self) -> bool {
        self.json
    }

    fn collect(&self, context: &Context) -> Result<RepairStatus, Problem> {
        RepairStatus::read(context)
    }

    fn show(&self, status: RepairStatus, context: &Context, out: &mut Out) -> CommandResult {
        let config = context.config()?;
        if self.json {
            json::print(status.json(context, config), out);
        } else {
            status.table(context, config).write(out);
        }
        Ok(if status.is_paused() { ToolResult::Wrong } else { ToolResult::Fine })
    }
}

/// Returns the end of a pause that starts at `now`. `span` is the value of `--for`.
fn end_of(span: &str, now: SystemTime) -> Result<SystemTime, Problem> {
    let Span(span) =
        span.parse().map_err(|bad| Problem::Usage(format!("--for: {bad}; nothing was paused")))?;
    if span.is_zero() {
        return Err(Problem::Usage("--for is zero: give a longer time; nothing was paused".into()));
    }
    Ok(now + span)
}
