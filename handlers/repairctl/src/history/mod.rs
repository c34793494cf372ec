//! `repairctl history`: lists repairs or refusals.

pub mod args;
mod collect;
mod listing;
mod record;

use std::ffi::OsString;
use std::time::SystemTime;

use ledger::{Filter, Which};
use plugin_kit::{Out, Problem, ToolResult};
use privsep::Role;

use crate::context::Context;
use crate::split::{self, CommandResult};
use crate::ui::time;
use args::{HistoryArgs, OutcomeArg};
use collect::HistoryPart;
use listing::Listing;

pub use record::{outcome, repair_json};

/// Prints the records that match the arguments, each part as soon as it has been read.
pub fn run(
    args: &HistoryArgs,
    context: &Context,
    argv: &[OsString],
    out: &mut Out,
) -> CommandResult {
    let collect = |send: &mut dyn FnMut(HistoryPart) -> _| {
        let filter = filter(args, SystemTime::now())?;
        let Some(mut ledger) = context.ledger(context.config()?)? else { return Ok(()) };
        match args.refused {
            true => collect::refusals(ledger.as_mut(), &filter, filter.limit, send),
            false => collect::repairs(args, ledger.as_mut(), &filter, send),
        }
        .map_err(Problem::failed)
    };
    let mut listing = Listing::new(args);
    split::stream(args.json, context, argv, out, collect, |part, out| listing.show(part, out))?;
    if context.role == Role::Started {
        listing.end(out);
    }
    Ok(ToolResult::Fine)
}

fn filter(args: &HistoryArgs, now: SystemTime) -> Result<Filter<'_>, Problem> {
    let time =
        |text: &Option<String>| text.as_deref().map(|text| time::read(text, now)).transpose();
    let which = match (&args.host, &args.service) {
        (None, _) => Which::All,
        (Some(host), None) => Which::Host(host),
        (Some(host), service) => Which::Object(host, service.as_deref()),
    };
    let (since, until) = (time(&args.since)?, time(&args.until)?);
    if let (Some(since), Some(until)) = (since, until)
        && since >= until
    {
        let text = "--since must be before --until; swap the two times";
        return Err(Problem::Usage(text.into()));
    }
    let limit = (args.limit > 0).then_some(args.limit);
    let states = args.outcome.map_or(&[][..], OutcomeArg::states);
    Ok(Filter { which, since, until, states, limit })
}
