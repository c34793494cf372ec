//! Reads the records from the ledger and passes them on in parts.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::ControlFlow;

use ledger::{Filter, Ledger, Record, RecordedReason, Refusal, RefusalCount};
use serde::{Deserialize, Serialize};

use super::args::HistoryArgs;

/// Number of records in each part. The last part can have fewer.
const PART: usize = 500;

/// Maximum number of refusals to count, unless `--limit` is higher. Without a maximum, anyone who
/// wants to see only the newest refusals would have to wait until all refusals of the last 90 days
/// have been counted.
const COUNTED: u32 = 10_000;

/// A part of the records that match the arguments.
#[derive(Debug, Serialize, Deserialize)]
pub enum HistoryPart {
    /// The next repairs, newest first.
    Repairs(Vec<Record>),
    /// The next refusals, newest first.
    Refusals(Vec<Refusal>),
    /// The refusal counts. This part comes last.
    Counts(RefusalSummary),
}

/// The number of refusals for each object and reason.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct RefusalSummary {
    /// The counts, highest first.
    pub counts: Vec<RefusalCount>,
    /// Whether the counts include all matching refusals. If not, older refusals were left out.
    pub complete: bool,
}

/// A function that receives each part. It returns `Break` if it wants no further parts.
type Send<'a> = &'a mut dyn FnMut(HistoryPart) -> ControlFlow<()>;

/// Passes on the matching repairs. If the output is text and `--outcome` is not given, also passes
/// on the counts of the matching refusals, which this output shows at the end.
pub fn repairs(
    args: &HistoryArgs,
    ledger: &mut dyn Ledger,
    filter: &Filter<'_>,
    send: Send<'_>,
) -> Result<(), ledger::Error> {
    let mut list = Vec::new();
    let mut ended = ControlFlow::Continue(());
    ledger.each_repair(filter, &mut |record| {
        list.push(record);
        ended = part(&mut list, PART, HistoryPart::Repairs, send);
        ended
    })?;
    if ended.is_break() || part(&mut list, 1, HistoryPart::Repairs, send).is_break() {
        return Ok(());
    }
    match args.outcome.is_none() && !args.json {
        true => refusals(ledger, filter, Some(0), send),
        false => Ok(()),
    }
}

/// Passes on the first `listed` matching refusals, or all of them if it is `None`, and then the
/// counts.
pub fn refusals(
    ledger: &mut dyn Ledger,
    filter: &Filter<'_>,
    listed: Option<u32>,
    send: Send<'_>,
) -> Result<(), ledger::Error> {
    let (mut list, mut tally) = (Vec::new(), RefusalTally::default());
    let mut ended = ControlFlow::Continue(());
    let counted = listed.map(|listed| listed.max(COUNTED));
    // Read one more refusal than will be counted, to find out whether there are older ones.
    let read = Filter { limit: counted.map(|counted| counted.saturating_add(1)), ..*filter };
    ledger.each_refusal(&read, &mut |refusal| {
        if Some(tally.seen) == counted {
            tally.is_cut = true;
            return ControlFlow::Break(());
        }
        tally.count(&refusal);
        if listed.is_none_or(|listed| tally.seen <= listed) {
            list.push(refusal);
            ended = part(&mut list, PART, HistoryPart::Refusals, send);
        }
        ended
    })?;
    if ended.is_continue() && part(&mut list, 1, HistoryPart::Refusals, send).is_continue() {
        let _ = send(HistoryPart::Counts(tally.summary()));
    }
    Ok(())
}

/// If `list` contains at least `least` records, passes them on as one part and empties the list.
fn part<T>(
    list: &mut Vec<T>,
    least: usize,
    part: fn(Vec<T>) -> HistoryPart,
    send: Send<'_>,
) -> ControlFlow<()> {
    if list.len() < least {
        return ControlFlow::Continue(());
    }
    send(part(std::mem::take(list)))
}

/// Counts refusals for each object and reason. Refusals must be added from the newest to the
/// oldest.
#[derive(Default)]
struct RefusalTally {
    counts: HashMap<(String, Option<String>, RecordedReason), RefusalCount>,
    seen: u32,
    is_cut: bool,
}

impl RefusalTally {
    fn count(&mut self, refusal: &Refusal) {
        let Refusal { at, host, service, reason, .. } = refusal;
        let key = (host.clone(), service.clone(), reason.clone());
        let count = self.counts.entry(key).or_insert_with(|| RefusalCount {
            host: host.clone(),
            service: service.clone(),
            reason: reason.clone(),
            count: 0,
            first: *at,
            last: *at,
        });
        (count.count, count.first) = (count.count + 1, *at);
        self.seen = self.seen.saturating_add(1);
    }

    fn summary(self) -> RefusalSummary {
        let mut counts: Vec<RefusalCount> = self.counts.into_values().collect();
        counts.sort_by(|a, b| {
            let key = |one: &RefusalCount| Reverse(one.count);
            let name = |one: &RefusalCount| (one.host.clone(), one.service.clone());
            key(a).cmp(&key(b)).then_with(|| (name(a), &a.reason).cmp(&(name(b), &b.reason)))
        });
        RefusalSummary { counts, complete: !self.is_cut }
    }
}
