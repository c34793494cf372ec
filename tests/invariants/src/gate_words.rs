//! Invariants of the gate's request parser. Its input is the command that sshd passes to the gate.

use policy::{JobId, RepairName};
use repair_gate::request::{GateRequest, Job, Name, parse};
use transport::Request;

use crate::text::{holds, is_harmless};

/// Checks that the gate accepts exactly the requests that a server can send, parses them without
/// loss, and refuses everything else with a message that is safe to print.
pub fn gate_words(bytes: &[u8]) {
    match parse(Some(bytes)) {
        Ok(request) => {
            let sent = as_sent(&request);
            assert_eq!(sent.to_string().as_bytes(), bytes, "parsed as another request");
            assert!(bytes.len() <= 136, "longer than any valid request");
        }
        Err(refusal) => {
            assert!(is_harmless(&refusal.text) && !refusal.text.is_empty(), "{:?}", refusal.text);
            if let Some(job) = refusal.job {
                assert!(
                    holds(bytes, job.as_str().as_bytes()),
                    "the refusal names a job that is not in the request: {job}"
                );
                assert!(Job::new(job.as_str()).is_some());
            }
            assert!(server_request(bytes).is_none(), "refused a request that a server can send");
        }
    }
}

/// Converts the gate's type for a request into the server's type. Panics if the gate has accepted a
/// name that is not valid on the server.
fn as_sent(request: &GateRequest) -> Request {
    let name = |name: &Name| {
        name.as_str().parse::<RepairName>().expect("the server accepts the gate's repair names")
    };
    let job =
        |job: &Job| job.as_str().parse::<JobId>().expect("the server accepts the gate's job IDs");
    match request {
        GateRequest::Repair(of, id) => Request::Repair { name: name(of), job: job(id) },
        GateRequest::Diagnose(of) => Request::Diagnose { name: name(of) },
        GateRequest::Ready(of) => Request::Ready { name: name(of) },
        GateRequest::Status(id) => Request::Status { job: job(id) },
        GateRequest::Usage => Request::Usage,
        GateRequest::List => Request::List,
        GateRequest::Version => Request::Version,
    }
}

/// Parses `bytes` as a request. Returns `None` if a server would never send exactly these bytes.
pub(crate) fn server_request(bytes: &[u8]) -> Option<Request> {
    let text = std::str::from_utf8(bytes).ok()?;
    let words: Vec<&str> = text.split(' ').collect();
    Some(match words.as_slice() {
        ["repair", name, job] => {
            Request::Repair { name: name.parse().ok()?, job: job.parse().ok()? }
        }
        ["diagnose", name] => Request::Diagnose { name: name.parse().ok()? },
        ["ready", name] => Request::Ready { name: name.parse().ok()? },
        ["status", job] => Request::Status { job: job.parse().ok()? },
        ["usage"] => Request::Usage,
        ["list"] => Request::List,
        ["version"] => Request::Version,
        _ => return None,
    })
}
