//! Nagios' status file: all its hosts and services as Nagios sees them. Read as bytes, block by
//! block, in constant memory: the file of a large site is tens of megabytes, and its text is
//! anything that plugins have printed.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use policy::{ObjectState, StateType};

/// Why the status file cannot be used. Nothing is repaired then.
#[derive(Debug, thiserror::Error)]
pub enum StatusFileError {
    /// Missing, or not readable for us.
    #[error("cannot read Nagios' status file {path}: {why}; see status_file in nagios.cfg")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        why: io::Error,
    },
    /// Another file, or an empty one.
    #[error(
        "{0} is no status file of Nagios: it does not say when it was written; see status_file in \
         nagios.cfg"
    )]
    Foreign(PathBuf),
    /// The object of the event is not in it.
    #[error("Nagios' status file {path} does not know {object}; is it the file of this Nagios?")]
    NoSuchObject {
        /// The file.
        path: PathBuf,
        /// The object.
        object: String,
    },
}

/// A host, or a service of it, as Nagios sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectStatus {
    is_service: bool,
    digit: u8,
    /// The host's name.
    pub host: Vec<u8>,
    service: Vec<u8>,
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

/// What the file says of Nagios itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProgramStatus {
    /// When the file was written; 1970 when it does not say.
    pub written: SystemTime,
    /// When Nagios was started.
    pub started: SystemTime,
    /// Whether event handlers are called at all.
    pub event_handlers: bool,
    /// The line of `enable_event_handlers`, from 1; 0 if the file does not say it.
    pub event_handlers_line: u32,
}

/// One object of the file, and what else matters for a decision about it.
#[derive(Debug)]
pub struct ObjectReport {
    /// Nagios itself.
    pub program: ProgramStatus,
    /// The object; `None` if the file does not show it.
    pub object: Option<ObjectStatus>,
    /// Its host, or itself; `None` if the file does not show it.
    pub host: Option<ObjectStatus>,
    /// The number of objects with a repair that are in trouble, and of all with a repair.
    pub share: (u32, u32),
}

/// Reads what the file says of a host, or of one service of it.
///
/// # Errors
/// The file is not readable.
pub fn find(
    path: &Path,
    host: &str,
    service: Option<&str>,
) -> Result<ObjectReport, StatusFileError> {
    let (mut found, mut its_host, mut share) = (None, None, (0, 0));
    let program = read(path, |object| {
        object.count_in(&mut share);
        if object.is(host, service) {
            found = Some(object.clone());
        }
        if object.is(host, None) {
            its_host = Some(object.clone());
        }
    })?;
    Ok(ObjectReport { program, object: found, host: its_host, share })
}

/// Reads the file as [`scan`] does.
///
/// # Errors
/// The file is not readable.
pub fn read(
    path: &Path,
    each: impl FnMut(&ObjectStatus),
) -> Result<ProgramStatus, StatusFileError> {
    let unreadable = |why| StatusFileError::Unreadable { path: path.to_owned(), why };
    let file = safe_file::open(path).map_err(|why| unreadable(why.into()))?;
    scan(BufReader::new(file), each).map_err(unreadable)
}

/// Passes every host and service to `each`, in the order of the file: Nagios writes all hosts
/// before the services.
///
/// # Errors
/// Those of reading; all content is accepted.
pub fn scan(
    mut file: impl BufRead,
    mut each: impl FnMut(&ObjectStatus),
) -> io::Result<ProgramStatus> {
    let mut program = ProgramStatus {
        written: SystemTime::UNIX_EPOCH,
        started: SystemTime::UNIX_EPOCH,
        event_handlers: false,
        event_handlers_line: 0,
    };
    let mut object = ObjectStatus::nothing();
    let mut within = Block::Other;
    let mut line = Vec::new();
    let mut number = 0;
    while read_line(&mut file, &mut line)? {
        number += 1;
        let text = line.trim_ascii();
        match (within, text) {
            (_, b"hoststatus {" | b"servicestatus {") => {
                object.clear(text == b"servicestatus {");
                within = Block::Object;
            }
            (_, b"info {" | b"programstatus {") => within = Block::Program,
            (_, b"}") => {
                if within == Block::Object {
                    each(&object);
                }
                within = Block::Other;
            }
            (Block::Object, field) => object.take(field, number),
            (Block::Program, field) => program.take(field, number),
            (Block::Other, _) => {}
        }
    }
    Ok(program)
}

/// The kind of block a line stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    Other,
    Program,
    Object,
}

/// No field that matters is longer; what a line has beyond it is skipped.
const LONGEST_LINE: usize = 64 * 1024;

/// Reads one line into `line`, cut where it is too long; `false` at the end of the file.
fn read_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut begun = false;
    loop {
        let buffer = file.fill_buf()?;
        if buffer.is_empty() {
            return Ok(begun);
        }
        begun = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |at| at + 1);
        let kept = used.min(LONGEST_LINE.saturating_sub(line.len()));
        line.extend_from_slice(buffer.get(..kept).unwrap_or_default());
        file.consume(used);
        if end.is_some() {
            return Ok(true);
        }
    }
}

impl ObjectStatus {
    fn nothing() -> ObjectStatus {
        ObjectStatus {
            is_service: false,
            digit: 0,
            host: Vec::new(),
            service: Vec::new(),
            repair: Vec::new(),
            state_type: StateType::Soft,
            attempt: 0,
            max_attempts: 0,
            last_check: SystemTime::UNIX_EPOCH,
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
    fn clear(&mut self, is_service: bool) {
        let [host, service, repair] =
            [&mut self.host, &mut self.service, &mut self.repair].map(|text| {
                text.clear();
                std::mem::take(text)
            });
        *self = ObjectStatus { is_service, host, service, repair, ..ObjectStatus::nothing() };
    }

    fn take(&mut self, field: &[u8], line: u32) {
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
            // A custom variable: whether it was changed, then its value.
            b"_REPAIR" => {
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
    pub fn is(&self, host: &str, service: Option<&str>) -> bool {
        self.host == host.as_bytes() && self.service() == service.map(str::as_bytes)
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

impl ProgramStatus {
    /// Age of the file at `now`; zero if it was written later.
    pub fn age(&self, now: SystemTime) -> Duration {
        now.duration_since(self.written).unwrap_or_default()
    }

    fn take(&mut self, field: &[u8], line: u32) {
        match split(field) {
            Some((b"created", value)) => self.written = time(value),
            Some((b"program_start", value)) => self.started = time(value),
            Some((b"enable_event_handlers", value)) => {
                (self.event_handlers, self.event_handlers_line) = (value == b"1", line)
            }
            _ => {}
        }
    }
}

fn split(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = field.split_at(field.iter().position(|byte| *byte == b'=')?);
    Some((name, value.get(1..)?))
}

/// A number; 0 if it is not one.
fn number<N: std::str::FromStr + Default>(value: &[u8]) -> N {
    str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Seconds since 1970; 1970 if it is not a time.
fn time(value: &[u8]) -> SystemTime {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(number(value)))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
/// Blocks of a status file for the tests of this crate.
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A block of a status file with these fields.
    pub fn block(kind: &str, fields: &str) -> String {
        format!("{kind} {{\n\t{}\n\t}}\n", fields.replace(' ', "\n\t"))
    }

    fn file() -> String {
        [
            block("info", "created=1000 version=4.4.6"),
            block("programstatus", "enable_event_handlers=1 program_start=900"),
            block(
                "hoststatus",
                "host_name=web1 current_state=1 state_type=1 last_time_up=800 \
                 scheduled_downtime_depth=1",
            ),
            block(
                "servicestatus",
                "host_name=web1 service_description=HTTP modified_attributes=1 \
                 plugin_output=current_state=0 current_state=2 state_type=1 current_attempt=4 \
                 max_attempts=4 last_check=990 last_hard_state_change=950 last_time_ok=940 \
                 current_problem_id=7 event_handler_enabled=1 _REPAIR=0;httpd",
            ),
            block(
                "servicestatus",
                "host_name=web1 service_description=Disk modified_attributes=0 _REPAIR=0;",
            ),
            block("servicecomment", "host_name=web1 service_description=HTTP"),
        ]
        .concat()
    }

    fn objects(text: &[u8]) -> (Vec<ObjectStatus>, ProgramStatus) {
        let mut all = Vec::new();
        let program = scan(text, |object| all.push(object.clone())).unwrap();
        (all, program)
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn reads_every_host_and_service() {
        let (all, program) = objects(file().as_bytes());
        let wanted = ProgramStatus {
            written: at(1000),
            started: at(900),
            event_handlers: true,
            event_handlers_line: 6,
        };
        assert_eq!(program, wanted);
        let [host, http, disk] = all.as_slice() else { panic!("{all:?}") };
        assert!(
            host.is("web1", None) && http.is("web1", Some("HTTP")) && disk.is("web1", Some("Disk"))
        );
        assert_eq!(
            (host.state(), host.state_type, host.last_good, host.downtime),
            (ObjectState::Down, StateType::Hard, at(800), 1)
        );
        assert_eq!(
            (http.state(), http.attempt, http.max_attempts, http.problem_id),
            (ObjectState::Critical, 4, 4, 7)
        );
        assert_eq!(
            (http.last_check, http.last_hard_change, http.last_good),
            (at(990), at(950), at(940))
        );
        assert!(http.event_handler_enabled && http.repair == b"httpd" && !disk.has_repair());
        assert_eq!((http.is_modified, http.event_handler_line), (true, 29));
        // Nothing of one block is left in the next one.
        assert_eq!(
            (disk.state(), disk.last_check, disk.event_handler_enabled),
            (ObjectState::Ok, at(0), false)
        );
        assert_eq!((disk.is_modified, disk.event_handler_line), (false, 0));
    }

    #[test]
    fn knows_a_second_equal_result_by_the_time_of_the_change() {
        let before = |change: &str| {
            let text = file().replace(
                "last_check=990",
                &format!("last_check=990\n\tlast_state_change={change}"),
            );
            objects(text.as_bytes()).0[1].result_before()
        };
        assert_eq!(before("989"), Some(ObjectState::Critical));
        // The check that changed it was the last one; an unknown time is not a second result.
        assert_eq!((before("990"), before("0"), before("x")), (None, None, None));
    }

    #[test]
    fn skips_the_rest_of_a_long_line_in_constant_memory() {
        let long = format!(
            "servicestatus {{\n\tplugin_output={}\n\tcurrent_state=2\n\t}}\n",
            "x".repeat(300_000)
        );
        let (all, _) = objects(long.as_bytes());
        assert_eq!(all[0].state(), ObjectState::Critical);
        let mut line = Vec::new();
        assert!(
            read_line(&mut long.as_bytes().get(17..).unwrap(), &mut line).unwrap()
                && line.len() <= LONGEST_LINE
        );
    }

    proptest! {
        #[test]
        fn accepts_any_file(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
            cut in 0..file().len(),
        ) {
            objects(&bytes);
            let mut text = file().into_bytes();
            text.truncate(cut);
            text.extend(bytes);
            objects(&text);
        }

        #[test]
        fn accepts_any_number(digits in "[0-9]{0,25}") {
            let text = format!(
                "hoststatus {{\n\tlast_check={digits}\n\tcurrent_attempt={digits}\n\
                 \tcurrent_state={digits}\n\t}}\n"
            );
            assert_eq!(objects(text.as_bytes()).0.len(), 1);
        }
    }
}
