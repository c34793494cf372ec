//! Reads the records from the ledger and passes them to a function in parts, so that they need not
//! fit into memory.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::SystemTime;

use ledger::{Filter, Ledger, Record, RecordedReason, Refusal, RefusalCount};
use serde::{Deserialize, Serialize};

use super::args::HistoryArgs;

/// Number of records that are passed to [`Send`] at a time.
const PART: usize = 500;

/// Maximum number of refusals to count, unless `--limit` is higher. Without a maximum, an admin who
/// wants to see only the newest refusals would have to wait until all refusals of the last 90 days
/// have been counted.
const COUNTED: u32 = 10_000;

/// Maximum number of counts, each of which is for one object and one reason. The maximum bounds the
/// memory, because a large site can have refusals for a hundred thousand objects, each with several
/// reasons.
const MOST_COUNTS: usize = 10_000;

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
    /// Whether the counts include all matching refusals. If not, the oldest refusals were left out.
    pub complete: bool,
}

/// A function that receives each part. It returns `Break` if it wants no further parts.
type Send<'a> = &'a mut dyn FnMut(HistoryPart) -> ControlFlow<()>;

/// Passes the matching repairs to `send`. Text output without `--outcome` ends with the counts of
/// the matching refusals, so for this output the counts are passed as well.
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

/// Passes the newest `listed` matching refusals to `send`, or all of them if `listed` is `None`.
/// Then passes the counts.
pub fn refusals(
    ledger: &mut dyn Ledger,
    filter: &Filter<'_>,
    listed: Option<u32>,
    send: Send<'_>,
) -> Result<(), ledger::Error> {
    let counted = listed.map(|listed| listed.max(COUNTED));
    let mut tally = RefusalTally { counted, ..RefusalTally::default() };
    let (mut list, mut left) = (Vec::new(), listed);
    let mut ended = ControlFlow::Continue(());
    // Read one more refusal than will be counted, to find out whether there are older ones.
    let read = Filter { limit: counted.map(|counted| counted.saturating_add(1)), ..*filter };
    ledger.each_refusal(&read, &mut |refusal| {
        tally.count(&refusal);
        if left != Some(0) {
            left = left.map(|left| left - 1);
            list.push(refusal);
            ended = part(&mut list, PART, HistoryPart::Refusals, send);
        } else if tally.is_cut {
            return ControlFlow::Break(());
        }
        ended
    })?;
    if ended.is_continue() && part(&mut list, 1, HistoryPart::Refusals, send).is_continue() {
        let _ = send(HistoryPart::Counts(tally.summary()));
    }
    Ok(())
}

/// If `list` contains at least `least` records, passes them to `send` as one part and empties the
/// list.
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

/// A host, a service and a reason.
type ObjectReason = (String, Option<String>, RecordedReason);

/// The number of refusals, and the times of the first and the last of them.
type CountFirstLast = (u32, SystemTime, SystemTime);

/// Counts refusals for each object and reason. Refusals must be added from the newest to the
/// oldest.
#[derive(Default)]
struct RefusalTally {
    counts: HashMap<ObjectReason, CountFirstLast>,
    /// Maximum number of refusals to count, or `None` to count all.
    counted: Option<u32>,
    seen: u32,
    /// Whether a refusal was left out of the counts. In this case, all older refusals are left out
    /// too, so that the counts cover every refusal since a certain time.
    is_cut: bool,
}

impl RefusalTally {
    fn count(&mut self, refusal: &Refusal) {
        let Refusal { at, host, service, reason, .. } = refusal;
        let key = (host.clone(), service.clone(), reason.clone());
        let has_room = self.counts.len() < MOST_COUNTS || self.counts.contains_key(&key);
        self.is_cut |= Some(self.seen) == self.counted || !has_room;
        if self.is_cut {
            return;
        }
        let (count, first, _) = self.counts.entry(key).or_insert((0, *at, *at));
        (*count, *first) = (*count + 1, *at);
        self.seen = self.seen.saturating_add(1);
    }

    fn summary(self) -> RefusalSummary {
        let count = |(key, times)| {
            let ((host, service, reason), (count, first, last)) = (key, times);
            RefusalCount { host, service, reason, count, first, last }
        };
        let mut counts: Vec<RefusalCount> = self.counts.into_iter().map(count).collect();
        counts.sort_by(|a, b| {
            let key = |one: &RefusalCount| Reverse(one.count);
            let name = |one: &RefusalCount| (one.host.clone(), one.service.clone());
            key(a).cmp(&key(b)).then_with(|| (name(a), &a.reason).cmp(&(name(b), &b.reason)))
        });
        RefusalSummary { counts, complete: !self.is_cut }
    }
}
