//! The objects of a replay: which have a repair, and what the log has shown of each so far.

use std::collections::HashMap;

use engine::configuration::{Configuration, ResolvedObject};
use engine::log::StateChange;
use policy::{Event, ObjectState, RepairName, StateType, spell, unspell};

use super::simulated_ledger::SimulatedLedger;

/// Where the repairs of objects are known from: the log does not have them.
#[derive(Debug)]
pub enum RepairSource<'a> {
    /// Nagios' configuration or object cache.
    Configuration(&'a Configuration),
    /// Every service of the log is assumed to have this one.
    All(RepairName),
}

/// An object, as the log has shown it so far.
#[derive(Debug)]
pub struct ReplayedObject {
    /// The template of its next event.
    pub event: Event,
    /// The index of a service's host; `None` for a host.
    pub host: Option<usize>,
    /// Its state; `None` until the log shows one.
    pub state: Option<ObjectState>,
    /// The number of downtimes it is in.
    pub downtime: u32,
    /// Somebody has acknowledged the problem.
    pub acknowledged: bool,
    /// Nagios sees it flapping.
    pub flapping: bool,
    /// The number of its problems so far: the log does not show the id that Nagios gives each.
    pub problem: u64,
    /// The last change.
    pub last_change: Option<LoggedChange>,
    /// What the ledger would hold.
    pub ledger: SimulatedLedger,
    /// Begin and end of a repair that is assumed to have ended the trouble which the log still
    /// shows.
    pub healed: Option<(u64, u64)>,
    /// Begin, end and job of the last repair of any service of this host.
    pub busy: Option<(u64, u64, u64)>,
    /// Its counts.
    pub counts: ObjectCounts,
}

/// A change. With `log_event_handlers` the log has it twice: as an alert and as a call.
#[derive(Debug, Clone, Copy)]
pub struct LoggedChange {
    /// The change.
    pub change: StateChange,
    /// Seconds since 1970.
    pub at: u64,
    /// Whether it was logged as a call of the event handler.
    pub as_call: bool,
    /// Whether both lines were logged.
    pub twice: bool,
}

/// The counts of one object.
#[derive(Debug, Clone, Copy, Default)]
pub struct ObjectCounts {
    /// Spans of trouble that the rules cover.
    pub incidents: u64,
    /// Repairs.
    pub repairs: u64,
    /// Repairs that were refused.
    pub refused: u64,
    /// Notifications of problems.
    pub pages: u64,
    /// Notifications that would not have been sent.
    pub saved: u64,
    /// The problem that was counted last.
    counted: Option<u64>,
}

impl ObjectCounts {
    /// Adds the counts of another object.
    pub fn add(&mut self, other: &ObjectCounts) {
        self.incidents += other.incidents;
        self.repairs += other.repairs;
        self.refused += other.refused;
        self.pages += other.pages;
        self.saved += other.saved;
    }

    /// Counts the incident of this problem, once.
    pub fn incident(&mut self, problem: u64) {
        self.incidents += u64::from(self.counted.replace(problem) != Some(problem));
    }
}

/// All objects.
#[derive(Debug, Default)]
pub struct ReplayedObjects {
    all: Vec<ReplayedObject>,
    /// By `host` or `host;service`.
    index: HashMap<Vec<u8>, usize>,
    /// The repair of services that are added as the log names them.
    repair: Option<RepairName>,
    /// The number of objects with a repair.
    pub with_repair: u32,
    /// The number of these that are in trouble.
    pub troubled: u32,
}

/// The most objects; a log with more is not of one Nagios, but made to fill the memory.
const MOST: usize = 200_000;

impl ReplayedObjects {
    /// The objects that have a repair, and their hosts.
    pub fn new(source: RepairSource<'_>) -> ReplayedObjects {
        let mut objects = ReplayedObjects::default();
        match source {
            RepairSource::All(repair) => objects.repair = Some(repair),
            RepairSource::Configuration(configuration) => objects.configure(configuration),
        }
        objects
    }

    fn configure(&mut self, configuration: &Configuration) {
        let objects = &configuration.objects;
        let opted_in = |object: &ResolvedObject| {
            object.text("_REPAIR").and_then(|name| name.parse::<RepairName>().ok())
        };
        for host in &objects.hosts {
            if let Some(repair) = opted_in(&host.object) {
                self.add(&host.name, None, Some(repair), attempts(&host.object));
            }
        }
        for service in &objects.services {
            let Some(repair) = opted_in(&service.object) else { continue };
            let (name, attempts) = (Some(service.description.as_str()), attempts(&service.object));
            for host in &service.hosts {
                self.add(host, name, Some(repair.clone()), attempts);
            }
        }
    }

    fn add(
        &mut self,
        host: &str,
        service: Option<&str>,
        repair: Option<RepairName>,
        max_attempts: Option<u32>,
    ) -> usize {
        let names = [Some(host), service];
        let key = names.into_iter().flatten().map(unspell).collect::<Vec<_>>().join(&b';');
        if let Some(known) = self.index.get(&key) {
            return *known;
        }
        let its_host = service.map(|_| self.add(host, None, None, None));
        let state = if service.is_some() { ObjectState::Ok } else { ObjectState::Up };
        self.with_repair += u32::from(repair.is_some());
        let event =
            Event { repair, max_attempts, ..Event::new(host, service, state, StateType::Hard, 1) };
        self.all.push(ReplayedObject {
            event,
            host: its_host,
            state: None,
            downtime: 0,
            acknowledged: false,
            flapping: false,
            problem: 0,
            last_change: None,
            ledger: SimulatedLedger::default(),
            healed: None,
            busy: None,
            counts: ObjectCounts::default(),
        });
        self.index.insert(key, self.all.len() - 1);
        self.all.len() - 1
    }

    /// The index of a line's object; `None` for one without a repair. Names in logs are any bytes.
    pub fn find(&mut self, object: &[u8]) -> Result<Option<usize>, TooManyObjects> {
        if let Some(known) = self.index.get(object) {
            return Ok(Some(*known));
        }
        let Some(repair) = self.repair.clone() else { return Ok(None) };
        if self.all.len() >= MOST {
            return Err(TooManyObjects);
        }
        let mut parts = object.splitn(2, |byte| *byte == b';').map(spell);
        let host = parts.next().unwrap_or_default();
        let service = parts.next();
        let repair = service.as_ref().map(|_| repair);
        Ok(Some(self.add(&host, service.as_deref(), repair, None)))
    }

    /// The object of this index.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut ReplayedObject> {
        self.all.get_mut(index)
    }

    /// All objects.
    pub fn iter(&self) -> impl Iterator<Item = &ReplayedObject> {
        self.all.iter()
    }

    /// Sets a state, and returns the one before.
    pub fn set_state(&mut self, index: usize, state: ObjectState) -> Option<ObjectState> {
        let object = self.all.get_mut(index)?;
        let before = object.state.replace(state);
        if object.event.repair.is_some() {
            use ObjectState::{Critical, Down, Unreachable};
            let troubled = |state: ObjectState| matches!(state, Critical | Down | Unreachable);
            self.troubled -= u32::from(before.is_some_and(troubled));
            self.troubled += u32::from(troubled(state));
        }
        if state.is_good() {
            object.acknowledged = false;
        }
        object.problem += u64::from(!state.is_good() && before.is_none_or(ObjectState::is_good));
        before
    }
}

/// The log names more objects than any Nagios has.
#[derive(Debug, thiserror::Error)]
#[error(
    "the logs name more than {MOST} hosts and services: is this one Nagios' log? Name its objects \
     with --objects"
)]
pub struct TooManyObjects;

fn attempts(object: &ResolvedObject) -> Option<u32> {
    object.text("max_check_attempts")?.parse().ok()
}
