//! A host or service in the status file.

use std::time::SystemTime;

use policy::{ObjectNow, ObjectState, StateType, spell};

use super::field::{number, split, time};

/// A host, or a service of it, as Nagios sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectStatus {
    is_service: bool,
    digit: u8,
    /// The host's name.
    pub host: Vec<u8>,
    service: Vec<u8>,
    has_custom_repair: bool,
    /// The repair it opts in to by `_REPAIR`; empty when it does not.
    pub repair: Vec<u8>,
    /// SOFT or HARD.
    pub state_type: StateType,
    /// The number of the check attempt, from 1.
    pub attempt: u32,
    /// `max_check_attempts`.
    pub max_attempts: u32,
    /// When it was checked last; 1970 when never.
    pub last_check: SystemTime,
    /// When it is to be checked next; 1970 when that is not planned.
    pub next_check: SystemTime,
    /// When its state last changed, SOFT or HARD; 1970 when never.
    pub last_change: SystemTime,
    /// When it last went from one HARD state to another; 1970 when never.
    pub last_hard_change: SystemTime,
    /// When it was last checked and OK or UP; 1970 when never.
    pub last_good: SystemTime,
    /// Constant over one incident; 0 when there is none.
    pub problem_id: u64,
    /// Somebody has acknowledged the problem.
    pub acknowledged: bool,
    /// Nagios sees it flapping.
    pub flapping: bool,
    /// How many downtimes it is in; those of its host do not count.
    pub downtime: u32,
    /// Whether Nagios calls its event handler.
    pub event_handler_enabled: bool,
    /// The line of `event_handler_enabled`, from 1; 0 if the file does not say it.
    pub event_handler_line: u32,
    /// Whether an external command has changed one of its settings since Nagios read them.
    pub is_modified: bool,
}

impl ObjectStatus {
    /// An object without a name.
    pub(super) fn nothing() -> ObjectStatus {
        ObjectStatus {
            is_service: false,
            digit: 0,
            host: Vec::new(),
            service: Vec::new(),
            has_custom_repair: false,
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
            event_handler_enabled: false,
            event_handler_line: 0,
            is_modified: false,
        }
    }

    /// Resets it for the next block; the texts keep their capacity.
    pub(super) fn clear(&mut self, is_service: bool) {
        let [host, service, repair] =
            [&mut self.host, &mut self.service, &mut self.repair].map(|text| {
                text.clear();
                std::mem::take(text)
            });
        *self = ObjectStatus { is_service, host, service, repair, ..ObjectStatus::nothing() };
    }

    /// Takes in a field, which is written in this line.
    pub(super) fn take(&mut self, field: &[u8], line: u32) {
        let Some((name, value)) = split(field) else { return };
        let flag = value == b"1";
        match name {
            b"host_name" => self.host.extend_from_slice(value),
            b"service_description" => self.service.extend_from_slice(value),
            b"current_state" => {
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
                (self.event_handler_enabled, self.event_handler_line) = (flag, line)
            }
            b"modified_attributes" => self.is_modified = value != b"0",
            // A custom variable: whether it was changed, then its value. Of two of one name the
            // first counts, as for the macro.
            b"_REPAIR" if !self.has_custom_repair => {
                self.has_custom_repair = true;
                let after =
                    value.iter().position(|byte| *byte == b';').map_or(value.len(), |at| at + 1);
                self.repair.extend_from_slice(value.get(after..).unwrap_or_default());
            }
            _ => {}
        }
    }

    /// The service's description; `None` when it is a host.
    pub fn service(&self) -> Option<&[u8]> {
        self.is_service.then_some(&self.service)
    }

    /// Whether it is this host, or this service of it.
    pub fn is(&self, host: &[u8], service: Option<&[u8]>) -> bool {
        self.host == host && self.service() == service
    }

    /// The repair it opts in to, spelled.
    pub fn repair_name(&self) -> String {
        spell(&self.repair)
    }

    /// Its state at the last check.
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

    /// The result before the last one, if it was the same; the file has no other.
    pub fn result_before(&self) -> Option<ObjectState> {
        let known = self.last_change > SystemTime::UNIX_EPOCH;
        (known && self.last_check > self.last_change).then(|| self.state())
    }

    /// Returns what a decision wants to know of it. `state` is its state where that counts, and
    /// `host_downtime` the number of downtimes of its host.
    pub fn object_now(&self, state: Option<ObjectState>, host_downtime: u32) -> ObjectNow {
        ObjectNow {
            state,
            acknowledged: self.acknowledged,
            flapping: self.flapping,
            downtime: self.downtime > 0,
            host_downtime: host_downtime > 0,
        }
    }

    /// Whether it opts in to a repair.
    pub fn has_repair(&self) -> bool {
        !self.repair.is_empty()
    }

    /// Whether it counts for the share of objects in trouble.
    pub fn in_trouble(&self) -> bool {
        matches!(self.state(), ObjectState::Critical | ObjectState::Down | ObjectState::Unreachable)
    }

    /// Adds it to the objects in trouble and to all, if it has a repair.
    pub(crate) fn count_in(&self, (troubled, all): &mut (u32, u32)) {
        *troubled += u32::from(self.has_repair() && self.in_trouble());
        *all += u32::from(self.has_repair());
    }
}
