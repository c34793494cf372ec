//! Finds and parses the framed answer in a host's output. The parser does no I/O. It must withstand
//! any input, because the host may be hostile.
//!
//! A gate answers with exactly one line, which consists of `SHN1 ` and one JSON object. The parser
//! skips all other lines, for example a banner, the output of an rc file or live output of the
//! repair. If the output of an rc file does not end with a newline, the gate adds one before the
//! answer. A second frame, an unknown format and an answer to another request are errors.

mod json;

use policy::{JobId, RepairName};

use self::json::{DiagnoseFrame, Frame, JobFrame, ListFrame, RefusedFrame, UsedFrame};
use crate::answer::{Answer, Diagnosis, GateRefusal, JobReport, JobState, Obstacle, Report, Usage};
use crate::request::Request;
use crate::text::{clean, quoted};

/// The prefix of the line that holds a gate's answer.
pub(crate) const FRAME: &[u8] = b"SHN1 ";

/// Why output is not a valid answer, in one short line without control characters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidAnswer(String);

/// Finds the frame in a gate's stdout and parses it as the answer to `request`.
///
/// # Errors
/// Fails if stdout has no frame or more than one, or if the frame does not answer this request.
pub fn read_answer(request: &Request, stdout: &[u8]) -> Result<Answer, InvalidAnswer> {
    find(request, stdout).map_err(InvalidAnswer)
}

fn find(request: &Request, stdout: &[u8]) -> Result<Answer, String> {
    let mut frames =
        stdout.split_inclusive(|b| *b == b'\n').filter_map(|line| line.strip_prefix(FRAME));
    let (first, second) = (frames.next(), frames.next());
    match (first, second) {
        (Some(frame), None) => parse(request, frame),
        (Some(_), Some(_)) => Err("the output contains more than one answer".into()),
        (None, _) if stdout.is_empty() => Err("the output is empty".into()),
        (None, _) => Err(format!("the output contains no answer from a gate: {}", quoted(stdout))),
    }
}

/// Whether a complete frame has arrived.
pub(crate) fn has_frame(stdout: &[u8]) -> bool {
    stdout
        .split_inclusive(|b| *b == b'\n')
        .any(|line| line.starts_with(FRAME) && line.ends_with(b"\n"))
}

fn parse(request: &Request, frame: &[u8]) -> Result<Answer, String> {
    let json = frame.strip_suffix(b"\n").ok_or("the answer is cut short")?;
    let frame = serde_json::from_slice(json)
        .map_err(|e| format!("the answer is malformed: {}", quoted(e.to_string().as_bytes())))?;
    match (request, frame) {
        (Request::Repair { name, job }, Frame::Repair(frame)) => {
            let report = job_report(frame, job)?;
            same("repair", name.as_str(), report.repair.as_str())?;
            Ok(Answer::Job(report))
        }
        (Request::Status { job }, Frame::Status(frame)) => Ok(Answer::Job(job_report(frame, job)?)),
        (Request::Diagnose { name }, Frame::Diagnose(frame)) => diagnosis(frame, name),
        (Request::Ready { name }, Frame::Ready(frame)) => {
            same("repair", name.as_str(), &frame.repair)?;
            Ok(Answer::Ready { time: frame.time })
        }
        (Request::Usage, Frame::Usage(frame)) => {
            frame.repairs.into_iter().map(usage).collect::<Result<_, _>>().map(Answer::Usage)
        }
        (Request::List, Frame::List(frame)) => repairs(frame),
        (Request::Version, Frame::Version(frame)) => version(frame.version),
        (_, Frame::Refused(frame)) => refusal(frame, request),
        _ => Err("the gate's answer belongs to a different request".into()),
    }
}

fn same(what: &str, requested: &str, given: &str) -> Result<(), String> {
    if requested == given {
        Ok(())
    } else {
        Err(format!("the answer is about {what} {}, not '{requested}'", quoted(given.as_bytes())))
    }
}

fn duration(what: &str, seconds: Option<f64>) -> Result<(), String> {
    match seconds {
        Some(seconds) if !seconds.is_finite() || seconds < 0.0 => {
            Err(format!("the value of '{what}' is not a duration"))
        }
        _ => Ok(()),
    }
}

fn job_report(frame: JobFrame, requested: &JobId) -> Result<JobReport, String> {
    same("job", requested.as_str(), &frame.job)?;
    if frame.state == JobState::Done && (frame.exit != Some(0) || frame.signal.is_some()) {
        return Err("the job's state is 'done', but its exit code is not 0".into());
    }
    duration("seconds", Some(frame.seconds))?;
    Ok(JobReport {
        job: requested.clone(),
        repair: name(&frame.repair)?,
        state: frame.state,
        exit: frame.exit,
        signal: frame.signal,
        seconds: frame.seconds,
        started: frame.started,
        output: clean_all(&frame.output),
        host: clean(&frame.host),
    })
}

fn diagnosis(frame: DiagnoseFrame, requested: &RepairName) -> Result<Answer, String> {
    same("repair", requested.as_str(), &frame.repair)?;
    let cleaned =
        |r: Report| Report { run: clean_all(&r.run), exit: r.exit, output: clean_all(&r.output) };
    let reports = frame.reports.into_iter().map(cleaned).collect();
    Ok(Answer::Diagnosed(Diagnosis {
        repair: requested.clone(),
        reports,
        host: clean(&frame.host),
    }))
}

fn usage(frame: UsedFrame) -> Result<Usage, String> {
    duration("room_in", frame.room_in)?;
    duration("retry_after", frame.obstacle.as_ref().and_then(|obstacle| obstacle.retry_after))?;
    let obstacle =
        frame.obstacle.map(|obstacle| Obstacle { text: clean(&obstacle.text), ..obstacle });
    Ok(Usage {
        repair: name(&frame.repair)?,
        records: frame.records,
        most: frame.most,
        room_in: frame.room_in,
        obstacle,
    })
}

fn repairs(frame: ListFrame) -> Result<Answer, String> {
    frame.repairs.iter().try_for_each(|repair| name(repair).map(drop))?;
    Ok(Answer::Repairs(frame.repairs))
}

fn version(text: String) -> Result<Answer, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '~');
    if text.len() <= 40 && text.chars().all(plain) {
        return Ok(Answer::Version(text));
    }
    Err(format!("the gate's version is invalid: {}", quoted(text.as_bytes())))
}

fn refusal(frame: RefusedFrame, request: &Request) -> Result<Answer, String> {
    // A refusal may lack the job ID, because the gate omits an ID that it could not parse. A
    // refusal with a different job ID belongs to another request.
    let job = match (request, frame.job) {
        (Request::Repair { job, .. } | Request::Status { job }, Some(given)) => {
            same("job", job.as_str(), &given)?;
            Some(job.clone())
        }
        (_, Some(given)) => {
            return Err(format!(
                "the answer is about job {}, but no job was requested",
                quoted(given.as_bytes())
            ));
        }
        (_, None) => None,
    };
    let running =
        frame.running.map(|job| job.parse::<JobId>().map_err(|e| e.to_string())).transpose()?;
    duration("retry_after", frame.retry_after)?;
    let (reason, text, retry_after) = (frame.reason, clean(&frame.text), frame.retry_after);
    Ok(Answer::Refused(GateRefusal {
        reason,
        text,
        job,
        running,
        retry_after,
        host: clean(&frame.host),
    }))
}

fn name(text: &str) -> Result<RepairName, String> {
    text.parse().map_err(|e: policy::BadName| e.to_string())
}

fn clean_all(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| clean(line)).collect()
}

#[cfg(test)]
mod tests {
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
        assert_eq!(
            read_answer(&Request::Version, &line(version)),
            Ok(Answer::Version("0.1.0".into()))
        );
        assert!(
            why_not(&Request::Version, &version.replace("0.1.0", "1 -- fix: id"))
                .contains("version is invalid")
        );
        let reports = concat!(
            r#"{"answer":"diagnose","host":"h","repair":"httpd","#,
            r#""reports":[{"run":["/bin/df","-h"],"exit":null,"output":[]}]}"#
        );
        let diagnose = Request::Diagnose { name: "httpd".parse().unwrap() };
        let Ok(Answer::Diagnosed(diagnosis)) = read_answer(&diagnose, &line(reports)) else {
            panic!()
        };
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
            let json = REPORT
                .replace("failed", state)
                .replace("\"repair\",\"host\"", "\"status\",\"host\"");
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
    fn refuses_answer_to_another_request() {
        assert!(why_not(&status(), REPORT).contains("a different request"));
        assert!(why_not(&Request::List, REPORT).contains("a different request"));
        assert!(
            why_not(&request(), &REPORT.replace("job-00001", "job-00002")).contains("job-00002")
        );
        assert!(why_not(&request(), &REPORT.replace("httpd", "sshd")).contains("sshd"));
        let refused =
            r#"{"answer":"refused","host":"h","reason":"busy","text":"t","job":"job-00002"}"#;
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
}
