//! A host or service, as the engine reports it.

use std::time::SystemTime;

use policy::{ObjectNow, ObjectState, StateType, spell};

use super::field::{number, split, time};

/// The name of the host and, for a service, its description, both as bytes.
pub type ObjectKey = (Vec<u8>, Option<Vec<u8>>);

/// The status of a host or service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectStatus {
    is_service: bool,
    digit: u8,
    /// Name of the host.
    pub host: Vec<u8>,
    service: Vec<u8>,
    /// Whether the fields `host_name`, `service_description`, `current_state` and `_REPAIR` were
    /// found. Only the first occurrence of each field counts, so a scan does not look for a field
    /// again after it has been found.
    has: [bool; 4],
    /// Name of the repair in `_REPAIR`; empty if the object did not opt in.
    pub repair: Vec<u8>,
    /// Whether the state is SOFT or HARD.
    pub state_type: StateType,
    /// Number of the check attempt, from 1.
    pub attempt: u32,
    /// The value of `max_check_attempts`.
    pub max_attempts: u32,
    /// Time of the last check; `UNIX_EPOCH` if there was none.
    pub last_check: SystemTime,
    /// Time of the next scheduled check; `UNIX_EPOCH` if none is scheduled.
    pub next_check: SystemTime,
    /// Time of the last state change, SOFT or HARD; `UNIX_EPOCH` if there was none.
    pub last_change: SystemTime,
    /// Time of the last change from one HARD state to another; `UNIX_EPOCH` if there was none.
    pub last_hard_change: SystemTime,
    /// Time of the last check with the result OK or UP; `UNIX_EPOCH` if there was none.
    pub last_good: SystemTime,
    /// Problem ID, which stays the same until the object recovers; 0 if there is no problem.
    pub problem_id: u64,
    /// Whether somebody has acknowledged the problem.
    pub acknowledged: bool,
    /// Whether Nagios considers the object to be flapping.
    pub flapping: bool,
    /// Number of active downtimes of the object itself, not counting those of its host.
    pub downtime: u32,
    /// False if a host or service on which the object depends has a fault. Nagios shows this only
    /// for hosts, as the state UNREACHABLE.
    pub is_reachable: bool,
    /// Whether the engine reports `event_handler_enabled` for this object.
    pub knows_event_handler: bool,
    /// Whether the event handler of the object is enabled.
    pub event_handler_enabled: bool,
    /// Line number of the field `event_handler_enabled`, from 1; 0 if the field is missing.
    pub event_handler_line: u32,
    /// Whether an external command has changed a setting of the object since Nagios read the
    /// configuration.
    pub is_modified: bool,
}

impl ObjectStatus {
    /// Creates an empty object.
    pub(crate) fn nothing() -> ObjectStatus {
        ObjectStatus {
            is_service: false,
            digit: 0,
            host: Vec::new(),
            service: Vec::new(),
            has: [false; 4],
            repair: Vec::new(),
            state_type: StateType::Soft,
            attempt: 0,
            max_attempts: 0,
            last_check: SystemTime::UNIX_EPOCH,
            next_check: SystemTime::UNIX_EPOCH,
            last_change: SystemTime::UNIX_EPOCH,
            last_hard_change: SystemTime::UNIX_EPOCH,
            last_good: SystemTime::UNIX_EPOCH,
            problem_id: 0,
            acknowledged: false,
            flapping: false,
            downtime: 0,
            is_reachable: true,
            knows_event_handler: false,
            event_handler_enabled: false,
            event_handler_line: 0,
            is_modified: false,
        }
    }

    /// Creates a host or, with `service`, a service of the host. `digit` is the state as a number,
    /// in the encoding that plugins and both engines use. All other fields are left empty.
    pub(crate) fn new(host: Vec<u8>, service: Option<Vec<u8>>, digit: u8) -> ObjectStatus {
        let is_service = service.is_some();
        let service = service.unwrap_or_default();
        ObjectStatus { is_service, digit, host, service, ..ObjectStatus::nothing() }
    }

    /// Resets the object for the next block. The strings keep their capacity, so that the next
    /// block needs no new memory.
    pub(crate) fn clear(&mut self, is_service: bool) {
        let [host, service, repair] =
            [&mut self.host, &mut self.service, &mut self.repair].map(|text| {
                text.clear();
                std::mem::take(text)
            });
        *self = ObjectStatus { is_service, host, service, repair, ..ObjectStatus::nothing() };
    }

    /// Stores a field in the form `name=value` that was read from the given line.
    pub(crate) fn take(&mut self, field: &[u8], line: u32) {
        if let Some((name, value)) = split(field) {
            self.store(name, value, line);
        }
    }

    /// Stores a field that was read from the given line.
    pub(crate) fn store(&mut self, name: &[u8], value: &[u8], line: u32) {
        let flag = value == b"1";
        let [has_host, has_service, has_state, has_repair] = &mut self.has;
        let is_first = |has: &mut bool| !std::mem::replace(has, true);
        match name {
            b"host_name" if is_first(has_host) => self.host.extend_from_slice(value),
            b"service_description" if is_first(has_service) => {
                self.service.extend_from_slice(value)
            }
            b"current_state" if is_first(has_state) => {
                self.digit = value.first().map_or(0, |digit| digit.wrapping_sub(b'0'))
            }
            b"state_type" => self.state_type = if flag { StateType::Hard } else { StateType::Soft },
            b"current_attempt" => self.attempt = number(value),
            b"max_attempts" => self.max_attempts = number(value),
            b"last_check" => self.last_check = time(value),
            b"next_check" => self.next_check = time(value),
            b"last_state_change" => self.last_change = time(value),
            b"last_hard_state_change" => self.last_hard_change = time(value),
            b"last_time_ok" | b"last_time_up" => self.last_good = time(value),
            b"current_problem_id" => self.problem_id = number(value),
            b"problem_has_been_acknowledged" => self.acknowledged = flag,
            b"is_flapping" => self.flapping = flag,
            b"scheduled_downtime_depth" => self.downtime = number(value),
            b"event_handler_enabled" => {
                (self.event_handler_enabled, self.event_handler_line) = (flag, line);
                self.knows_event_handler = true;
            }
            b"modified_attributes" => self.is_modified = value != b"0",
            // Nagios writes a custom variable as "changed;value". If the variable occurs twice, the
            // first value counts, as in Nagios' own macro for the variable.
            b"_REPAIR" if is_first(has_repair) => {
                let after =
                    value.iter().position(|byte| *byte == b';').map_or(value.len(), |at| at + 1);
                self.repair.extend_from_slice(value.get(after..).unwrap_or_default());
            }
            _ => {}
        }
    }

    /// Returns the description of the service; `None` for a host.
    pub fn service(&self) -> Option<&[u8]> {
        self.is_service.then_some(&self.service)
    }

    /// Returns the name of the object.
    pub(crate) fn key(&self) -> ObjectKey {
        (self.host.clone(), self.service().map(<[u8]>::to_vec))
    }

    /// Whether this object is the given host, or the given service of that host.
    pub fn is(&self, host: &[u8], service: Option<&[u8]>) -> bool {
        self.host == host && self.service() == service
    }

    /// Returns the name of the repair, encoded by [`policy::spell`].
    pub fn repair_name(&self) -> String {
        spell(&self.repair)
    }

    /// Returns the state at the last check.
    pub fn state(&self) -> ObjectState {
        match (self.is_service, self.digit) {
            (true, 0) => ObjectState::Ok,
            (true, 1) => ObjectState::Warning,
            (true, 2) => ObjectState::Critical,
            (true, _) => ObjectState::Unknown,
            (false, 0) => ObjectState::Up,
            (false, 1) => ObjectState::Down,
            (false, _) => ObjectState::Unreachable,
        }
    }

    /// Returns the previous check result if it was the same as the last one. Otherwise returns
    /// `None`, because the status file does not contain a previous result that was different.
    pub fn result_before(&self) -> Option<ObjectState> {
        let known = self.last_change > SystemTime::UNIX_EPOCH;
        (known && self.last_check > self.last_change).then(|| self.state())
    }

    /// Returns the condition of the object, as input for a decision. `state` is the object's state,
    /// or `None` if the state is out of date. `host_downtime` is the number of active downtimes of
    /// its host.
    pub fn object_now(&self, state: Option<ObjectState>, host_downtime: u32) -> ObjectNow {
        ObjectNow {
            state,
            acknowledged: self.acknowledged,
            flapping: self.flapping,
            downtime: self.downtime > 0,
            host_downtime: host_downtime > 0,
            unreachable: !self.is_reachable,
        }
    }

    /// Whether the object opted in to a repair.
    pub fn has_repair(&self) -> bool {
        !self.repair.is_empty()
    }

    /// Whether the object counts as in trouble, which means CRITICAL, DOWN or UNREACHABLE.
    pub fn in_trouble(&self) -> bool {
        matches!(self.state(), ObjectState::Critical | ObjectState::Down | ObjectState::Unreachable)
    }

    /// If the object opted in, adds it to `all` and, if it is in trouble, also to `troubled`.
    pub(crate) fn count_in(&self, (troubled, all): &mut (u32, u32)) {
        *troubled += u32::from(self.has_repair() && self.in_trouble());
        *all += u32::from(self.has_repair());
    }
}
