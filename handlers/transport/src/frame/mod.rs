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

const OTHER_REQUEST: &str = "the gate's answer belongs to a different request";

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
    match only_frame(stdout)? {
        Some(frame) => parse(request, frame),
        None if stdout.is_empty() => Err("the output is empty".into()),
        None => Err(format!("the output contains no answer from a gate: {}", quoted(stdout))),
    }
}

/// Finds the frame in the output of a program that has called a gate on its own, for example
/// through NRPE. Returns the gate's answer about the repair, or `None` if there is no frame. The
/// gate has chosen the job's ID, so the answer cannot be matched with a request.
///
/// # Errors
/// Fails if the output has more than one frame, or if the frame is not about a repair.
pub fn read_forwarded_answer(stdout: &[u8]) -> Result<Option<Answer>, InvalidAnswer> {
    let frame = only_frame(stdout).map_err(InvalidAnswer)?;
    frame.map(parse_forwarded).transpose().map_err(InvalidAnswer)
}

fn only_frame(stdout: &[u8]) -> Result<Option<&[u8]>, String> {
    let mut frames =
        stdout.split_inclusive(|b| *b == b'\n').filter_map(|line| line.strip_prefix(FRAME));
    match (frames.next(), frames.next()) {
        (_, Some(_)) => Err("the output contains more than one answer".into()),
        (only, None) => Ok(only),
    }
}

/// Whether a complete frame has arrived.
pub(crate) fn has_frame(stdout: &[u8]) -> bool {
    stdout
        .split_inclusive(|b| *b == b'\n')
        .any(|line| line.starts_with(FRAME) && line.ends_with(b"\n"))
}

fn decode(frame: &[u8]) -> Result<Frame, String> {
    let json = frame.strip_suffix(b"\n").ok_or("the answer is cut short")?;
    serde_json::from_slice(json)
        .map_err(|e| format!("the answer is malformed: {}", quoted(e.to_string().as_bytes())))
}

fn parse_forwarded(frame: &[u8]) -> Result<Answer, String> {
    match decode(frame)? {
        Frame::Repair(frame) => {
            let job = job_id(&frame.job)?;
            job_report(frame, &job).map(Answer::Job)
        }
        Frame::Refused(frame) => refusal(frame, None),
        _ => Err(OTHER_REQUEST.into()),
    }
}

fn parse(request: &Request, frame: &[u8]) -> Result<Answer, String> {
    match (request, decode(frame)?) {
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
        (Request::Repair { job, .. } | Request::Status { job }, Frame::Refused(frame)) => {
            refusal(frame, Some(job))
        }
        (_, Frame::Refused(frame)) => refusal(frame, None),
        _ => Err(OTHER_REQUEST.into()),
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

fn refusal(frame: RefusedFrame, requested: Option<&JobId>) -> Result<Answer, String> {
    // A refusal may lack the job ID, because the gate omits an ID that it could not parse. A
    // refusal with a different job ID belongs to another request.
    let job = match (requested, frame.job) {
        (Some(job), Some(given)) => {
            same("job", job.as_str(), &given)?;
            Some(job.clone())
        }
        (None, Some(given)) => {
            return Err(format!(
                "the answer is about job {}, but no job was requested",
                quoted(given.as_bytes())
            ));
        }
        (_, None) => None,
    };
    let running = frame.running.as_deref().map(job_id).transpose()?;
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

fn job_id(text: &str) -> Result<JobId, String> {
    text.parse().map_err(|e: policy::BadName| e.to_string())
}

fn name(text: &str) -> Result<RepairName, String> {
    text.parse().map_err(|e: policy::BadName| e.to_string())
}

fn clean_all(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| clean(line)).collect()
}

#[cfg(test)]
mod tests;
