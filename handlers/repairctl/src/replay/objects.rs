//! The objects in a replay: which of them have a repair, and what state they are in at the current
//! line of the log.

use std::collections::HashMap;
use std::rc::Rc;

use engine::RepairSettings;
use engine::configuration::{Configuration, Directive, ResolvedObject};
use engine::log::StateChange;
use foldhash::fast::RandomState;
use policy::{Event, ObjectState, RepairName, StateType, spell, unspell};

use super::simulated_ledger::SimulatedLedger;

/// Where replay gets the repair of each object from. The log does not name repairs.
#[derive(Debug)]
pub enum RepairSource<'a> {
    /// The repairs come from Nagios' configuration or object cache.
    Configuration(&'a Configuration),
    /// The repairs come from Icinga 2's API.
    Icinga2(&'a [RepairSettings]),
    /// The repair is named on the command line, and every service in the log is assumed to have it.
    All(RepairName),
}

/// The state of an object at the current line of the log.
#[derive(Debug)]
pub struct ReplayedObject {
    /// `host` or `host;service`, as in the log.
    name: Rc<[u8]>,
    /// Index of the object whose state was logged directly after this object's state.
    next: usize,
    /// The object's names and repair. The simulation fills in the state and the downtimes before
    /// each decision.
    pub event: Event,
    /// Index of the service's host; `None` if the object is a host.
    pub host: Option<usize>,
    /// The object's state, or `None` until the log shows it.
    pub state: Option<ObjectState>,
    /// Number of scheduled downtimes in effect.
    pub downtime: u32,
    pub acknowledged: bool,
    pub flapping: bool,
    /// Number of problems so far. It replaces Nagios' problem ID, which is not in the log.
    pub problem: u64,
    pub last_change: Option<LoggedChange>,
    pub ledger: SimulatedLedger,
    /// Start and end, in seconds since 1970, of the repair that is assumed to have ended the
    /// current fault. `None` without such a repair, and after the log has shown a recovery.
    pub healed: Option<(u64, u64)>,
    /// Start, end and job of the most recent repair of this host or of a service on it.
    pub busy: Option<(u64, u64, u64)>,
    pub counts: ObjectCounts,
}

/// A state change in the log. If `log_event_handlers` is set, Nagios logs a change twice: as an
/// alert and as an event handler call.
#[derive(Debug, Clone, Copy)]
pub struct LoggedChange {
    pub change: StateChange,
    /// Time of the first log line for this change, in seconds since 1970.
    pub at: u64,
    /// Whether the first log line for this change was an event handler call.
    pub as_call: bool,
    /// Whether the log contained both lines for this change.
    pub twice: bool,
}

/// What a replay counts for one object.
#[derive(Debug, Clone, Copy, Default)]
pub struct ObjectCounts {
    /// Number of faults that the rules cover.
    pub incidents: u64,
    /// Number of repairs that would have run.
    pub repairs: u64,
    /// Number of events that called for a repair and were refused.
    pub refused: u64,
    /// Number of problem notifications in the log.
    pub pages: u64,
    /// Number of problem notifications that a repair would have prevented.
    pub saved: u64,
    /// ID of the last problem that was counted in `incidents`.
    counted: Option<u64>,
}

impl ObjectCounts {
    /// Adds the counts of another object to the counts of this object.
    pub fn add(&mut self, other: &ObjectCounts) {
        self.incidents += other.incidents;
        self.repairs += other.repairs;
        self.refused += other.refused;
        self.pages += other.pages;
        self.saved += other.saved;
    }

    /// Counts an incident, once per problem.
    pub fn incident(&mut self, problem: u64) {
        self.incidents += u64::from(self.counted.replace(problem) != Some(problem));
    }
}

/// All objects in a replay that have a repair, and the hosts that they are on.
#[derive(Debug, Default)]
pub struct ReplayedObjects {
    all: Vec<ReplayedObject>,
    /// Index into `all` for each `host` and `host;service`.
    index: HashMap<Rc<[u8]>, usize, RandomState>,
    /// Index of the object whose state was logged last.
    last: usize,
    /// The repair that every service in the log is assumed to have.
    repair: Option<RepairName>,
    /// Number of objects with a repair.
    pub with_repair: u32,
    /// Number of objects with a repair that are CRITICAL, DOWN or UNREACHABLE.
    pub troubled: u32,
}

/// Maximum number of objects. A log that contains more was probably forged to exhaust the memory.
const MOST: usize = 200_000;

impl ReplayedObjects {
    /// Collects all objects that have a repair, and the hosts of these objects.
    pub fn new(source: RepairSource<'_>) -> ReplayedObjects {
        let mut objects = ReplayedObjects::default();
        match source {
            RepairSource::All(repair) => objects.repair = Some(repair),
            RepairSource::Configuration(configuration) => objects.configure(configuration),
            RepairSource::Icinga2(settings) => {
                for RepairSettings { host, service, repair, max_check_attempts, .. } in settings {
                    let repair = repair.as_ref().and_then(|name| name.parse().ok());
                    if repair.is_some() {
                        objects.add(host, service.as_deref(), repair, Some(*max_check_attempts));
                    }
                }
            }
        }
        objects
    }

    fn configure(&mut self, configuration: &Configuration) {
        let objects = &configuration.objects;
        let opted_in = |object: &ResolvedObject| {
            object.text(Directive::Repair).and_then(|name| name.parse::<RepairName>().ok())
        };
        for host in &objects.hosts {
            if let Some(repair) = opted_in(&host.object) {
                self.add(&host.name, None, Some(repair), attempts(&host.object));
            }
        }
        for service in &objects.services {
            let Some(repair) = opted_in(&service.object) else { continue };
            let (name, attempts) = (Some(&*service.description), attempts(&service.object));
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
        let name: Rc<[u8]> =
            names.into_iter().flatten().map(unspell).collect::<Vec<_>>().join(&b';').into();
        if let Some(known) = self.index.get(&name) {
            return *known;
        }
        let its_host = service.map(|_| self.add(host, None, None, None));
        let state = if service.is_some() { ObjectState::Ok } else { ObjectState::Up };
        self.with_repair += u32::from(repair.is_some());
        let event =
            Event { repair, max_attempts, ..Event::new(host, service, state, StateType::Hard, 1) };
        self.index.insert(Rc::clone(&name), self.all.len());
        self.all.push(ReplayedObject {
            name,
            next: 0,
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
        self.all.len() - 1
    }

    /// Returns the index of the object that a line names, or `None` for an object without a repair.
    /// `object` is a byte string, because names in logs need not be UTF-8.
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

    /// Like [`ReplayedObjects::find`], but faster for lines that log current states, which are most
    /// lines in the log of a large site. After each log rotation, Nagios logs the states of all
    /// objects, always in the same order. So this method first tries the object that followed the
    /// last object after the previous rotation.
    pub fn find_next(&mut self, object: &[u8]) -> Result<Option<usize>, TooManyObjects> {
        let next = self.all.get(self.last).map_or(0, |last| last.next);
        let is_next = self.all.get(next).is_some_and(|next| *next.name == *object);
        let found = if is_next { Some(next) } else { self.find(object)? };
        if let (Some(found), Some(last)) = (found, self.all.get_mut(self.last)) {
            last.next = found;
            self.last = found;
        }
        Ok(found)
    }

    pub fn get_mut(&mut self, index: usize) -> Option<&mut ReplayedObject> {
        self.all.get_mut(index)
    }

    pub fn iter(&self) -> impl Iterator<Item = &ReplayedObject> {
        self.all.iter()
    }

    /// Sets the state of an object, and returns its previous state.
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

/// The log contains more objects than any real Nagios has.
#[derive(Debug, thiserror::Error)]
#[error(
    "the logs contain more than {MOST} hosts and services: check that all logs are from the same \
     Nagios, or pass its objects with --objects"
)]
pub struct TooManyObjects;

fn attempts(object: &ResolvedObject) -> Option<u32> {
    object.text(Directive::MaxCheckAttempts)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_states_that_are_logged_in_the_same_order_without_a_search() {
        let source = || RepairSource::All("httpd".parse().unwrap());
        let names: Vec<Vec<u8>> = ["web1", "web2", "web1;HTTP", "web1;SSH", "web2;HTTP"]
            .map(|name| name.as_bytes().to_vec())
            .to_vec();
        let mut objects = ReplayedObjects::new(source());
        let rotation = |objects: &mut ReplayedObjects| -> Vec<usize> {
            names.iter().map(|name| objects.find_next(name).unwrap().unwrap()).collect()
        };
        let first = rotation(&mut objects);
        assert_eq!(first, names.iter().map(|name| objects.index[&**name]).collect::<Vec<_>>());
        assert_eq!(rotation(&mut objects), first);
        objects.index.clear();
        assert_eq!(rotation(&mut objects), first);
        assert_eq!(objects.all.len(), names.len());
    }
}
