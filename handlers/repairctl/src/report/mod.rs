//! `repairctl report`: summarizes the repairs of a month or another period, as an HTML page or as
//! text for an email.

pub mod args;
mod figures;
mod file;
mod format;
mod page;
mod period;
mod text;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ledger::{Filter, Ledger, Record, RelapseFinder, Which};
use plugin_kit::{Out, Problem, ToolResult};
use policy::{Limits, ReasonCode};
use policy_file::Config;

use crate::context::Context;
use crate::split::{CommandResult, Split};
use args::ReportArgs;
use figures::{FigureCounter, Figures, PeriodFigures, STOPPED};
use file::ReplaceError;
use period::{BadPeriod, Parts, Period, Periods};

/// The HTML page could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {why}")]
struct PageError {
    path: PathBuf,
    why: ReplaceError,
}

impl Split for ReportArgs {
    /// The figures for the period, and those for the previous period.
    type Data = (PeriodFigures, PeriodFigures);

    fn collect(&self, context: &Context) -> Result<Self::Data, Problem> {
        let periods = periods(self, SystemTime::now())?;
        let parts = Parts::of(&periods.now)?;
        let config = context.config()?;
        let Some(mut ledger) = context.ledger(config)? else { return Ok(Default::default()) };
        let ledger = ledger.as_mut();
        let mut now = count(ledger, config, &periods.now, &parts)?;
        let stopped = Filter { limit: Some(STOPPED), ..of(&periods.now) };
        let refused = ledger.refusal_totals(&stopped, Some(ReasonCode::BreakerOpen));
        now.take(refused.map_err(Problem::failed)?);
        for object in &mut now.objects {
            let which = Which::Object(&object.host, object.service.as_deref());
            let filter = Filter { which, ..of(&periods.now) };
            object.sum.refused = ledger.count_refused(&filter).map_err(Problem::failed)?;
        }
        let all = count(ledger, config, &periods.before, &parts)?;
        let mut before = PeriodFigures { sum: all.sum, ..PeriodFigures::default() };
        let refused = ledger.refusal_totals(&of(&periods.before), None);
        before.take(refused.map_err(Problem::failed)?);
        Ok((now, before))
    }

    fn show(&self, (counted, before): Self::Data, _: &Context, out: &mut Out) -> CommandResult {
        let made = SystemTime::now();
        let periods = periods(self, made)?;
        let parts = Parts::of(&periods.now)?;
        let figures = Figures { periods, made, parts, now: counted, before };
        if let Some(to) = &self.html {
            write_page(&page::page(&figures), to, out)?;
        }
        if self.text {
            text::lines(&figures).iter().for_each(|line| out.line(line));
        }
        Ok(ToolResult::Fine)
    }
}

fn periods(args: &ReportArgs, now: SystemTime) -> Result<Periods, BadPeriod> {
    match &args.since {
        Some(since) => Periods::since(since, now),
        None => Periods::of_month(args.month.as_deref(), now),
    }
}

/// Returns a filter for the records of a period.
fn of(period: &Period) -> Filter<'static> {
    Filter { since: Some(period.from), until: Some(period.until), ..Filter::default() }
}

fn count(
    ledger: &mut dyn Ledger,
    config: &Config,
    period: &Period,
    parts: &Parts,
) -> Result<PeriodFigures, Problem> {
    let mut counter = FigureCounter::new(parts);
    let mut relapses = RelapseFinder::default();
    let count = &mut |record: Record| {
        let relapsed = relapses.has_relapsed(&record, relapse(&record, config));
        counter.add(&record, relapsed);
        ControlFlow::Continue(())
    };
    ledger.each_repair(&of(period), count).map_err(Problem::failed)?;
    Ok(counter.figures())
}

/// Returns the policy's `relapse` time for a repair, or the default if the policy no longer has
/// this repair.
fn relapse(record: &Record, config: &Config) -> Duration {
    let rules = record.repair.parse().ok().and_then(|name| config.policy.repairs.get(&name));
    rules.map_or_else(|| Limits::default().relapse, |rules| rules.limits.relapse)
}

fn write_page(page: &str, to: &Path, out: &mut Out) -> Result<(), Problem> {
    if to == Path::new("-") {
        out.bytes(page.as_bytes());
        return Ok(());
    }
    file::replace(to, page.as_bytes())
        .map_err(|why| Problem::failed(PageError { path: to.to_owned(), why }))?;
    if out.is_terminal() {
        out.line(format!("Wrote {}.", plugin_kit::clean(&to.display().to_string())));
    }
    Ok(())
}
