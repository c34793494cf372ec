//! Tests with sample status files.

use std::time::{Duration, SystemTime};

use policy::{ObjectState, StateType};
use proptest::prelude::*;

use super::line_chunks::LONGEST_LINE;
use super::*;

/// Builds a status file. Each line in `blocks` holds the kind of a block and its fields.
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
fn reads_the_status_of_nagios_without_the_objects() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("status.dat");
    // The file is truncated. A reader that stops at the first object does not notice this.
    std::fs::write(&path, file() + "hoststatus {\n").unwrap();
    assert!(share(&path).is_err());
    let found = program(&path).unwrap();
    assert_eq!((found.written, found.started), (at(1000), at(900)));
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
fn uses_the_first_of_two_fields_like_the_macro() {
    let http = |field: &str, two: &str| objects(file().replace(field, two).as_bytes()).0[1].clone();
    let repair = |two: &str| http("_REPAIR=0;httpd", two).repair_name();
    assert_eq!(repair("_REPAIR=0;first\n\t_REPAIR=0;second"), "first");
    assert_eq!(repair("_REPAIR=0;\n\t_REPAIR=0;second"), "");
    let two = http("current_state=2", "current_state=1\n\tcurrent_state=2\n\thost_name=web2");
    assert!(two.state() == ObjectState::Warning && two.is(b"web1", Some(b"HTTP")));
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
    // if the time of the change is unknown, as in the others.
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
}

/// Scans a status file line by line, and also returns the offset of each object's block.
fn scan_lines(text: &[u8]) -> io::Result<(Vec<(u64, ObjectStatus)>, ProgramStatus)> {
    let (mut all, mut program) = (Vec::new(), ProgramStatus::nothing());
    let mut object = None;
    let (mut is_program, mut is_open) = (false, false);
    let (mut offset, mut number) = (0, 0);
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        number += 1;
        let content = line.strip_suffix(b"\n").unwrap_or(line);
        let content = content[..content.len().min(LONGEST_LINE)].trim_ascii();
        is_open = content != b"}" && (is_open || content.ends_with(b" {"));
        match content {
            b"hoststatus {" | b"servicestatus {" => {
                let mut empty = ObjectStatus::nothing();
                empty.clear(content == b"servicestatus {");
                (object, is_program) = (Some((offset, empty)), false);
            }
            b"info {" | b"programstatus {" => (object, is_program) = (None, true),
            b"}" => {
                all.extend(object.take());
                is_program = false;
            }
            field if is_program => program.take(field, number),
            field => {
                if let Some((_, object)) = &mut object {
                    object.take(field, number);
                }
            }
        }
        offset += line.len() as u64;
    }
    if is_open { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok((all, program)) }
}

/// Scans `text` with [`scan_blocks`], in chunks of at most `step` bytes. Returns the results in the
/// same form as [`scan_lines`].
fn scan_quickly(
    text: &[u8],
    fields: Fields,
    step: usize,
) -> io::Result<(Vec<(u64, ObjectStatus)>, ProgramStatus)> {
    let mut all = Vec::new();
    let program = scan_blocks(LineChunks::starting_at(0, step, text), fields, |offset, object| {
        all.push((offset, object.clone()));
        ControlFlow::Continue(())
    })?;
    Ok((all, program))
}

/// Checks that [`scan_blocks`] finds the same objects as [`scan_lines`].
fn assert_same(text: &[u8], step: usize) {
    let wanted = scan_lines(text).ok();
    let shown = text[..text.len().min(3000)].escape_ascii();
    assert_eq!(scan_quickly(text, Fields::All, step).ok(), wanted, "{shown}");
    let identity = |object: ObjectStatus| {
        let mut share = (0, 0);
        object.count_in(&mut share);
        (object.service().map(<[u8]>::to_vec), object.state(), object.host, object.repair, share)
    };
    let key = |(all, program): (Vec<(u64, ObjectStatus)>, ProgramStatus)| {
        let all = all.into_iter().map(|(offset, object)| (offset, identity(object)));
        (all.collect::<Vec<_>>(), program.written, program.started, program.event_handlers)
    };
    let found = scan_quickly(text, Fields::Identity, step).ok().map(key);
    assert_eq!(found, wanted.map(key), "{shown}");
}

#[test]
fn long_lines_change_nothing_else() {
    // Lengths close to [`LONGEST_LINE`] and to the size of the buffer, and a length far above both.
    for length in [65_500, 65_536, 65_540, 262_144, 262_200, 600_000] {
        for filler in ["x", " ", "{ ", "} ", "host_name=a "] {
            for end in ["", " {", "}", "\tcurrent_state=1"] {
                let long = filler.repeat(length / filler.len());
                let text = format!(
                    "servicestatus {{\n\thost_name=web1\n{long}{end}\n\tcurrent_state=2\n\t}}\n\
                     hoststatus {{\n\thost_name=web1\n\t_REPAIR=0;host\n\t}}\n"
                );
                assert_same(text.as_bytes(), 1 << 20);
                assert_same(&text.as_bytes()[..text.len() - 60], 100_000);
            }
        }
    }
}

/// Returns a line of a status file, sometimes with unusual blanks or line ends, or random bytes.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "hoststatus {",
        "servicestatus {",
        "info {",
        "programstatus {",
        "servicecomment {",
        "}",
        "host_name=web1",
        "host_name=",
        "host_name",
        "service_description=Disk {",
        "}}",
        "{ }",
        "current_state=2",
        "current_state=",
        "plugin_output=current_state=0",
        "_REPAIR=0;httpd",
        "_REPAIR=",
        "_REPAIR=0;",
        "_REPAIRS=0;x",
        "created=7",
        "last_check=5",
        "state_type=1",
        "enable_event_handlers=1",
        "",
        "a _REPAIR=0;x",
    ]);
    let blank = || prop::sample::select(vec!["", "\t", "  ", "\r", "\x0c\t", "\u{b}"]);
    let end = prop::sample::select(vec!["\n", "\n", "\n", "\n\n", ""]);
    let usual = (blank(), word, blank(), end).prop_map(|(a, b, c, d)| [a, b, c, d].concat());
    prop_oneof![
        9 => usual.prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ]
}

proptest! {
    #[test]
    fn scan_finds_what_a_scan_of_every_line_finds(
        lines in proptest::collection::vec(any_line(), 0..60),
        step in 1_usize..600,
    ) {
        assert_same(&lines.concat(), step);
    }

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
