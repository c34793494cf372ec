//! The words of a request, as sshd hands them to the gate.

use policy::{JobId, RepairName};
use repair_gate::request::{GateRequest, Job, Name, parse};
use transport::Request as Question;

use crate::text::{holds, is_harmless};

/// What the gate understands is exactly what was said, and exactly what a server can say; what it
/// refuses, it refuses in one harmless sentence.
pub fn gate_words(bytes: &[u8]) {
    match parse(Some(bytes)) {
        Ok(request) => {
            let question = asked(&request);
            assert_eq!(question.to_string().as_bytes(), bytes, "another request was understood");
            assert!(bytes.len() <= 136, "longer than any request");
        }
        Err(refusal) => {
            assert!(is_harmless(&refusal.text) && !refusal.text.is_empty(), "{:?}", refusal.text);
            if let Some(job) = refusal.job {
                assert!(
                    holds(bytes, job.as_str().as_bytes()),
                    "the refusal is about a job that was not named: {job}"
                );
                assert!(Job::new(job.as_str()).is_some());
            }
            assert!(question(bytes).is_none(), "a server can say this");
        }
    }
}

/// The same question in the server's types. Whatever name the gate takes, the server must know as
/// one.
fn asked(request: &GateRequest) -> Question {
    let name = |name: &Name| {
        name.as_str().parse::<RepairName>().expect("a name for the gate is one for the server")
    };
    let job = |job: &Job| {
        job.as_str().parse::<JobId>().expect("a job id for the gate is one for the server")
    };
    match request {
        GateRequest::Repair(of, id) => Question::Repair { name: name(of), job: job(id) },
        GateRequest::Diagnose(of) => Question::Diagnose { name: name(of) },
        GateRequest::Ready(of) => Question::Ready { name: name(of) },
        GateRequest::Status(id) => Question::Status { job: job(id) },
        GateRequest::Usage => Question::Usage,
        GateRequest::List => Question::List,
        GateRequest::Version => Question::Version,
    }
}

/// The question a server would send with these very words.
pub(crate) fn question(bytes: &[u8]) -> Option<Question> {
    let text = std::str::from_utf8(bytes).ok()?;
    let words: Vec<&str> = text.split(' ').collect();
    Some(match words.as_slice() {
        ["repair", name, job] => {
            Question::Repair { name: name.parse().ok()?, job: job.parse().ok()? }
        }
        ["diagnose", name] => Question::Diagnose { name: name.parse().ok()? },
        ["ready", name] => Question::Ready { name: name.parse().ok()? },
        ["status", job] => Question::Status { job: job.parse().ok()? },
        ["usage"] => Question::Usage,
        ["list"] => Question::List,
        ["version"] => Question::Version,
        _ => return None,
    })
}
