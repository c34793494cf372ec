//! Parses Nagios log lines without copying, for example:
//!
//! ```text
//! [1700000000] SERVICE ALERT: web1;HTTP;CRITICAL;SOFT;3;output
//! ```

use memchr::{memchr, memchr2};
use policy::{ObjectState, StateType};

/// A log line about an object, split into its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogEntry<'a> {
    /// When Nagios wrote the line, in seconds since 1970.
    pub at: u64,
    /// Name of the object as it appears in the log, `host` or `host;service`, in any encoding.
    pub object: &'a [u8],
    /// The event that the line reports.
    pub event: LogEvent,
}

/// What a log line reports about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogEvent {
    /// A state change, for which Nagios calls the event handler.
    Alert(StateChange),
    /// A call to the event handler. The log also contains an alert for the same change.
    HandlerCall(StateChange),
    /// The current state, which Nagios logs when it starts and after it has rotated the log.
    State(ObjectState),
    /// A scheduled downtime began (`true`) or ended (`false`).
    Downtime(bool),
    /// Flapping started (`true`) or stopped (`false`).
    Flapping(bool),
    /// The problem was acknowledged (`true`), or the acknowledgement was removed (`false`).
    Acknowledged(bool),
    /// Nagios sent a notification about the problem.
    Notified,
}

/// A state change in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateChange {
    /// State after the change.
    pub state: ObjectState,
    /// Whether the state is SOFT or HARD.
    pub state_type: StateType,
    /// Number of the check attempt, counted from 1.
    pub attempt: u32,
}

/// Splits a log line into its time, in seconds since 1970, and the text that follows. Returns
/// `None` if the line does not begin with a time such as `[1700000000] `.
pub fn timestamp(line: &[u8]) -> Option<(u64, &[u8])> {
    let rest = line.strip_prefix(b"[")?;
    let end = memchr(b']', rest.get(..21.min(rest.len()))?)?;
    let (digits, rest) = rest.split_at_checked(end)?;
    Some((number(digits)?, rest.strip_prefix(b"] ")?))
}

fn number(digits: &[u8]) -> Option<u64> {
    let digit = |so_far: u64, byte: &u8| {
        let value = byte.checked_sub(b'0').filter(|value| *value <= 9)?;
        so_far.checked_mul(10)?.checked_add(u64::from(value))
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, digit) }
}

/// Parses the text that follows the time. Returns `None` if the line is damaged or reports none of
/// the events in [`LogEvent`].
pub fn parse(at: u64, text: &[u8]) -> Option<LogEntry<'_>> {
    let (kind, rest) = text.split_at_checked(memchr(b':', text)?)?;
    let rest = rest.strip_prefix(b": ")?;
    let (service, kind) = match kind {
        b"EXTERNAL COMMAND" => return acknowledgement(at, rest),
        b"CURRENT SERVICE STATE" | b"INITIAL SERVICE STATE" => (true, b"STATE".as_slice()),
        b"CURRENT HOST STATE" | b"INITIAL HOST STATE" => (false, b"STATE".as_slice()),
        b"SERVICE STATE" | b"HOST STATE" => return None,
        _ => match kind.strip_prefix(b"SERVICE ") {
            Some(kind) => (true, kind),
            None => (false, kind.strip_prefix(b"HOST ")?),
        },
    };
    // In a notification, the name of the contact precedes the object's name.
    let rest = if kind == b"NOTIFICATION" { field(rest)?.1 } else { rest };
    let (object, rest) = object(service, rest)?;
    let event = match kind {
        b"ALERT" => LogEvent::Alert(change(service, rest)?),
        b"EVENT HANDLER" => LogEvent::HandlerCall(change(service, rest)?),
        b"STATE" => LogEvent::State(state(service, field(rest)?.0)?),
        b"DOWNTIME ALERT" => LogEvent::Downtime(rest.starts_with(b"STARTED")),
        b"FLAPPING ALERT" => LogEvent::Flapping(rest.starts_with(b"STARTED")),
        b"NOTIFICATION" => {
            let (why, _) = field(rest)?;
            match state(service, why) {
                Some(state) if !state.is_good() => LogEvent::Notified,
                // Matches, for example, `ACKNOWLEDGEMENT (CRITICAL)`. All other notifications are
                // about recoveries, downtimes and flapping.
                _ if why.starts_with(b"ACKNOWLEDGEMENT") => LogEvent::Acknowledged(true),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(LogEntry { at, object, event })
}

/// Parses `ACKNOWLEDGE_SVC_PROBLEM;web1;HTTP;2;...`, `REMOVE_SVC_ACKNOWLEDGEMENT;web1;HTTP` and the
/// same commands for hosts.
fn acknowledgement(at: u64, text: &[u8]) -> Option<LogEntry<'_>> {
    let commands: [(&[u8], bool, bool); 4] = [
        (b"ACKNOWLEDGE_SVC_PROBLEM;", true, true),
        (b"ACKNOWLEDGE_HOST_PROBLEM;", false, true),
        (b"REMOVE_SVC_ACKNOWLEDGEMENT;", true, false),
        (b"REMOVE_HOST_ACKNOWLEDGEMENT;", false, false),
    ];
    let (rest, service, on) = commands
        .into_iter()
        .find_map(|(command, service, on)| Some((text.strip_prefix(command)?, service, on)))?;
    // If the command removes an acknowledgement, no further fields follow the object's name.
    let object = object(service, rest).map_or(rest, |(object, _)| object);
    Some(LogEntry { at, object, event: LogEvent::Acknowledged(on) })
}

/// Splits the text into the object's name and the rest. The name is `host` or, for a service,
/// `host;service`.
fn object(service: bool, text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut end = memchr(b';', text)?;
    if service {
        end += 1 + memchr(b';', text.get(end + 1..)?)?;
    }
    Some((text.get(..end)?, text.get(end + 1..)?))
}

fn field(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr(b';', text)?;
    Some((text.get(..end)?, text.get(end + 1..)?))
}

/// Parses a state change such as `CRITICAL;SOFT;3;...`.
fn change(service: bool, text: &[u8]) -> Option<StateChange> {
    let (word, rest) = field(text)?;
    let state = state(service, word)?;
    let (word, rest) = field(rest)?;
    let state_type = match word {
        b"SOFT" => StateType::Soft,
        b"HARD" => StateType::Hard,
        _ => return None,
    };
    let end = memchr2(b';', b'\r', rest).unwrap_or(rest.len());
    let attempt = number(rest.get(..end)?)?;
    Some(StateChange { state, state_type, attempt: u32::try_from(attempt).ok()? })
}

fn state(service: bool, word: &[u8]) -> Option<ObjectState> {
    Some(match (service, word) {
        (true, b"OK") => ObjectState::Ok,
        (true, b"WARNING") => ObjectState::Warning,
        (true, b"CRITICAL") => ObjectState::Critical,
        (true, b"UNKNOWN") => ObjectState::Unknown,
        (false, b"UP") => ObjectState::Up,
        (false, b"DOWN") => ObjectState::Down,
        (false, b"UNREACHABLE") => ObjectState::Unreachable,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<LogEntry<'_>> {
        let (at, text) = timestamp(line.as_bytes())?;
        parse(at, text)
    }

    fn change(state: ObjectState, state_type: StateType, attempt: u32) -> StateChange {
        StateChange { state, state_type, attempt }
    }

    #[test]
    fn parses_lines_about_objects() {
        use StateType::{Hard, Soft};
        let critical = change(ObjectState::Critical, Soft, 3);
        for (line, object, event) in [
            (
                "SERVICE ALERT: web1;HTTP;CRITICAL;SOFT;3;CRITICAL - a;b",
                "web1;HTTP",
                LogEvent::Alert(critical),
            ),
            (
                "SERVICE EVENT HANDLER: web1;HTTP;CRITICAL;SOFT;3;handle_repair",
                "web1;HTTP",
                LogEvent::HandlerCall(critical),
            ),
            (
                "HOST ALERT: web1;DOWN;HARD;3;gone",
                "web1",
                LogEvent::Alert(change(ObjectState::Down, Hard, 3)),
            ),
            (
                "HOST EVENT HANDLER: web1;UP;HARD;1;x",
                "web1",
                LogEvent::HandlerCall(change(ObjectState::Up, Hard, 1)),
            ),
            (
                "CURRENT SERVICE STATE: web1;HTTP;OK;HARD;1;fine",
                "web1;HTTP",
                LogEvent::State(ObjectState::Ok),
            ),
            ("INITIAL HOST STATE: web1;UP;HARD;1;fine", "web1", LogEvent::State(ObjectState::Up)),
            (
                "SERVICE DOWNTIME ALERT: web1;HTTP;STARTED; begins",
                "web1;HTTP",
                LogEvent::Downtime(true),
            ),
            ("HOST DOWNTIME ALERT: web1;CANCELLED; ends", "web1", LogEvent::Downtime(false)),
            (
                "SERVICE FLAPPING ALERT: web1;HTTP;STARTED; 20%",
                "web1;HTTP",
                LogEvent::Flapping(true),
            ),
            ("HOST FLAPPING ALERT: web1;STOPPED; 5%", "web1", LogEvent::Flapping(false)),
            (
                "SERVICE NOTIFICATION: ann;web1;HTTP;CRITICAL;mail;out",
                "web1;HTTP",
                LogEvent::Notified,
            ),
            ("HOST NOTIFICATION: ann;web1;DOWN;mail;out", "web1", LogEvent::Notified),
            (
                "SERVICE NOTIFICATION: ann;web1;HTTP;ACKNOWLEDGEMENT (CRITICAL);mail;out",
                "web1;HTTP",
                LogEvent::Acknowledged(true),
            ),
            (
                "EXTERNAL COMMAND: ACKNOWLEDGE_SVC_PROBLEM;web1;HTTP;2;1;1;ann;mine",
                "web1;HTTP",
                LogEvent::Acknowledged(true),
            ),
            (
                "EXTERNAL COMMAND: REMOVE_SVC_ACKNOWLEDGEMENT;web1;HTTP",
                "web1;HTTP",
                LogEvent::Acknowledged(false),
            ),
            (
                "EXTERNAL COMMAND: REMOVE_HOST_ACKNOWLEDGEMENT;web1",
                "web1",
                LogEvent::Acknowledged(false),
            ),
        ] {
            let line = format!("[1700000000] {line}");
            assert_eq!(
                read(&line),
                Some(LogEntry { at: 1_700_000_000, object: object.as_bytes(), event }),
                "{line}"
            );
        }
    }

    #[test]
    fn skips_all_other_lines() {
        for line in [
            "",
            "[",
            "[]",
            "[] SERVICE ALERT: a;b;OK;HARD;1;x",
            "[99999999999999999999] SERVICE ALERT: a;b;OK;HARD;1;x",
            "[17000000000000000000000] SERVICE ALERT: a;b;OK;HARD;1;x",
            "[-1] SERVICE ALERT: a;b;OK;HARD;1;x",
            "[1]SERVICE ALERT: a;b;OK;HARD;1;x",
            "[1] SERVICE ALERT: a;b",
            "[1] SERVICE ALERT: a;b;CRITICAL;SOFT",
            "[1] SERVICE ALERT: a;b;CRITICAL;SOFT;x;y",
            "[1] SERVICE ALERT: a;b;CRITICAL;SOFT;99999999999;y",
            "[1] SERVICE ALERT: a;b;DOWN;SOFT;1;y",
            "[1] HOST ALERT: a;CRITICAL;SOFT;1;y",
            "[1] SERVICE NOTIFICATION: ann;a;b;RECOVERY;mail;x",
            "[1] SERVICE NOTIFICATION: ann;a;b;OK;mail;x",
            "[1] EXTERNAL COMMAND: PROCESS_SERVICE_CHECK_RESULT;a;b;2;SERVICE ALERT: \
             a;b;CRITICAL;HARD;3;x",
            "[1] GLOBAL SERVICE EVENT HANDLER: a;b;CRITICAL;SOFT;3;x",
            "[1] Nagios 4.4.6 starting... (PID=1)",
            "Nov 24 03:12:44 nagios: SERVICE ALERT: a;b;CRITICAL;SOFT;3;x",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
