//! `repairctl reset`: closes a breaker by hand.

pub mod args;

use std::ffi::OsString;
use std::time::SystemTime;

use ledger::{Filter, HeldBack, Ledger, Reset, Which};
use plugin_kit::{Out, Problem, ToolResult, clean};
use policy_file::Config;
use serde::{Deserialize, Serialize};

use crate::context::Context;
use crate::object::Object;
use crate::split::{CommandResult, Split};
use crate::sudo;
use args::ResetArgs;

/// What `reset` has changed.
#[derive(Serialize, Deserialize)]
pub struct ResetResult {
    /// Whether the ledger has anything on record for the object. If not, nothing was reset.
    is_known: bool,
    /// The objects whose repairs were held back before the reset, each with the reason why.
    before: Vec<(String, String)>,
    /// The objects whose repairs are still held back after the reset, each with the reason why.
    after: Vec<(String, String)>,
}

impl Split for ResetArgs {
    type Data = ResetResult;

    fn extra_args(&self) -> Vec<OsString> {
        vec![format!("--by={}", sudo::caller_name()).into()]
    }

    fn collect(&self, context: &Context) -> Result<ResetResult, Problem> {
        let reason = clean(self.reason.trim());
        if reason.is_empty() {
            let why = "nothing was reset; say why repairs can help again";
            return Err(Problem::Usage(format!("--reason is empty, so {why}")));
        }
        let config = context.config()?;
        let nothing = ResetResult { is_known: false, before: Vec::new(), after: Vec::new() };
        // Without a ledger there are no breakers to close. Do not create a ledger just to find none
        // in it.
        if context.ledger(config)?.is_none() {
            return Ok(nothing);
        }
        let mut ledger = context.ledger_to_write(config)?;
        if !self.is_known(ledger.as_mut()).map_err(Problem::failed)? {
            return Ok(nothing);
        }
        let before = self.held_back(ledger.as_mut(), config).map_err(Problem::failed)?;
        let reset = Reset {
            at: SystemTime::now(),
            host: self.host.clone(),
            service: self.service.clone(),
            by: self.by.as_deref().map_or_else(sudo::caller_name, clean),
            reason,
        };
        ledger.reset(&reset).map_err(Problem::failed)?;
        let after = self.held_back(ledger.as_mut(), config).map_err(Problem::failed)?;
        Ok(ResetResult { is_known: true, before, after })
    }

    fn show(&self, result: ResetResult, _: &Context, out: &mut Out) -> CommandResult {
        let scope = Object { host: &self.host, service: self.service.as_deref() }.to_string();
        if !result.is_known {
            out.line(format!(
                "{scope}: the ledger has no record of this name, so nothing was reset; check the \
                 name"
            ));
            return Ok(ToolResult::Wrong);
        }
        out.line(format!("{scope}: reset; earlier repairs no longer count towards its limits"));
        for (object, reason) in &result.before {
            out.line(format!(
                "{object}: repairs were held back: {reason}",
                object = clean(object),
                reason = clean(reason)
            ));
        }
        for (object, reason) in &result.after {
            out.line(format!(
                "{object}: repairs are still held back: {reason}",
                object = clean(object),
                reason = clean(reason)
            ));
        }
        out.line("The next event or sweep can start a repair again.");
        Ok(ToolResult::Fine)
    }
}

impl ResetArgs {
    fn is_known(&self, ledger: &mut dyn Ledger) -> Result<bool, ledger::Error> {
        let which = match &self.service {
            Some(service) => Which::Object(&self.host, Some(service)),
            None => Which::Host(&self.host),
        };
        let filter = Filter { which, limit: Some(1), ..Filter::default() };
        Ok(!ledger.repairs(&filter)?.is_empty())
    }

    /// Returns the objects in the scope of this reset whose repairs are held back, each with the
    /// reason why.
    fn held_back(
        &self,
        ledger: &mut dyn Ledger,
        config: &Config,
    ) -> Result<Vec<(String, String)>, ledger::Error> {
        let is_covered = |held: &HeldBack| {
            held.host == self.host && (self.service.is_none() || held.service == self.service)
        };
        let held = ledger::held_back(ledger, &config.policy, SystemTime::now())?;
        let covered = held.into_iter().filter(is_covered);
        Ok(covered.map(|held| (held.object(), held.reason.to_string())).collect())
    }
}
