//! Invariants of the parser for a gate's answers. A gate prints its answer in a frame, which is a
//! line that starts with `SHN1 `. The parser's input is the stdout of a gate, or of any other
//! program that runs in place of the gate.

use transport::{Answer, JobState, Request, read_answer, read_forwarded_answer};

use crate::gate_words::server_request;
use crate::text::{first_line, is_harmless};

/// Maximum length of an error message in bytes. The length matters because the message is written
/// to a log.
const LONGEST_WHY: usize = 1000;

/// Checks what the parser returns for a request and a gate's output. The first line of `bytes` is
/// the request. If that line is not a valid request, the request is `list`. The rest of `bytes` is
/// the output.
///
/// If the parser accepts an answer, the output contains exactly one frame, and the answer in it
/// matches the request and does not contradict itself. All strings in the answer are safe to print.
pub fn framed_answer(bytes: &[u8]) {
    let (first, stdout) = first_line(bytes);
    let request = server_request(first).unwrap_or(Request::List);
    if let Ok(Some(answer)) = read_forwarded_answer(stdout) {
        assert!(matches!(answer, Answer::Job(_) | Answer::Refused(_)), "{answer:?}");
        assert!(texts(&answer).into_iter().all(is_harmless), "{answer:?}");
    }
    match read_answer(&request, stdout) {
        Ok(answer) => {
            fits(&request, &answer);
            assert!(texts(&answer).into_iter().all(is_harmless), "{answer:?}");
            check_frame(&request, stdout, &answer);
        }
        Err(why) => {
            let why = why.to_string();
            assert!(
                is_harmless(&why) && !why.is_empty() && why.len() <= LONGEST_WHY,
                "{} bytes: {why:.2000?}",
                why.len()
            )
        }
    }
}

fn fits(request: &Request, answer: &Answer) {
    match (request, answer) {
        (Request::Repair { name, job }, Answer::Job(report)) => {
            assert_eq!((&report.repair, &report.job), (name, job), "about another job");
        }
        (Request::Status { job }, Answer::Job(report)) => {
            assert_eq!(&report.job, job, "about another job")
        }
        (Request::Diagnose { name }, Answer::Diagnosed(diagnosis)) => {
            assert_eq!(&diagnosis.repair, name, "about another repair")
        }
        (Request::Ready { .. }, Answer::Ready { .. })
        | (Request::Usage, Answer::Usage(_))
        | (Request::List, Answer::Repairs(_))
        | (Request::Version, Answer::Version(_)) => {}
        (Request::Repair { job, .. } | Request::Status { job }, Answer::Refused(refusal)) => {
            assert!(
                refusal.job.as_ref().is_none_or(|about| about == job),
                "a refusal for another job"
            );
        }
        (_, Answer::Refused(refusal)) => {
            assert_eq!(refusal.job, None, "a refusal with a job, but none was requested")
        }
        _ => panic!("{answer:?} does not answer '{request}'"),
    }
    if let Answer::Job(report) = answer {
        assert!(report.seconds.is_finite() && report.seconds >= 0.0, "{report:?}");
        assert!(
            report.state != JobState::Done || (report.exit, report.signal) == (Some(0), None),
            "{report:?}"
        );
    }
    let is_duration =
        |seconds: Option<f64>| seconds.is_none_or(|seconds| seconds.is_finite() && seconds >= 0.0);
    if let Answer::Refused(refusal) = answer {
        assert!(is_duration(refusal.retry_after), "{refusal:?}");
    }
    if let Answer::Usage(all) = answer {
        for used in all {
            let retry_after = used.obstacle.as_ref().and_then(|obstacle| obstacle.retry_after);
            assert!(is_duration(used.room_in) && is_duration(retry_after), "{used:?}");
        }
    }
}

fn texts(answer: &Answer) -> Vec<&str> {
    let mut texts: Vec<&str> = Vec::new();
    match answer {
        Answer::Job(report) => {
            texts.push(&report.host);
            texts.extend(report.output.iter().map(String::as_str));
        }
        Answer::Diagnosed(diagnosis) => {
            texts.push(&diagnosis.host);
            let lines =
                diagnosis.reports.iter().flat_map(|report| report.run.iter().chain(&report.output));
            texts.extend(lines.map(String::as_str));
        }
        Answer::Repairs(names) => {
            texts.extend(names.iter().map(String::as_str));
            assert!(
                names.iter().all(|name| name.parse::<policy::RepairName>().is_ok()),
                "{names:?}"
            );
        }
        Answer::Version(version) => texts.push(version),
        Answer::Ready { .. } => {}
        Answer::Usage(all) => {
            texts.extend(all.iter().filter_map(|used| Some(used.obstacle.as_ref()?.text.as_str())))
        }
        Answer::Refused(refusal) => texts.extend([refusal.text.as_str(), refusal.host.as_str()]),
    }
    texts
}

/// Checks that `stdout` contains exactly one frame, that other lines do not change the answer, and
/// that a second or a truncated frame is refused.
fn check_frame(request: &Request, stdout: &[u8], answer: &Answer) {
    let frames: Vec<&[u8]> =
        stdout.split_inclusive(|b| *b == b'\n').filter(|line| line.starts_with(b"SHN1 ")).collect();
    let [frame] = frames.as_slice() else { panic!("{} frames", frames.len()) };
    let read = |stdout: &[u8]| read_answer(request, stdout);
    assert_eq!(read(&[b"a banner\n", stdout, b"\nand the rest"].concat()).as_ref(), Ok(answer));
    assert!(read(&[stdout, b"\n", frame].concat()).is_err(), "two frames were accepted");
    for cut in [1, 2, frame.len() / 2] {
        let part = frame.get(..frame.len() - cut).unwrap_or_default();
        assert!(read(part).is_err(), "a frame without its last {cut} bytes was accepted");
    }
}
