//! Asks the policy at every event of a log, and keeps the record that the ledger would hold.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use policy::{
    Event, FleetUsage, History, ObjectNow, Observation, PastOutcome, Policy, Reason,
    RecordedHistory, RepairName, Rules, StateType, admit, consider,
};

use super::entry::{Change, Entry, What};
use super::past::{Made, age};
use super::things::{Things, Told, TooMany};

/// What is taken to become of a repair: no log can tell what a repair that was not made would have
/// done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assume {
    /// Each repair ends the trouble; what the log shows of it afterwards would not have been.
    Heals,
    /// A repair healed when the next line of the object is a recovery; the log stays as it is.
    Log,
}

/// How a replay is made.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The rules.
    pub policy: &'a Policy,
    /// What becomes of repairs.
    pub assume: Assume,
    /// How long a repair takes.
    pub takes: Duration,
    /// Acknowledgements, flapping and the share in trouble count: the policy names a status file.
    pub knows_status: bool,
}

/// A decision worth telling: a repair, or one that was called for and refused.
#[derive(Debug)]
pub struct Decided<'a> {
    /// Seconds since 1970.
    pub at: u64,
    /// The event.
    pub event: &'a Event,
    /// What was decided.
    pub verdict: Result<&'a RepairName, &'a Reason>,
}

/// What was counted over all objects.
#[derive(Debug, Default)]
pub struct Tally {
    /// The first and last time.
    pub span: Option<(u64, u64)>,
    /// Lines read.
    pub lines: u64,
    /// Repairs by how they would have ended.
    pub healed: u64,
    /// Repairs after which the log shows the trouble going on.
    pub failed: u64,
    /// Events that called for a repair and were refused, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Events that called for none, by reason.
    pub stood: BTreeMap<&'static str, u64>,
    /// Events that would not have been, for the trouble was taken to be over.
    pub spared: u64,
}

/// The replay.
pub struct Sim<'a> {
    terms: Terms<'a>,
    /// The objects.
    pub things: Things,
    /// The counts.
    pub tally: Tally,
    /// Began and ended, of the repairs within the fleet's window.
    fleet: VecDeque<(u64, u64)>,
    jobs: u64,
}

/// An alert and its call are logged in the same second, or the next.
const TOLD_TWICE_WITHIN: u64 = 60;
/// After its longest time, a repair has so long for a check to see what it did.
const SEEN_WITHIN: u64 = 120;

impl<'a> Sim<'a> {
    /// A replay over these objects.
    pub fn new(terms: Terms<'a>, things: Things) -> Sim<'a> {
        Sim { terms, things, tally: Tally::default(), fleet: VecDeque::new(), jobs: 0 }
    }

    /// Takes in a line of the log; `tell` hears of decisions.
    pub fn take(
        &mut self,
        entry: &Entry<'_>,
        tell: &mut dyn FnMut(&Decided<'_>),
    ) -> Result<(), TooMany> {
        let Some(index) = self.things.find(entry.object)? else { return Ok(()) };
        match entry.what {
            What::Alert(change) => self.change(index, entry.at, change, false, tell),
            What::Call(change) => self.change(index, entry.at, change, true, tell),
            What::Is(state) => {
                self.settle(index, entry.at, state.is_good());
                self.things.now(index, state);
            }
            What::Downtime(begins) => {
                if let Some(thing) = self.things.get(index) {
                    thing.downtime =
                        if begins { thing.downtime + 1 } else { thing.downtime.saturating_sub(1) };
                }
            }
            What::Flapping(begins) => {
                if let Some(thing) = self.things.get(index) {
                    thing.flapping = begins;
                }
            }
            What::Acknowledged(is) => {
                if let Some(thing) = self.things.get(index) {
                    thing.acknowledged = is;
                }
            }
            What::Page => self.page(index, entry.at),
        }
        Ok(())
    }

    /// Counts a notification. One of the second in which a repair began at HARD was on its way
    /// already.
    fn page(&mut self, index: usize, at: u64) {
        let Some(thing) = self.things.get(index).filter(|thing| thing.event.repair.is_some())
        else {
            return;
        };
        thing.count.pages += 1;
        thing.count.saved +=
            u64::from(thing.healed.is_some_and(|(began, ended)| at >= ended && at > began));
    }

    fn change(
        &mut self,
        index: usize,
        at: u64,
        change: Change,
        as_call: bool,
        tell: &mut dyn FnMut(&Decided<'_>),
    ) {
        if self.is_told_already(index, at, change, as_call) {
            return;
        }
        self.settle(index, at, change.state.is_good());
        let before = self.things.now(index, change.state);
        let Some(thing) = self.things.get(index).filter(|thing| thing.event.repair.is_some())
        else {
            return;
        };
        thing.event.last_state = before;
        if thing.healed.is_some_and(|(_, ended)| at >= ended) {
            self.tally.spared += 1;
            return;
        }
        self.decide(index, at, change, tell);
    }

    fn is_told_already(&mut self, index: usize, at: u64, change: Change, as_call: bool) -> bool {
        let Some(thing) = self.things.get(index) else { return true };
        if let Some(told) = &mut thing.told
            && told.change == change
            && told.as_call != as_call
            && !told.twice
            && at.saturating_sub(told.at) <= TOLD_TWICE_WITHIN
        {
            told.twice = true;
            return true;
        }
        thing.told = Some(Told { change, at, as_call, twice: false });
        false
    }

    /// What the log shows next tells how a repair ended.
    fn settle(&mut self, index: usize, at: u64, good: bool) {
        let (policy, assume) = (self.terms.policy, self.terms.assume);
        let Some(thing) = self.things.get(index) else { return };
        if good {
            thing.healed = None;
        }
        let Some(made) = thing.track.repairs.front_mut().filter(|made| made.outcome.is_none())
        else {
            return;
        };
        if assume == Assume::Heals || (!good && at < made.ended) {
            return;
        }
        let rules = thing.event.repair.as_ref().and_then(|name| policy.repairs.get(name));
        let healed = good && at <= made.ended + rules.map_or(0, longest) + SEEN_WITHIN;
        made.outcome = Some(if healed { PastOutcome::Healed } else { PastOutcome::Failed });
        let early = at < made.ended;
        made.ended = made.ended.min(at);
        let host = thing.host.unwrap_or(index);
        if let Some(host) = self.things.get(host).filter(|_| early) {
            host.busy = None;
        }
        self.tally.healed += u64::from(healed);
        self.tally.failed += u64::from(!healed);
    }

    fn decide(
        &mut self,
        index: usize,
        at: u64,
        change: Change,
        tell: &mut dyn FnMut(&Decided<'_>),
    ) {
        let host = self.things.get(index).and_then(|thing| thing.host);
        let (host_state, host_downtime, busy) = match host.and_then(|host| self.things.get(host)) {
            Some(host) => (host.state, host.downtime, host.busy),
            None => (None, 0, self.things.get(index).and_then(|thing| thing.busy)),
        };
        let fleet = self.fleet_at(at);
        let share = (self.things.troubled, self.things.with_repair);
        let Terms { policy, assume, takes, knows_status } = self.terms;
        let Some(thing) = self.things.get(index) else { return };
        let event = &mut thing.event;
        (event.state, event.state_type, event.attempt) =
            (change.state, change.state_type, change.attempt);
        (event.host_state, event.host_downtime, event.downtime) =
            (host_state, host_downtime, thing.downtime);
        if event.service.is_none() {
            event.host_downtime = thing.downtime;
        }
        let (name, rules) = match consider(&thing.event, policy) {
            Ok(granted) => granted,
            Err(why) => {
                if matters(&why) {
                    thing.count.incident(thing.problem);
                    thing.count.refused += 1;
                    *self.tally.refused.entry(why.code().as_str()).or_default() += 1;
                    tell(&Decided { at, event: &thing.event, verdict: Err(&why) });
                } else {
                    if matches!(why, Reason::TooEarly { .. }) {
                        thing.count.incident(thing.problem);
                    }
                    *self.tally.stood.entry(why.code().as_str()).or_default() += 1;
                }
                return;
            }
        };
        thing.count.incident(thing.problem);
        let observed = knows_status.then_some(Observation {
            object: ObjectNow {
                state: None,
                acknowledged: thing.acknowledged,
                flapping: thing.flapping,
            },
            share,
        });
        let recorded = RecordedHistory {
            paused: None,
            same_event: thing.track.answered(thing.problem, Some(change), at),
            same_problem: thing.track.answered(thing.problem, None, at),
            ahead: None,
            running: busy
                .filter(|(_, until, _)| at < *until)
                .map(|(since, _, job)| (job.to_string(), age(since, at))),
            repairs: thing.track.repairs_at(at),
            refused: thing.track.refused_at(at),
            fleet,
        };
        let history = History { recorded, observed };
        if let Err(why) = admit(&rules.limits, &policy.fleet, &history) {
            if !matches!(why, Reason::SameEvent { .. }) {
                thing.track.refused(at, &rules.limits);
            }
            thing.count.refused += 1;
            *self.tally.refused.entry(why.code().as_str()).or_default() += 1;
            tell(&Decided { at, event: &thing.event, verdict: Err(&why) });
            return;
        }
        tell(&Decided { at, event: &thing.event, verdict: Ok(name) });
        self.jobs += 1;
        let ended = at + takes.as_secs();
        let outcome = (assume == Assume::Heals).then_some(PastOutcome::Healed);
        self.tally.healed += u64::from(outcome.is_some());
        let made =
            Made { job: self.jobs, began: at, ended, change, problem: thing.problem, outcome };
        thing.track.repaired(made, &rules.limits);
        thing.count.repairs += 1;
        if assume == Assume::Heals {
            // A page at SOFT is none of this event; one at HARD may be.
            let began =
                if change.state_type == StateType::Soft { at.saturating_sub(1) } else { at };
            thing.healed = Some((began, ended));
        }
        self.fleet.push_back((at, ended));
        if let Some(host) = self.things.get(host.unwrap_or(index)) {
            host.busy = Some((at, ended, self.jobs));
        }
    }

    fn fleet_at(&mut self, at: u64) -> FleetUsage {
        let window = self.terms.policy.fleet.started.per;
        self.fleet.retain(|(began, ended)| at < *ended || age(*began, at) < window);
        let (mut running, mut started, mut oldest_start) = (0, 0, Duration::ZERO);
        for (began, ended) in &self.fleet {
            running += u32::from(at < *ended);
            if age(*began, at) < window {
                started += 1;
                oldest_start = oldest_start.max(age(*began, at));
            }
        }
        FleetUsage { running, started, oldest_start }
    }
}

/// The longest a ladder may take, in seconds.
fn longest(rules: &Rules) -> u64 {
    rules.ladder.iter().map(|rung| (rung.timeout + rung.settle).as_secs()).sum()
}

/// Whether somebody who waits for a repair wants to know of this.
fn matters(why: &Reason) -> bool {
    matches!(
        why,
        Reason::HostNotUp(_)
            | Reason::ServiceDowntime
            | Reason::HostDowntime
            | Reason::UnknownRepair(_)
    )
}
