//! Nagios' status file: what the event alone does not tell. Acknowledgements and flapping are in no macro that is set.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use policy::{Event, ObjectNow, State};

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
    /// The object of the event is not in it.
    #[error("Nagios' status file {path} does not know {object}; is it the file of this Nagios?")]
    NoSuchObject {
        /// The file.
        path: PathBuf,
        /// The object.
        object: String,
    },
}

/// What it says of the event's object, and of how many objects with a repair how many are in trouble. Nagios writes the
/// file every few seconds only, so a state counts only when it was checked after `called`.
pub fn read(path: &Path, event: &Event, called: SystemTime) -> Result<(ObjectNow, (u32, u32)), Blind> {
    let unreadable = |why| Blind::Unreadable { path: path.to_owned(), why };
    let file = File::open(path).map_err(unreadable)?;
    let called = called.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (now, share) = scan(BufReader::new(file), event, called).map_err(unreadable)?;
    let now = now.ok_or_else(|| Blind::NoSuchObject { path: path.to_owned(), object: event.object() })?;
    Ok((now, share))
}

/// The fields of one `hoststatus {` or `servicestatus {` block that matter here.
#[derive(Default)]
struct Block {
    is_service: bool,
    host: Vec<u8>,
    service: Vec<u8>,
    state: u8,
    last_check: u64,
    acknowledged: bool,
    flapping: bool,
    has_repair: bool,
}

/// Line by line, with one buffer: the file of a large site is tens of megabytes.
fn scan(mut file: impl BufRead, event: &Event, called: u64) -> io::Result<(Option<ObjectNow>, (u32, u32))> {
    let (mut found, mut troubled, mut of) = (None, 0, 0);
    let mut block: Option<Block> = None;
    let mut line = Vec::new();
    while file.read_until(b'\n', &mut line)? > 0 {
        let text = line.trim_ascii();
        match (&mut block, text) {
            (_, b"hoststatus {") => block = Some(Block::default()),
            (_, b"servicestatus {") => block = Some(Block { is_service: true, ..Block::default() }),
            (Some(done), b"}") => {
                of += u32::from(done.has_repair);
                troubled += u32::from(done.has_repair && done.in_trouble());
                if done.is(event) {
                    found = Some(done.now(called));
                }
                block = None;
            }
            (Some(open), field) => open.take(field),
            (None, _) => {}
        }
        line.clear();
    }
    Ok((found, (troubled, of)))
}

impl Block {
    fn take(&mut self, field: &[u8]) {
        let Some(equals) = field.iter().position(|byte| *byte == b'=') else { return };
        let (name, value) = field.split_at(equals);
        let value = value.get(1..).unwrap_or_default();
        match name {
            b"host_name" => self.host = value.to_vec(),
            b"service_description" => self.service = value.to_vec(),
            b"current_state" => self.state = value.first().map_or(0, |digit| digit.wrapping_sub(b'0')),
            b"last_check" => self.last_check = str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(0),
            b"problem_has_been_acknowledged" => self.acknowledged = value == b"1",
            b"is_flapping" => self.flapping = value == b"1",
            // A custom variable: `_REPAIR=0;httpd`.
            b"_REPAIR" => self.has_repair = value.len() > 2,
            _ => {}
        }
    }

    fn is(&self, event: &Event) -> bool {
        let service = event.service.as_deref();
        self.is_service == service.is_some()
            && self.host == event.host.as_bytes()
            && self.service == service.unwrap_or_default().as_bytes()
    }

    fn in_trouble(&self) -> bool {
        if self.is_service { self.state == 2 } else { self.state != 0 }
    }

    fn now(&self, called: u64) -> ObjectNow {
        let state = match (self.is_service, self.state) {
            (true, 0) => State::Ok,
            (true, 1) => State::Warning,
            (true, 2) => State::Critical,
            (true, _) => State::Unknown,
            (false, 0) => State::Up,
            (false, 1) => State::Down,
            (false, _) => State::Unreachable,
        };
        let state = (self.last_check > called).then_some(state);
        ObjectNow { state, acknowledged: self.acknowledged, flapping: self.flapping }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
info {\n\tcreated=1\n\t}
hoststatus {\n\thost_name=web1\n\tcurrent_state=0\n\tlast_check=100\n\tis_flapping=0\n\t}
servicestatus {\n\thost_name=web1\n\tservice_description=HTTP\n\tcurrent_state=2\n\tlast_check=100\n\tplugin_output=current_state=0
\tproblem_has_been_acknowledged=1\n\tis_flapping=0\n\t_REPAIR=0;httpd\n\t}
servicestatus {\n\thost_name=web2\n\tservice_description=HTTP\n\tcurrent_state=0\n\tlast_check=100\n\tis_flapping=1\n\t_REPAIR=0;httpd\n\t}
servicestatus {\n\thost_name=web2\n\tservice_description=Disk\n\tcurrent_state=2\n\t}
servicecomment {\n\thost_name=web2\n\tservice_description=HTTP\n\t}
";

    fn event(host: &str, service: Option<&str>) -> Event {
        Event::new(host, service, State::Critical, policy::StateType::Hard, 1)
    }

    #[test]
    fn an_object_is_found_with_what_no_macro_tells() {
        let (web1, share) = scan(FILE.as_bytes(), &event("web1", Some("HTTP")), 99).unwrap();
        assert_eq!(web1, Some(ObjectNow { state: Some(State::Critical), acknowledged: true, flapping: false }));
        // Only objects that opted in count.
        assert_eq!(share, (1, 2));
        let (web2, _) = scan(FILE.as_bytes(), &event("web2", Some("HTTP")), 99).unwrap();
        assert_eq!(web2, Some(ObjectNow { state: Some(State::Ok), acknowledged: false, flapping: true }));
        let (host, _) = scan(FILE.as_bytes(), &event("web1", None), 99).unwrap();
        assert_eq!(host.unwrap().state, Some(State::Up));
        assert_eq!(scan(FILE.as_bytes(), &event("web1", Some("FTP")), 99).unwrap().0, None);
    }

    #[test]
    fn a_state_from_before_the_event_is_not_believed() {
        let (now, _) = scan(FILE.as_bytes(), &event("web2", Some("HTTP")), 100).unwrap();
        assert_eq!(now, Some(ObjectNow { state: None, acknowledged: false, flapping: true }));
    }

    #[test]
    fn a_missing_file_or_object_is_said() {
        assert!(matches!(
            read(Path::new("/nonexistent"), &event("web1", None), SystemTime::now()),
            Err(Blind::Unreadable { .. })
        ));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("status.dat");
        std::fs::write(&path, FILE).unwrap();
        assert!(matches!(read(&path, &event("web9", None), SystemTime::now()), Err(Blind::NoSuchObject { .. })));
    }
}
