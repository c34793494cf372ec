//! Computes a report's figures from the records, without any I/O.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use ledger::{Record, RefusalCount, RepairOutcome, RepairState};
use policy::ReasonCode;
use serde::{Deserialize, Serialize};

use super::period::{Parts, Periods};

/// The records of one period.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PeriodRecord {
    /// The repairs, newest first.
    pub repairs: Vec<Record>,
    /// For each element of `repairs`, whether it healed a fault that relapsed.
    pub relapsed: Vec<bool>,
    /// The number of refusals for each object and reason.
    pub refusals: Vec<RefusalCount>,
}

/// All figures that a report shows.
#[derive(Debug)]
pub struct Figures {
    /// The period of the report and the previous period.
    pub periods: Periods,
    /// When the report was generated.
    pub made: SystemTime,
    /// The counts for the whole period.
    pub now: RepairCounts,
    /// The counts of the previous period.
    pub before: RepairCounts,
    /// The parts of the period, for example its days.
    pub parts: Parts,
    /// The counts of each part of the period.
    pub trend: Vec<RepairCounts>,
    /// The figures of each host, sorted by number of repairs.
    pub hosts: Vec<HostFigures>,
    /// The figures of each repaired object. Those with the most escalated and relapsed repairs come
    /// first.
    pub objects: Vec<ObjectFigures>,
    /// Each reason with its number of refusals in this period and in the previous one. The most
    /// frequent reason comes first.
    pub reasons: Vec<(String, u32, u32)>,
    /// How many repairs of each object were refused because of an open breaker.
    pub stopped: Vec<RefusalCount>,
    /// The repairs that were escalated, newest first.
    pub escalated: Vec<Record>,
}

/// The number of repairs with each outcome, and related counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RepairCounts {
    /// Repairs after which the check was OK.
    pub healed: u32,
    /// Repairs after which the fault was still there.
    pub not_healed: u32,
    /// Repairs in which no rung could be run.
    pub could_not_run: u32,
    /// Repairs with an unknown outcome.
    pub unknown: u32,
    /// Repairs that have not ended yet.
    pub running: u32,
    /// Healed repairs whose fault relapsed. They also count as `healed`.
    pub relapsed: u32,
    /// Repairs that healed a SOFT fault without a relapse, so Nagios notified nobody.
    pub pages_saved: u32,
    /// Events for which a repair was refused.
    pub refused: u32,
    /// The duration of each healed repair, shortest first.
    pub times: Vec<Duration>,
}

/// The figures of one host.
#[derive(Debug)]
pub struct HostFigures {
    /// The host's name in Nagios.
    pub host: String,
    /// The numbers of healed and escalated repairs in each part of the period.
    pub parts: Vec<(u32, u32)>,
    /// The counts of the whole period.
    pub sum: RepairCounts,
}

/// The figures of one service, or of a host itself.
#[derive(Debug)]
pub struct ObjectFigures {
    /// The host's name in Nagios.
    pub host: String,
    /// The service's description; absent for the host itself.
    pub service: Option<String>,
    /// The repairs and refusals of the whole period.
    pub sum: RepairCounts,
}

impl RepairCounts {
    fn add(&mut self, record: &Record, relapsed: bool) {
        match record.state() {
            RepairState::Running => self.running += 1,
            RepairState::Ended(RepairOutcome::NotHealed) => self.not_healed += 1,
            RepairState::Ended(RepairOutcome::CouldNotRun) => self.could_not_run += 1,
            RepairState::Ended(RepairOutcome::Unknown) => self.unknown += 1,
            RepairState::Ended(RepairOutcome::Healed) => {
                self.healed += 1;
                self.relapsed += u32::from(relapsed);
                self.pages_saved += u32::from(!relapsed && record.event.contains(";SOFT;"));
                self.times.extend(record.took());
            }
        }
    }

    fn of(recorded: &PeriodRecord) -> RepairCounts {
        let mut counts = RepairCounts {
            refused: recorded.refusals.iter().map(|count| count.count).sum(),
            ..RepairCounts::default()
        };
        recorded.each().for_each(|(record, relapsed)| counts.add(record, relapsed));
        counts.times.sort_unstable();
        counts
    }

    /// Returns the number of repairs that were started.
    pub fn repairs(&self) -> u32 {
        self.healed + self.escalated() + self.running
    }

    /// Returns the number of escalated repairs: not healed, could not run, or of unknown outcome.
    pub fn escalated(&self) -> u32 {
        self.not_healed + self.could_not_run + self.unknown
    }

    /// Returns the percentage of ended repairs that healed the fault. Returns `None` if no repair
    /// has ended.
    pub fn healed_share(&self) -> Option<f64> {
        let ended = self.healed + self.escalated();
        (ended > 0).then(|| 100.0 * f64::from(self.healed) / f64::from(ended))
    }

    /// Returns a percentile of the times to heal by the nearest-rank method. `part` is between 0
    /// and 1.
    pub fn percentile(&self, part: f64) -> Option<Duration> {
        quantile(&self.times, part)
    }
}

/// Returns a quantile by the nearest-rank method. `sorted` must be in ascending order, and `part`
/// must be between 0 and 1.
fn quantile(sorted: &[Duration], part: f64) -> Option<Duration> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the rank is not larger than the list"
    )]
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

impl PeriodRecord {
    fn each(&self) -> impl Iterator<Item = (&Record, bool)> {
        self.repairs.iter().zip(self.relapsed.iter().copied())
    }
}

impl Figures {
    /// Computes all figures from the records of the two periods.
    pub fn of(
        periods: Periods,
        parts: Parts,
        now: &PeriodRecord,
        before: &PeriodRecord,
        made: SystemTime,
    ) -> Figures {
        let is_stop = |count: &&RefusalCount| count.reason.code() == Some(ReasonCode::BreakerOpen);
        let stopped = now.refusals.iter().filter(is_stop).cloned().collect();
        let escalated = now.repairs.iter().filter(|record| is_escalated(record));
        Figures {
            periods,
            made,
            now: RepairCounts::of(now),
            before: RepairCounts::of(before),
            trend: trend(&parts, now),
            hosts: hosts(&parts, now),
            objects: objects(now),
            reasons: reasons(now, before),
            stopped,
            escalated: escalated.cloned().collect(),
            parts,
        }
    }

    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.now.repairs() == 0 && self.now.refused == 0
    }
}

/// Whether the repair ended without healing the fault. Every such repair is escalated.
fn is_escalated(record: &Record) -> bool {
    record.outcome.is_some_and(|how| how != RepairOutcome::Healed)
}

fn trend(parts: &Parts, recorded: &PeriodRecord) -> Vec<RepairCounts> {
    let mut trend = vec![RepairCounts::default(); parts.parts.len()];
    for (record, relapsed) in recorded.each() {
        if let Some(counts) = trend.get_mut(parts.index(record.reserved)) {
            counts.add(record, relapsed);
        }
    }
    trend.iter_mut().for_each(|counts| counts.times.sort_unstable());
    trend
}

fn hosts(parts: &Parts, recorded: &PeriodRecord) -> Vec<HostFigures> {
    let mut hosts: HashMap<&str, HostFigures> = HashMap::new();
    for (record, relapsed) in recorded.each() {
        let host = hosts.entry(&record.host).or_insert_with(|| HostFigures {
            host: record.host.clone(),
            parts: vec![(0, 0); parts.parts.len()],
            sum: RepairCounts::default(),
        });
        host.sum.add(record, relapsed);
        if let Some((healed, escalated)) = host.parts.get_mut(parts.index(record.reserved)) {
            *healed += u32::from(record.outcome == Some(RepairOutcome::Healed));
            *escalated += u32::from(is_escalated(record));
        }
    }
    let mut hosts: Vec<HostFigures> = hosts.into_values().collect();
    hosts.sort_by(|a, b| b.sum.repairs().cmp(&a.sum.repairs()).then_with(|| a.host.cmp(&b.host)));
    hosts
}

/// Returns the objects, the worst first. They are sorted by the number of escalated and relapsed
/// repairs, then by the number of all repairs.
fn objects(recorded: &PeriodRecord) -> Vec<ObjectFigures> {
    let mut objects: HashMap<(&str, Option<&str>), RepairCounts> = HashMap::new();
    for (record, relapsed) in recorded.each() {
        objects.entry((&record.host, record.service.as_deref())).or_default().add(record, relapsed);
    }
    for count in &recorded.refusals {
        if let Some(sum) = objects.get_mut(&(count.host.as_str(), count.service.as_deref())) {
            sum.refused += count.count;
        }
    }
    let figures = |((host, service), sum): ((&str, Option<&str>), RepairCounts)| ObjectFigures {
        host: host.to_owned(),
        service: service.map(str::to_owned),
        sum,
    };
    let mut objects: Vec<ObjectFigures> = objects.into_iter().map(figures).collect();
    let badness = |object: &ObjectFigures| {
        (object.sum.escalated() + object.sum.relapsed, object.sum.repairs())
    };
    objects.sort_by(|a, b| {
        badness(b).cmp(&badness(a)).then_with(|| (&a.host, &a.service).cmp(&(&b.host, &b.service)))
    });
    objects
}

fn reasons(now: &PeriodRecord, before: &PeriodRecord) -> Vec<(String, u32, u32)> {
    let mut sums: HashMap<&str, (u32, u32)> = HashMap::new();
    for RefusalCount { reason, count, .. } in &now.refusals {
        sums.entry(reason.as_str()).or_default().0 += count;
    }
    for RefusalCount { reason, count, .. } in &before.refusals {
        sums.entry(reason.as_str()).or_default().1 += count;
    }
    let mut reasons: Vec<(String, u32, u32)> =
        sums.into_iter().map(|(why, (now, before))| (why.to_owned(), now, before)).collect();
    reasons.sort_by(|a, b| (b.1, b.2).cmp(&(a.1, a.2)).then_with(|| a.0.cmp(&b.0)));
    reasons
}

/// Groups durations into classes for a histogram. Returns the start, the end and the count of each
/// class. The last class has no end.
pub fn distribution(times: &[Duration]) -> Vec<(Duration, Option<Duration>, u32)> {
    const EDGES: [u64; 12] = [0, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800];
    let edges: Vec<Duration> = EDGES.into_iter().map(Duration::from_secs).collect();
    let ends = edges.iter().skip(1).copied().map(Some).chain([None]);
    let class = |(from, to): (Duration, Option<Duration>)| {
        let count = times.iter().filter(|t| **t >= from && to.is_none_or(|to| **t < to)).count();
        (from, to, u32::try_from(count).unwrap_or(u32::MAX))
    };
    edges.iter().copied().zip(ends).map(class).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(values: &[u64]) -> Vec<Duration> {
        values.iter().copied().map(Duration::from_secs).collect()
    }

    #[test]
    fn returns_an_element_of_the_list_as_quantile() {
        let times = seconds(&[1, 2, 3, 4, 100]);
        assert_eq!(quantile(&times, 0.5), Some(Duration::from_secs(3)));
        assert_eq!(quantile(&times, 0.9), Some(Duration::from_secs(100)));
        assert_eq!(quantile(&times, 0.0), Some(Duration::from_secs(1)));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn puts_every_duration_into_exactly_one_class() {
        let times = seconds(&[0, 1, 4, 5, 59, 60, 1799, 1800, 90_000]);
        let classes = distribution(&times);
        assert_eq!(classes.iter().map(|class| class.2).sum::<u32>(), 9);
        assert_eq!(classes.last().map(|class| (class.1, class.2)), Some((None, 2)));
    }
}
