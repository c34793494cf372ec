//! The objects of a replay: which of them have a repair, and what the log has told of each so far.

use std::collections::HashMap;

use policy::{Event, ObjectState, RepairName, StateType};

use super::entry::Change;
use super::past::Track;
use crate::configuration::Configuration;

/// Where the repairs of objects are known from: they are not in the log.
#[derive(Debug)]
pub enum Source<'a> {
    /// Nagios' configuration or object cache.
    Configuration(&'a Configuration),
    /// Every service of the log is taken to have this one.
    All(RepairName),
}

/// What the log has told of an object.
#[derive(Debug)]
pub struct Thing {
    /// What its next event is made of.
    pub event: Event,
    /// The host of a service.
    pub host: Option<usize>,
    /// Its state; `None` before the log tells.
    pub state: Option<ObjectState>,
    /// How many downtimes it is in.
    pub downtime: u32,
    /// Somebody is at it.
    pub acknowledged: bool,
    /// Nagios sees it flapping.
    pub flapping: bool,
    /// Its problems so far: Nagios gives each an id, which the log does not tell.
    pub problem: u64,
    /// The last change, and how the log told it.
    pub told: Option<Told>,
    /// What the ledger would hold.
    pub track: Track,
    /// A repair is taken to have ended the trouble, at this time, that the log goes on to show; and
    /// when it began.
    pub healed: Option<(u64, u64)>,
    /// Until when a repair of any service runs on this host, since when, and its job.
    pub busy: Option<(u64, u64, u64)>,
    /// What is counted of it.
    pub count: Count,
}

/// A change that stands in the log twice with `log_event_handlers`: as an alert and as a call.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    /// The change.
    pub change: Change,
    /// When.
    pub at: u64,
    /// As a call of the event handler.
    pub as_call: bool,
    /// The other line was there as well.
    pub twice: bool,
}

/// What is counted of one object.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
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

impl Count {
    /// Counts the incident of this problem, once.
    pub fn incident(&mut self, problem: u64) -> bool {
        let is_new = self.counted.replace(problem) != Some(problem);
        self.incidents += u64::from(is_new);
        is_new
    }
}

/// All of them.
#[derive(Debug, Default)]
pub struct Things {
    all: Vec<Thing>,
    /// By `host` or `host;service`.
    index: HashMap<String, usize>,
    /// Services are added as the log names them.
    repair: Option<RepairName>,
    /// How many have a repair, and how many of these are in trouble.
    pub with_repair: u32,
    /// Of these so many are in trouble.
    pub troubled: u32,
}

/// More objects than this are no Nagios, but a log that was made to fill the memory.
const MOST: usize = 200_000;

impl Things {
    /// The objects that have a repair, and their hosts.
    pub fn new(source: Source<'_>) -> Things {
        let mut things = Things::default();
        match source {
            Source::All(repair) => things.repair = Some(repair),
            Source::Configuration(configuration) => things.configure(configuration),
        }
        things
    }

    fn configure(&mut self, configuration: &Configuration) {
        let objects = &configuration.objects;
        let opted_in = |object: &crate::configuration::Object| {
            object.text("_REPAIR").and_then(|name| name.parse::<RepairName>().ok())
        };
        for host in &objects.hosts {
            if let Some(repair) = opted_in(&host.object) {
                self.add(&host.name, None, Some(repair), attempts(&host.object));
            }
        }
        for service in &objects.services {
            let Some(repair) = opted_in(&service.object) else { continue };
            for host in &service.hosts {
                self.add(
                    host,
                    Some(&service.description),
                    Some(repair.clone()),
                    attempts(&service.object),
                );
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
        let key = service.map_or_else(|| host.to_owned(), |service| format!("{host};{service}"));
        if let Some(known) = self.index.get(&key) {
            return *known;
        }
        let of = service.map(|_| self.add(host, None, None, None));
        let state = if service.is_some() { ObjectState::Ok } else { ObjectState::Up };
        self.with_repair += u32::from(repair.is_some());
        let event =
            Event { repair, max_attempts, ..Event::new(host, service, state, StateType::Hard, 1) };
        self.all.push(Thing {
            event,
            host: of,
            state: None,
            downtime: 0,
            acknowledged: false,
            flapping: false,
            problem: 0,
            told: None,
            track: Track::default(),
            healed: None,
            busy: None,
            count: Count::default(),
        });
        self.index.insert(key, self.all.len() - 1);
        self.all.len() - 1
    }

    /// The object of a line; `None` for one without a repair. Names in logs are any bytes.
    pub fn find(&mut self, object: &[u8]) -> Result<Option<usize>, TooMany> {
        let name = String::from_utf8_lossy(object);
        if let Some(known) = self.index.get(name.as_ref()) {
            return Ok(Some(*known));
        }
        let Some(repair) = self.repair.clone() else { return Ok(None) };
        if self.all.len() >= MOST {
            return Err(TooMany);
        }
        Ok(Some(match name.split_once(';') {
            Some((host, service)) => self.add(host, Some(service), Some(repair), None),
            None => self.add(&name, None, None, None),
        }))
    }

    /// One of them.
    pub fn get(&mut self, index: usize) -> Option<&mut Thing> {
        self.all.get_mut(index)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Thing> {
        self.all.iter()
    }

    /// Notes a state, and gives out the one before.
    pub fn now(&mut self, index: usize, state: ObjectState) -> Option<ObjectState> {
        let thing = self.all.get_mut(index)?;
        let before = thing.state.replace(state);
        if thing.event.repair.is_some() {
            let troubled = |state: ObjectState| {
                matches!(
                    state,
                    ObjectState::Critical | ObjectState::Down | ObjectState::Unreachable
                )
            };
            self.troubled -= u32::from(before.is_some_and(troubled));
            self.troubled += u32::from(troubled(state));
        }
        if state.is_good() {
            thing.acknowledged = false;
        }
        thing.problem += u64::from(!state.is_good() && before.is_none_or(ObjectState::is_good));
        before
    }
}

/// The log names more objects than any Nagios has.
#[derive(Debug, thiserror::Error)]
#[error(
    "the logs name more than {MOST} hosts and services: is this one Nagios' log? Name its objects \
     with --objects"
)]
pub struct TooMany;

fn attempts(object: &crate::configuration::Object) -> Option<u32> {
    object.text("max_check_attempts")?.parse().ok()
}
