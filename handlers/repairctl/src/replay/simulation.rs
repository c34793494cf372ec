//! Makes the decision for every event in a log, and simulates the records in the ledger.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use engine::log::{LogEntry, LogEvent, StateChange};
use policy::{
    Event, FleetUsage, History, ObjectNow, ObjectState, Observation, PastOutcome, Policy, Reason,
    RecordedHistory, RepairName, Rules, StateType, admit, consider,
};

use super::args::Assume;
use super::objects::{LoggedChange, ReplayedObject, ReplayedObjects, TooManyObjects};
use super::simulated_ledger::{SimulatedRepair, age};

/// The policy and the assumptions of a replay.
#[derive(Debug, Clone, Copy)]
pub struct ReplayOptions<'a> {
    pub policy: &'a Policy,
    /// The assumed effect of repairs.
    pub assume: Assume,
    /// How long each repair is assumed to take.
    pub takes: Duration,
    /// Whether the policy names a status file. If not, acknowledgements, flapping and the share of
    /// objects in trouble do not affect decisions.
    pub knows_status: bool,
}

/// A decision about an event that called for a repair.
#[derive(Debug)]
pub struct ReplayDecision<'a> {
    /// Time of the event in seconds since 1970.
    pub at: u64,
    pub event: &'a Event,
    /// The repair that would run, or the reason why it was refused.
    pub verdict: Result<&'a RepairName, &'a Reason>,
}

/// The counts for all objects together.
#[derive(Debug, Default)]
pub struct ReplayCounts {
    /// Times of the earliest and latest lines, in seconds since 1970.
    pub span: Option<(u64, u64)>,
    /// Number of log lines that were read.
    pub lines: u64,
    /// Repairs that would have healed the fault.
    pub healed: u64,
    /// Repairs after which the log still shows the fault.
    pub failed: u64,
    /// Events that called for a repair and were refused, counted by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Events that did not call for a repair, counted by reason.
    pub not_called_for: BTreeMap<&'static str, u64>,
    /// Events that are ignored, because an earlier repair is assumed to have ended the fault.
    pub spared: u64,
}

/// A function that receives each decision.
pub type OnDecision<'a> = &'a mut dyn FnMut(&ReplayDecision<'_>);

/// A replay in progress: the objects with their simulated records, and the counts so far.
pub struct Simulation<'a> {
    options: ReplayOptions<'a>,
    pub objects: ReplayedObjects,
    pub counts: ReplayCounts,
    /// Start and end of each repair that counts towards the fleet limits, in seconds since 1970.
    fleet: VecDeque<(u64, u64)>,
    /// Number of repairs so far, which is also the ID of the most recent job.
    jobs: u64,
}

/// Maximum number of seconds between two log lines for the same change. Nagios can log a change
/// both as an alert and as a handler call, usually within one second.
const LOGGED_TWICE_WITHIN: u64 = 60;
/// Maximum number of seconds between the latest possible end of a repair and a recovery that counts
/// as the effect of this repair.
const SEEN_WITHIN: u64 = 120;

impl<'a> Simulation<'a> {
    /// Starts a replay with these objects.
    pub fn new(options: ReplayOptions<'a>, objects: ReplayedObjects) -> Simulation<'a> {
        let (counts, fleet) = (ReplayCounts::default(), VecDeque::new());
        Simulation { options, objects, counts, fleet, jobs: 0 }
    }

    /// Processes one line of the log.
    ///
    /// # Errors
    /// Returns an error if the log contains too many objects.
    pub fn take(
        &mut self,
        entry: &LogEntry<'_>,
        on_decision: OnDecision<'_>,
    ) -> Result<(), TooManyObjects> {
        let index = match entry.event {
            LogEvent::State(_) => self.objects.find_next(entry.object)?,
            _ => self.objects.find(entry.object)?,
        };
        let Some(index) = index else { return Ok(()) };
        let Some(object) = self.objects.get_mut(index) else { return Ok(()) };
        match entry.event {
            LogEvent::Alert(change) | LogEvent::HandlerCall(change) => {
                let as_call = matches!(entry.event, LogEvent::HandlerCall(_));
                self.change(index, entry.at, change, as_call, on_decision)
            }
            LogEvent::State(state) => {
                self.settle(index, entry.at, state.is_good());
                self.objects.set_state(index, state);
            }
            LogEvent::Downtime(true) => object.downtime += 1,
            LogEvent::Downtime(false) => object.downtime = object.downtime.saturating_sub(1),
            LogEvent::Flapping(begins) => object.flapping = begins,
            LogEvent::Acknowledged(is) => object.acknowledged = is,
            LogEvent::Notified => notified(object, entry.at),
        }
        Ok(())
    }

    fn change(
        &mut self,
        index: usize,
        at: u64,
        change: StateChange,
        as_call: bool,
        on_decision: OnDecision<'_>,
    ) {
        if self.is_known(index, at, change, as_call) {
            return;
        }
        self.settle(index, at, change.state.is_good());
        let before = self.objects.set_state(index, change.state);
        let Some(object) = self.objects.get_mut(index) else { return };
        if object.event.repair.is_none() {
            return;
        }
        object.event.last_state = before;
        if object.healed.is_some_and(|(_, ended)| at >= ended) {
            self.counts.spared += 1;
            return;
        }
        self.decide(index, at, change, on_decision);
    }

    /// Whether this is the second log line for a change that has already been processed.
    fn is_known(&mut self, index: usize, at: u64, change: StateChange, as_call: bool) -> bool {
        let Some(object) = self.objects.get_mut(index) else { return true };
        if let Some(last) = &mut object.last_change
            && last.change == change
            && last.as_call != as_call
            && !last.twice
            && at.saturating_sub(last.at) <= LOGGED_TWICE_WITHIN
        {
            last.twice = true;
            return true;
        }
        object.last_change = Some(LoggedChange { change, at, as_call, twice: false });
        false
    }

    /// Sets the outcome of the object's most recent repair, based on the next log line about the
    /// object.
    fn settle(&mut self, index: usize, at: u64, good: bool) {
        let (policy, assume) = (self.options.policy, self.options.assume);
        let Some(object) = self.objects.get_mut(index) else { return };
        if good {
            object.healed = None;
        }
        let last = object.ledger.repairs.front_mut();
        let Some(repair) = last.filter(|repair| repair.outcome.is_none()) else { return };
        if assume == Assume::Heals || (!good && at < repair.ended) {
            return;
        }
        let longest = rules(&object.event, policy).map_or(0, longest);
        let healed = good && at <= repair.ended + longest + SEEN_WITHIN;
        repair.outcome = Some(if healed { PastOutcome::Healed } else { PastOutcome::Failed });
        let early = at < repair.ended;
        repair.ended = repair.ended.min(at);
        let host = object.host.unwrap_or(index);
        if let Some(host) = self.objects.get_mut(host).filter(|_| early) {
            host.busy = None;
        }
        self.counts.healed += u64::from(healed);
        self.counts.failed += u64::from(!healed);
    }

    fn decide(&mut self, index: usize, at: u64, change: StateChange, on_decision: OnDecision<'_>) {
        let (host_state, host_downtime, busy) = self.host_of(index);
        let fleet = self.fleet_at(at);
        let share = (self.objects.troubled, self.objects.with_repair);
        let ReplayOptions { policy, knows_status, .. } = self.options;
        let Some(object) = self.objects.get_mut(index) else { return };
        let event = &mut object.event;
        (event.state, event.state_type, event.attempt) =
            (change.state, change.state_type, change.attempt);
        (event.host_state, event.host_downtime, event.downtime) =
            (host_state, host_downtime, object.downtime);
        let history = || {
            let recorded = RecordedHistory {
                same_event: object.ledger.answered(object.problem, Some(change), at),
                same_problem: object.ledger.answered(object.problem, None, at),
                running: busy
                    .filter(|(_, until, _)| at < *until)
                    .map(|(since, _, job)| (job.to_string(), age(since, at))),
                repairs: object.ledger.repairs_at(at),
                refused: object.ledger.refused_at(at),
                fleet,
                ..RecordedHistory::default()
            };
            let now = ObjectNow {
                state: None,
                acknowledged: object.acknowledged,
                flapping: object.flapping,
                downtime: object.downtime > 0,
                host_downtime: host_downtime > 0,
                unreachable: false,
            };
            let observed = knows_status.then_some(Observation { object: now, share });
            History { recorded, observed }
        };
        let verdict = consider(&object.event, policy).and_then(|(name, rules)| {
            admit(&rules.limits, &policy.fleet, &history()).map(|()| name)
        });
        match verdict {
            Ok(name) => {
                on_decision(&ReplayDecision { at, event: &object.event, verdict: Ok(name) });
                self.repair(index, at, change);
            }
            Err(why) => self.refuse(index, at, &why, on_decision),
        }
    }

    /// Returns the state of an object's host, the host's number of downtimes, and the start, end
    /// and job of the most recent repair on the host. If the object is itself a host, the state is
    /// `None`.
    fn host_of(&mut self, index: usize) -> (Option<ObjectState>, u32, Option<(u64, u64, u64)>) {
        let its_host = self.objects.get_mut(index).and_then(|object| object.host);
        match (its_host, self.objects.get_mut(its_host.unwrap_or(index))) {
            (Some(_), Some(host)) => (host.state, host.downtime, host.busy),
            (None, Some(itself)) => (None, itself.downtime, itself.busy),
            (_, None) => (None, 0, None),
        }
    }

    fn refuse(&mut self, index: usize, at: u64, why: &Reason, on_decision: OnDecision<'_>) {
        let policy = self.options.policy;
        let Some(object) = self.objects.get_mut(index) else { return };
        let refusal = RefusalEffect::of(why);
        if refusal != RefusalEffect::None {
            object.counts.incident(object.problem);
        }
        if let (RefusalEffect::Recorded, Some(rules)) = (refusal, rules(&object.event, policy)) {
            object.ledger.refused(at, &rules.limits);
        }
        let is_refused = matches!(refusal, RefusalEffect::Refused | RefusalEffect::Recorded);
        let counted = match is_refused {
            true => &mut self.counts.refused,
            false => &mut self.counts.not_called_for,
        };
        *counted.entry(why.code().as_str()).or_default() += 1;
        if is_refused {
            object.counts.refused += 1;
            on_decision(&ReplayDecision { at, event: &object.event, verdict: Err(why) });
        }
    }

    fn repair(&mut self, index: usize, at: u64, change: StateChange) {
        let ReplayOptions { policy, assume, takes, .. } = self.options;
        let Some(object) = self.objects.get_mut(index) else { return };
        let Some(rules) = rules(&object.event, policy) else { return };
        object.counts.incident(object.problem);
        self.jobs += 1;
        let ended = at + takes.as_secs();
        let outcome = (assume == Assume::Heals).then_some(PastOutcome::Healed);
        self.counts.healed += u64::from(outcome.is_some());
        let (job, problem) = (self.jobs, object.problem);
        let repair = SimulatedRepair { job, began: at, ended, change, problem, outcome };
        object.ledger.repaired(repair, &rules.limits);
        object.counts.repairs += 1;
        if assume == Assume::Heals {
            // For a HARD event, Nagios sends the notification in the same second, before a repair
            // can prevent it. A SOFT event causes no notification. If the log shows one in the same
            // second, a later HARD event caused it, and the repair would have prevented it.
            let is_soft = change.state_type == StateType::Soft;
            object.healed = Some((at.saturating_sub(u64::from(is_soft)), ended));
        }
        self.fleet.push_back((at, ended));
        let host = object.host.unwrap_or(index);
        if let Some(host) = self.objects.get_mut(host) {
            host.busy = Some((at, ended, job));
        }
    }

    fn fleet_at(&mut self, at: u64) -> FleetUsage {
        let window = self.options.policy.fleet.started.per;
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

/// Returns the rules of an event's repair, or `None` if the policy has no such repair.
fn rules<'a>(event: &Event, policy: &'a Policy) -> Option<&'a Rules> {
    policy.repairs.get(event.repair.as_ref()?)
}

/// Returns the maximum duration of a ladder in seconds.
fn longest(rules: &Rules) -> u64 {
    rules.ladder.iter().map(|rung| (rung.timeout + rung.settle).as_secs()).sum()
}

/// Counts a notification. Also counts it as saved if a repair has already ended the fault. A
/// notification in the same second as a HARD event does not count as saved, because Nagios sent it
/// before the repair could help.
fn notified(object: &mut ReplayedObject, at: u64) {
    if object.event.repair.is_some() {
        object.counts.pages += 1;
        let is_saved = |(began, ended)| at >= ended && at > began;
        object.counts.saved += u64::from(object.healed.is_some_and(is_saved));
    }
}

/// How a replay counts a decision not to run a repair.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RefusalEffect {
    /// The event did not call for a repair.
    None,
    /// The event belongs to an incident, but only a later attempt calls for a repair.
    Early,
    /// The event called for a repair, which a rule or a limit refused.
    Refused,
    /// Like `Refused`, but handle_repair would also record the refusal in the ledger.
    Recorded,
}

impl RefusalEffect {
    fn of(why: &Reason) -> RefusalEffect {
        match why {
            Reason::NoRepairNamed
            | Reason::Recovered(_)
            | Reason::StateNotCovered(..)
            | Reason::NotInARow { .. } => RefusalEffect::None,
            Reason::TooEarly { .. } => RefusalEffect::Early,
            Reason::HostNotUp(_)
            | Reason::ServiceDowntime
            | Reason::HostDowntime
            | Reason::UnknownRepair(_)
            | Reason::SameEvent { .. } => RefusalEffect::Refused,
            _ => RefusalEffect::Recorded,
        }
    }
}
