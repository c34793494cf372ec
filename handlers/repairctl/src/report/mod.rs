//! `repairctl report`: summarizes the repairs of a month or another period, as an HTML page or as
//! text for an email.

pub mod args;
mod figures;
mod file;
mod format;
mod page;
mod period;
mod text;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use ledger::{Filter, Ledger, Record, relapsed};
use plugin_kit::{Out, Problem, ToolResult};
use policy::Limits;
use policy_file::Config;

use crate::context::Context;
use crate::split::{CommandResult, Split};
use args::ReportArgs;
use figures::{Figures, PeriodRecord};
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
    /// The records of the period, and those of the previous period.
    type Data = (PeriodRecord, PeriodRecord);

    fn collect(&self, context: &Context) -> Result<Self::Data, Problem> {
        let periods = periods(self, SystemTime::now())?;
        let config = context.config()?;
        let Some(mut ledger) = context.ledger(config)? else { return Ok(Default::default()) };
        let mut read = |period| read(ledger.as_mut(), config, period);
        Ok((read(&periods.now)?, read(&periods.before)?))
    }

    fn show(&self, (recorded, before): Self::Data, _: &Context, out: &mut Out) -> CommandResult {
        let now = SystemTime::now();
        let periods = periods(self, now)?;
        let parts = Parts::of(&periods.now)?;
        let figures = Figures::of(periods, parts, &recorded, &before, now);
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

fn read(
    ledger: &mut dyn Ledger,
    config: &Config,
    period: &Period,
) -> Result<PeriodRecord, Problem> {
    let filter =
        Filter { since: Some(period.from), until: Some(period.until), ..Filter::default() };
    let repairs = ledger.repairs(&filter).map_err(Problem::failed)?;
    let refusals = ledger.refusal_counts(&filter).map_err(Problem::failed)?;
    Ok(PeriodRecord {
        relapsed: relapsed(&repairs, |record| relapse(record, config)),
        repairs,
        refusals,
    })
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
