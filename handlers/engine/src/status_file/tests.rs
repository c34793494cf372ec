//! Tests with sample status files.

use std::time::{Duration, SystemTime};

use policy::{ObjectState, StateType};
use proptest::prelude::*;

use super::*;

/// Builds a status file. Each line of `blocks` holds the kind of a block and its fields.
pub fn status_file(blocks: &str) -> String {
    let blocks = blocks.lines().filter_map(|line| line.split_once(' '));
    blocks
        .map(|(kind, fields)| format!("{kind} {{\n\t{}\n\t}}\n", fields.replace(' ', "\n\t")))
        .collect()
}

fn file() -> String {
    status_file(
        "info created=1000 version=4.4.6\n\
         programstatus enable_event_handlers=1 program_start=900\n\
         hoststatus host_name=web1 current_state=1 state_type=1 last_time_up=800 \
         scheduled_downtime_depth=1\n\
         servicestatus host_name=web1 service_description=HTTP modified_attributes=1 \
         plugin_output=current_state=0 current_state=2 state_type=1 current_attempt=4 \
         max_attempts=4 last_check=990 last_hard_state_change=950 last_time_ok=940 \
         current_problem_id=7 event_handler_enabled=1 _REPAIR=0;httpd\n\
         servicestatus host_name=web1 service_description=Disk modified_attributes=0 _REPAIR=0;\n\
         servicecomment host_name=web1 service_description=HTTP",
    )
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
        host.is(b"web1", None)
            && http.is(b"web1", Some(b"HTTP"))
            && disk.is(b"web1", Some(b"Disk"))
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
    // No value is carried over from one block to the next.
    assert_eq!(
        (disk.state(), disk.last_check, disk.event_handler_enabled),
        (ObjectState::Ok, at(0), false)
    );
    assert_eq!((disk.is_modified, disk.event_handler_line), (false, 0));
}

#[test]
fn uses_the_first_of_two_repairs_like_the_macro() {
    let repair = |second: &str| {
        let text = file().replace("_REPAIR=0;httpd", second);
        objects(text.as_bytes()).0[1].repair_name()
    };
    assert_eq!(repair("_REPAIR=0;first\n\t_REPAIR=0;second"), "first");
    assert_eq!(repair("_REPAIR=0;\n\t_REPAIR=0;second"), "");
}

#[test]
fn infers_the_previous_result_from_the_time_of_the_change() {
    let before = |change: &str| {
        let text = file()
            .replace("last_check=990", &format!("last_check=990\n\tlast_state_change={change}"));
        objects(text.as_bytes()).0[1].result_before()
    };
    assert_eq!(before("989"), Some(ObjectState::Critical));
    // The previous result is unknown if the last check changed the state, as in the first case, or
    // if the time of the change is unknown.
    assert_eq!((before("990"), before("0"), before("x")), (None, None, None));
}

#[test]
fn skips_the_rest_of_long_lines() {
    let long = format!(
        "servicestatus {{\n\tplugin_output={}\n\tcurrent_state=2\n\t}}\n",
        "x".repeat(300_000)
    );
    let (all, _) = objects(long.as_bytes());
    assert_eq!(all[0].state(), ObjectState::Critical);
    let mut line = Vec::new();
    let mut rest = long.as_bytes().get(17..).unwrap();
    assert_eq!(read_line(&mut rest, &mut line, LONGEST_LINE).unwrap(), Some(false));
    assert!(line.len() <= LONGEST_LINE);
}

proptest! {
    #[test]
    fn reads_or_refuses_any_file(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        cut in 0..file().len(),
    ) {
        let _ = scan(bytes.as_slice(), |_| ());
        let mut text = file().into_bytes();
        text.truncate(cut);
        text.extend(bytes);
        let _ = scan(text.as_slice(), |_| ());
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
