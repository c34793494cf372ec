use proptest::prelude::*;

use super::*;
use crate::answer::GateReason;

const REPORT: &str = concat!(
    r#"{"answer":"repair","host":"web1","job":"job-00001","repair":"httpd","#,
    r#""state":"failed","exit":null,"signal":9,"seconds":1.5,"#,
    r#""started":1795000000,"output":["a","b"]}"#
);

fn request() -> Request {
    Request::Repair { name: "httpd".parse().unwrap(), job: "job-00001".parse().unwrap() }
}

fn status() -> Request {
    Request::Status { job: "job-00001".parse().unwrap() }
}

fn line(json: &str) -> Vec<u8> {
    format!("SHN1 {json}\n").into_bytes()
}

fn why_not(request: &Request, json: &str) -> String {
    read_answer(request, &line(json)).unwrap_err().to_string()
}

#[test]
fn parses_all_members_of_a_job() {
    let Ok(Answer::Job(report)) = read_answer(&request(), &line(REPORT)) else { panic!() };
    assert_eq!((report.state, report.exit, report.signal), (JobState::Failed, None, Some(9)));
    assert_eq!(
        (report.seconds, report.started, report.host.as_str()),
        (1.5, 1_795_000_000, "web1")
    );
    assert_eq!(report.output, ["a", "b"]);
}

#[test]
fn parses_every_kind_of_answer() {
    let list = r#"{"answer":"list","host":"h","repairs":["a","b"]}"#;
    assert_eq!(
        read_answer(&Request::List, &line(list)),
        Ok(Answer::Repairs(vec!["a".into(), "b".into()]))
    );
    let version = r#"{"answer":"version","host":"h","version":"0.1.0"}"#;
    assert_eq!(read_answer(&Request::Version, &line(version)), Ok(Answer::Version("0.1.0".into())));
    assert!(
        why_not(&Request::Version, &version.replace("0.1.0", "1 -- fix: id"))
            .contains("version is invalid")
    );
    let reports = concat!(
        r#"{"answer":"diagnose","host":"h","repair":"httpd","#,
        r#""reports":[{"run":["/bin/df","-h"],"exit":null,"output":[]}]}"#
    );
    let diagnose = Request::Diagnose { name: "httpd".parse().unwrap() };
    let Ok(Answer::Diagnosed(diagnosis)) = read_answer(&diagnose, &line(reports)) else { panic!() };
    assert_eq!(diagnosis.reports[0].run, ["/bin/df", "-h"]);
    let usage = r#"{"answer":"usage","host":"h","repairs":[
        {"repair":"a","records":900,"most":1000,"room_in":60,
        "obstacle":{"reason":"budget","text":"no\nmore","retry_after":7}},
        {"repair":"b","records":0,"most":1000,"room_in":null,"obstacle":null}]}"#;
    let Ok(Answer::Usage(used)) = read_answer(&Request::Usage, &line(&usage.replace("\n", "")))
    else {
        panic!()
    };
    let nearly = "a has used 900 of its 1000 records, and the gate will refuse it when all are \
                  used; the gate frees the next record in 60 s";
    assert_eq!((used[0].nearly_full().as_deref(), used[1].nearly_full()), (Some(nearly), None));
    let obstacle = used[0].obstacle.as_ref().unwrap();
    assert_eq!(
        (obstacle.reason, obstacle.text.as_str(), obstacle.retry_after),
        (GateReason::Budget, "no?more", Some(7.0))
    );
}

#[test]
fn parses_every_job_state_and_refusal_reason() {
    for state in ["failed", "timeout", "running", "unknown"] {
        let json =
            REPORT.replace("failed", state).replace("\"repair\",\"host\"", "\"status\",\"host\"");
        assert!(read_answer(&status(), &line(&json)).is_ok(), "{state}");
    }
    for reason in [
        "bad-request",
        "unknown-repair",
        "busy",
        "cooldown",
        "budget",
        "held",
        "config",
        "state",
        "no-such-job",
    ] {
        let json = format!(
            r#"{{"answer":"refused","host":"h","reason":"{reason}","text":"t",{}}}"#,
            r#""retry_after":60"#
        );
        let Ok(Answer::Refused(refusal)) = read_answer(&request(), &line(&json)) else {
            panic!("{reason}")
        };
        assert_eq!((refusal.reason.as_str(), refusal.retry_after), (reason, Some(60.0)));
    }
}

#[test]
fn reads_answer_of_a_gate_that_another_program_has_called() {
    let read = |json: &str| read_forwarded_answer(&line(json));
    let Ok(Some(Answer::Job(report))) = read(REPORT) else { panic!() };
    assert_eq!((report.job.as_str(), report.state), ("job-00001", JobState::Failed));
    let refused = r#"{"answer":"refused","host":"h","reason":"cooldown","text":"t"}"#;
    assert!(matches!(read(refused), Ok(Some(Answer::Refused(_)))));
    assert_eq!(read_forwarded_answer(b"NRPE: Command 'x' not defined\n"), Ok(None));
    let version = r#"{"answer":"version","host":"h","version":"0.1.0"}"#;
    for bad in [version, "{}", &REPORT.replace("job-00001", "../job"), &REPORT[..80]] {
        assert!(read(bad).is_err(), "{bad}");
    }
    assert!(read_forwarded_answer(&line(REPORT).repeat(2)).is_err());
}

#[test]
fn refuses_answer_to_another_request() {
    assert!(why_not(&status(), REPORT).contains("a different request"));
    assert!(why_not(&Request::List, REPORT).contains("a different request"));
    assert!(why_not(&request(), &REPORT.replace("job-00001", "job-00002")).contains("job-00002"));
    assert!(why_not(&request(), &REPORT.replace("httpd", "sshd")).contains("sshd"));
    let refused = r#"{"answer":"refused","host":"h","reason":"busy","text":"t","job":"job-00002"}"#;
    assert!(why_not(&request(), refused).contains("job-00002"));
    assert!(why_not(&Request::List, refused).contains("no job was requested"));
}

#[test]
fn refuses_unknown_members_and_invalid_values() {
    for (from, to) in [
        ("\"failed\"", "\"better\""),
        ("\"failed\"", "\"done\""),
        ("\"seconds\":1.5", "\"seconds\":-1"),
        ("\"seconds\":1.5", "\"seconds\":1e999"),
        ("\"seconds\":1.5", "\"seconds\":\"1\""),
        ("\"output\"", "\"outputs\""),
        ("\"signal\":9", "\"signal\":9,\"extra\":0"),
        ("\"signal\":9", "\"signal\":9,\"signal\":9"),
        ("\"signal\":9", "\"signal\":9,\"answer\":\"repair\""),
        ("\"httpd\"", "\"../httpd\""),
        ("}", "} {}"),
        ("}", ""),
    ] {
        let json = REPORT.replace(from, to);
        assert_ne!(json, REPORT);
        assert!(read_answer(&request(), &line(&json)).is_err(), "{json}");
    }
    assert!(
        why_not(&Request::List, r#"{"answer":"list","host":"h","repairs":["a b"]}"#)
            .contains("a b")
    );
    let why = why_not(&request(), &REPORT.replace("failed", &"x".repeat(100_000)));
    assert!(why.contains("unknown variant") && why.len() < 1000, "{} bytes", why.len());
}

#[test]
fn accepts_exactly_one_complete_frame_at_the_start_of_a_line() {
    let frame = line(REPORT);
    let ok = |bytes: &[u8]| read_answer(&request(), bytes).is_ok();
    assert!(ok(&[b"motd\n".as_slice(), &frame, b"bye"].concat()));
    assert!(!ok(&[frame.as_slice(), &frame].concat()));
    assert!(!ok(&[frame.as_slice(), b"SHN1 "].concat()));
    assert!(!ok(&[b" ".as_slice(), &frame].concat()));
    assert!(!ok(frame.strip_suffix(b"\n").unwrap()));
    assert!(!ok(b""));
}

proptest! {
    #[test]
    fn rejects_random_bytes_without_panic(bytes: Vec<u8>) {
        let why = read_answer(&request(), &bytes).unwrap_err().to_string();
        prop_assert!(!why.contains(char::is_control));
        prop_assert!(why.len() < 1000);
        let framed = [b"SHN1 ".as_slice(), &bytes, b"\n"].concat();
        prop_assert!(read_answer(&request(), &framed).is_err());
    }

    #[test]
    fn notices_a_changed_byte_unless_it_is_harmless(at in 0..REPORT.len(), byte: u8) {
        let mut frame = line(REPORT);
        frame[5 + at] = byte;
        if let Ok(answer) = read_answer(&request(), &frame) {
            let Answer::Job(report) = answer else { panic!("{answer:?}") };
            prop_assert_eq!(report.job.as_str(), "job-00001");
            prop_assert_eq!(report.repair.as_str(), "httpd");
            prop_assert_ne!(report.state, JobState::Done);
        }
    }

    #[test]
    fn cleans_output_of_any_kind(output: Vec<String>) {
        let json = REPORT.replace(r#"["a","b"]"#, &serde_json::to_string(&output).unwrap());
        let Ok(Answer::Job(report)) = read_answer(&request(), &line(&json)) else { panic!() };
        prop_assert_eq!(report.output.len(), output.len());
        prop_assert!(report.output.iter().all(|line| !line.contains(crate::text::is_unsafe)));
    }

    #[test]
    fn refuses_every_prefix_of_an_answer(end in 0..REPORT.len() + 6) {
        prop_assert!(read_answer(&request(), &line(REPORT)[..end]).is_err());
        prop_assert!(!has_frame(&line(REPORT)[..end]));
        prop_assert!(has_frame(&line(REPORT)));
    }
}
