//! Nagios' status file: all its hosts and services as Nagios sees them. Read as bytes, block by
//! block, in constant memory: the file of a large site is tens of megabytes, and its text is
//! whatever plugins have printed.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use policy::{ObjectState, StateType};

/// Why the status file tells nothing; then nothing is repaired.
#[derive(Debug, thiserror::Error)]
pub enum Blind {
    /// Not there, or not for us.
    #[error("cannot read Nagios' status file {path}: {why}; see status_file in nagios.cfg")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: io::Error,
    },
    /// Something else, or empty.
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

/// A host, or a service of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
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
}

/// What the file says of Nagios itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// When the file was written; 1970 when it does not say.
    pub written: SystemTime,
    /// When Nagios was started.
    pub started: SystemTime,
    /// Whether event handlers are called at all.
    pub event_handlers: bool,
}

/// Opens a status file.
pub fn open(path: &Path) -> Result<BufReader<File>, Blind> {
    let opened = safe_file::open(path).map(BufReader::new);
    opened.map_err(|why| Blind::Unreadable { path: path.to_owned(), why: why.into() })
}

/// Hands every host and service of the file to `each`, in its order: Nagios writes all hosts before
/// the services.
pub fn scan(mut file: impl BufRead, mut each: impl FnMut(&Object)) -> io::Result<Program> {
    let mut program = Program {
        written: SystemTime::UNIX_EPOCH,
        started: SystemTime::UNIX_EPOCH,
        event_handlers: false,
    };
    let mut object = Object::nothing();
    let mut within = Within::Nothing;
    let mut line = Vec::new();
    while read_line(&mut file, &mut line)? {
        let text = line.trim_ascii();
        match (within, text) {
            (_, b"hoststatus {" | b"servicestatus {") => {
                object.clear(text == b"servicestatus {");
                within = Within::Object;
            }
            (_, b"info {" | b"programstatus {") => within = Within::Program,
            (_, b"}") => {
                if within == Within::Object {
                    each(&object);
                }
                within = Within::Nothing;
            }
            (Within::Object, field) => object.take(field),
            (Within::Program, field) => program.take(field),
            (Within::Nothing, _) => {}
        }
    }
    Ok(program)
}

/// The kind of block a line stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    Nothing,
    Program,
    Object,
}

/// No field that matters is longer; what a line has beyond it is skipped.
const LONGEST_LINE: usize = 64 * 1024;

/// One line into `line`, without its end where it is too long; `false` at the end of the file.
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

impl Object {
    fn nothing() -> Object {
        Object {
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
        }
    }

    /// Ready for the next block, with the room that the last one took.
    fn clear(&mut self, is_service: bool) {
        let [host, service, repair] =
            [&mut self.host, &mut self.service, &mut self.repair].map(|text| {
                text.clear();
                std::mem::take(text)
            });
        *self = Object { is_service, host, service, repair, ..Object::nothing() };
    }

    fn take(&mut self, field: &[u8]) {
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
            b"event_handler_enabled" => self.event_handler_enabled = flag,
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

    /// The result before the last one, if it was the same: the file does not tell what another one
    /// was.
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
}

impl Program {
    fn take(&mut self, field: &[u8]) {
        match split(field) {
            Some((b"created", value)) => self.written = time(value),
            Some((b"program_start", value)) => self.started = time(value),
            Some((b"enable_event_handlers", value)) => self.event_handlers = value == b"1",
            _ => {}
        }
    }
}

fn split(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, value) = field.split_at(field.iter().position(|byte| *byte == b'=')?);
    Some((name, value.get(1..)?))
}

/// A number; 0 for what is none.
fn number<N: std::str::FromStr + Default>(value: &[u8]) -> N {
    str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Seconds since 1970; 1970 for what is no time.
fn time(value: &[u8]) -> SystemTime {
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_secs(number(value)))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "
info {\n\tcreated=1000\n\tversion=4.4.6\n\t}
programstatus {\n\tenable_event_handlers=1\n\tprogram_start=900\n\t}
hoststatus {\n\thost_name=web1\n\tcurrent_state=1\n\tstate_type=1\n\tlast_time_up=800\n\tscheduled_downtime_depth=1\n\t}
servicestatus {\n\thost_name=web1\n\tservice_description=HTTP\n\tplugin_output=current_state=0\n\tcurrent_state=2\n\tstate_type=1
\tcurrent_attempt=4\n\tmax_attempts=4\n\tlast_check=990\n\tlast_hard_state_change=950\n\tlast_time_ok=940\n\tcurrent_problem_id=7
\tevent_handler_enabled=1\n\t_REPAIR=0;httpd\n\t}
servicestatus {\n\thost_name=web1\n\tservice_description=Disk\n\t_REPAIR=0;\n\t}
servicecomment {\n\thost_name=web1\n\tservice_description=HTTP\n\t}
";

    fn objects(text: &[u8]) -> (Vec<Object>, Program) {
        let mut all = Vec::new();
        let program = scan(text, |object| all.push(object.clone())).unwrap();
        (all, program)
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn every_host_and_service_is_seen_with_what_matters() {
        let (all, program) = objects(FILE.as_bytes());
        assert_eq!(program, Program { written: at(1000), started: at(900), event_handlers: true });
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
        // Nothing of one block is left in the next one.
        assert_eq!(
            (disk.state(), disk.last_check, disk.event_handler_enabled),
            (ObjectState::Ok, at(0), false)
        );
    }

    #[test]
    fn two_results_in_a_row_are_known_by_the_time_of_the_change() {
        let before = |change: &str| {
            let text = FILE.replace(
                "last_check=990",
                &format!("last_check=990\n\tlast_state_change={change}"),
            );
            objects(text.as_bytes()).0[1].result_before()
        };
        assert_eq!(before("989"), Some(ObjectState::Critical));
        // The check that changed it was the last one; and what is not known is no second result.
        assert_eq!((before("990"), before("0"), before("x")), (None, None, None));
    }

    #[test]
    fn a_line_without_end_takes_no_memory_and_hides_nothing_after_it() {
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
        fn no_file_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0..FILE.len()) {
            objects(&bytes);
            let mut text = FILE.as_bytes().to_vec();
            text.truncate(cut);
            text.extend(bytes);
            objects(&text);
        }

        #[test]
        fn no_number_panics(digits in "[0-9]{0,25}") {
            let text = format!("hoststatus {{\n\tlast_check={digits}\n\tcurrent_attempt={digits}\n\tcurrent_state={digits}\n\t}}\n");
            assert_eq!(objects(text.as_bytes()).0.len(), 1);
        }
    }
}
