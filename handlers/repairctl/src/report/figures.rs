//! The figures of a report, computed from the records without any I/O. Records are added one at a
//! time, because the records of a month may not fit into memory.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use ledger::{Record, RefusalCount, RefusalTotals, RepairOutcome, RepairState};
use serde::{Deserialize, Serialize};

use super::period::{Parts, Periods};

/// Maximum number of hosts that get a row of their own in the chart and in the table of hosts.
pub const HOSTS: usize = 100;
/// Maximum number of objects in the table of the worst offenders.
pub const OFFENDERS: usize = 15;
/// Maximum number of objects listed because an open breaker refused their repairs.
pub const STOPPED: u32 = 10;
/// Maximum number of escalated repairs listed.
pub const ESCALATED: usize = 25;

/// All figures that a report shows.
#[derive(Debug)]
pub struct Figures {
    /// The period of the report and the previous period.
    pub periods: Periods,
    /// When the report was generated.
    pub made: SystemTime,
    /// The parts of the period, for example its days.
    pub parts: Parts,
    /// The figures for the period.
    pub now: PeriodFigures,
    /// The figures for the previous period. They do not include figures for parts, hosts or
    /// objects.
    pub before: PeriodFigures,
}

/// The figures for one period, computed from its records. Except for the durations, their size does
/// not depend on the number of records.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PeriodFigures {
    /// The counts for the whole period.
    pub sum: RepairCounts,
    /// The counts for each part of the period.
    pub trend: Vec<RepairCounts>,
    /// The [`HOSTS`] hosts with the most repairs.
    pub hosts: Vec<HostFigures>,
    /// The number of hosts that had a repair.
    pub all_hosts: usize,
    /// The repaired objects with the most escalated and relapsed repairs, at most [`OFFENDERS`].
    pub objects: Vec<ObjectFigures>,
    /// Each reason for refusals with the number of refusals, most frequent first.
    pub reasons: Vec<(String, u32)>,
    /// The objects with the most refusals because of an open breaker, at most [`STOPPED`] of them.
    pub stopped: Vec<RefusalCount>,
    /// The total number of objects with a refusal because of an open breaker.
    pub all_stopped: usize,
    /// The [`ESCALATED`] most recent escalated repairs, newest first.
    pub escalated: Vec<Record>,
}

/// The number of repairs for each outcome.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RepairCounts {
    /// Repairs after which the check was OK.
    pub healed: u32,
    /// Repairs after which the fault was still there.
    pub not_healed: u32,
    /// Repairs in which no rung could be run.
    pub could_not_run: u32,
    /// Repairs with an unknown outcome.
    pub unknown: u32,
    /// Repairs that have not finished yet.
    pub running: u32,
    /// Healed repairs whose fault relapsed. They also count as `healed`.
    pub relapsed: u32,
    /// Repairs that healed a SOFT fault without a relapse, so Nagios notified nobody.
    pub pages_saved: u32,
    /// Events for which a repair was refused.
    pub refused: u32,
    /// The duration of each healed repair, shortest first. Empty for a host or an object.
    #[serde(with = "milliseconds")]
    pub times: Vec<Duration>,
}

/// The figures for one host.
#[derive(Debug, Serialize, Deserialize)]
pub struct HostFigures {
    /// The host's name in Nagios.
    pub host: String,
    /// The numbers of healed and escalated repairs in each part of the period.
    pub parts: Vec<(u32, u32)>,
    /// The counts for the whole period.
    pub sum: RepairCounts,
}

/// The figures for one service, or for a host itself.
#[derive(Debug, Serialize, Deserialize)]
pub struct ObjectFigures {
    /// The host's name in Nagios.
    pub host: String,
    /// The service's description; absent for the host itself.
    pub service: Option<String>,
    /// The counts of repairs and refusals for the whole period.
    pub sum: RepairCounts,
}

/// Serializes durations as milliseconds, which is how the ledger records them. By default, serde
/// would serialize each duration as an object, and the durations of a month would take more memory
/// than all other data.
mod milliseconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(times: &[Duration], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(times.iter().map(Duration::as_millis))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Duration>, D::Error> {
        Ok(Vec::deserialize(from)?.into_iter().map(Duration::from_millis).collect())
    }
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
            }
        }
    }

    /// Adds a repair and its duration.
    fn add_timed(&mut self, record: &Record, relapsed: bool) {
        self.add(record, relapsed);
        if record.outcome == Some(RepairOutcome::Healed) {
            self.times.extend(record.took());
        }
    }

    /// Returns the number of repairs that were started.
    pub fn repairs(&self) -> u32 {
        self.healed + self.escalated() + self.running
    }

    /// Returns the number of escalated repairs, which are those that did not heal the fault, could
    /// not run or have an unknown outcome.
    pub fn escalated(&self) -> u32 {
        self.not_healed + self.could_not_run + self.unknown
    }

    /// Returns the percentage of finished repairs that healed the fault. Returns `None` if no
    /// repair has finished.
    pub fn healed_share(&self) -> Option<f64> {
        let ended = self.healed + self.escalated();
        (ended > 0).then(|| 100.0 * f64::from(self.healed) / f64::from(ended))
    }

    /// Returns a percentile of the times to heal, using the nearest-rank method. `part` must be
    /// between 0 and 1, for example 0.9 for the 90th percentile.
    pub fn percentile(&self, part: f64) -> Option<Duration> {
        quantile(&self.times, part)
    }
}

/// Returns a quantile, using the nearest-rank method. `sorted` must be in ascending order, and
/// `part` must be between 0 and 1.
fn quantile(sorted: &[Duration], part: f64) -> Option<Duration> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the rank is at most the length of the list"
    )]
    let rank = (sorted.len() as f64 * part).ceil() as usize;
    sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
}

impl Figures {
    /// Whether there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.now.sum.repairs() == 0 && self.now.sum.refused == 0
    }

    /// Returns each reason for refusals in the period, most frequent first, with the number of
    /// refusals in this period and in the previous one.
    pub fn reasons(&self) -> impl Iterator<Item = (&str, u32, u32)> {
        let before: HashMap<&str, u32> =
            self.before.reasons.iter().map(|(why, count)| (why.as_str(), *count)).collect();
        self.now.reasons.iter().map(move |(why, now)| {
            (why.as_str(), *now, before.get(why.as_str()).copied().unwrap_or(0))
        })
    }
}

impl PeriodFigures {
    /// Stores the refusal counts. Refusals because of an open breaker are counted per object.
    pub fn take(&mut self, refused: RefusalTotals) {
        self.sum.refused = refused.reasons.iter().map(|(_, count)| count).sum();
        let reasons = refused.reasons.into_iter();
        self.reasons = reasons.map(|(why, count)| (why.as_str().to_owned(), count)).collect();
        self.stopped = refused.objects;
        self.all_stopped = refused.all_objects;
    }
}

/// Computes the figures for one period from its repairs.
pub struct FigureCounter<'a> {
    parts: &'a Parts,
    figures: PeriodFigures,
    hosts: HashMap<String, HostFigures>,
    objects: HashMap<(String, Option<String>), RepairCounts>,
}

impl<'a> FigureCounter<'a> {
    /// Creates a counter for a period with these parts.
    pub fn new(parts: &'a Parts) -> FigureCounter<'a> {
        let trend = vec![RepairCounts::default(); parts.parts.len()];
        let figures = PeriodFigures { trend, ..PeriodFigures::default() };
        FigureCounter { parts, figures, hosts: HashMap::new(), objects: HashMap::new() }
    }

    /// Adds a repair. Repairs must be added from the newest to the oldest.
    pub fn add(&mut self, record: &Record, relapsed: bool) {
        let part = self.parts.index(record.reserved);
        self.figures.sum.add_timed(record, relapsed);
        if let Some(counts) = self.figures.trend.get_mut(part) {
            counts.add_timed(record, relapsed);
        }
        let host = self.hosts.entry(record.host.clone()).or_insert_with(|| HostFigures {
            host: record.host.clone(),
            parts: vec![(0, 0); self.parts.parts.len()],
            sum: RepairCounts::default(),
        });
        host.sum.add(record, relapsed);
        if let Some((healed, escalated)) = host.parts.get_mut(part) {
            *healed += u32::from(record.outcome == Some(RepairOutcome::Healed));
            *escalated += u32::from(is_escalated(record));
        }
        let object = (record.host.clone(), record.service.clone());
        self.objects.entry(object).or_default().add(record, relapsed);
        if is_escalated(record) && self.figures.escalated.len() < ESCALATED {
            self.figures.escalated.push(record.clone());
        }
    }

    /// Returns the figures for all repairs that were added.
    pub fn figures(self) -> PeriodFigures {
        let mut figures = self.figures;
        figures.sum.times.sort_unstable();
        figures.trend.iter_mut().for_each(|counts| counts.times.sort_unstable());
        figures.all_hosts = self.hosts.len();
        figures.hosts = most_repaired(self.hosts.into_values().collect());
        figures.objects = worst(self.objects);
        figures
    }
}

/// Whether the repair finished without healing the fault. Every such repair is escalated.
fn is_escalated(record: &Record) -> bool {
    record.outcome.is_some_and(|how| how != RepairOutcome::Healed)
}

fn most_repaired(mut hosts: Vec<HostFigures>) -> Vec<HostFigures> {
    hosts.sort_by(|a, b| b.sum.repairs().cmp(&a.sum.repairs()).then_with(|| a.host.cmp(&b.host)));
    hosts.truncate(HOSTS);
    hosts
}

/// Returns the worst objects, sorted by the number of escalated and relapsed repairs, then by the
/// number of all repairs.
fn worst(objects: HashMap<(String, Option<String>), RepairCounts>) -> Vec<ObjectFigures> {
    let figures = |((host, service), sum)| ObjectFigures { host, service, sum };
    let mut objects: Vec<ObjectFigures> = objects.into_iter().map(figures).collect();
    let badness = |object: &ObjectFigures| {
        (object.sum.escalated() + object.sum.relapsed, object.sum.repairs())
    };
    objects.sort_by(|a, b| {
        badness(b).cmp(&badness(a)).then_with(|| (&a.host, &a.service).cmp(&(&b.host, &b.service)))
    });
    objects.truncate(OFFENDERS);
    objects
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
