//! The requests that a gate supports. Each request is sent unchanged, because no shell interprets
//! it and none of its words needs quoting.

use std::fmt;

use policy::{JobId, RepairName};

use crate::error::Phase;

/// A request to a gate. Its [`Display`](fmt::Display) form is exactly the command that is sent over
/// SSH, with a single blank between words. Names contain no blanks or quotes and do not begin with
/// a dash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Run a repair once. If the gate already knows the job, it reports that job and runs nothing.
    Repair {
        /// Name of the repair in the gate's repairs.json.
        name: RepairName,
        /// ID of this run. The caller generates it.
        job: JobId,
    },
    /// Run the diagnostic commands of a repair. They change nothing on the host.
    Diagnose {
        /// Name of the repair in the gate's repairs.json.
        name: RepairName,
    },
    /// Report whether the gate would run a repair now, without running it.
    Ready {
        /// Name of the repair in the gate's repairs.json.
        name: RepairName,
    },
    /// Report how much of its limits each repair has used up. Older gates refuse this request with
    /// [`BadRequest`](crate::GateReason::BadRequest).
    Usage,
    /// Report the state of an earlier job.
    Status {
        /// ID from the repair request that started the job.
        job: JobId,
    },
    /// List the names of the gate's repairs.
    List,
    /// Report the version of the gate.
    Version,
}

impl Request {
    /// Returns the phase that begins when this request is sent.
    pub(crate) fn phase(&self) -> Phase {
        if self.may_change_the_host() { Phase::Repair } else { Phase::Query }
    }

    /// Whether the request can start a repair. If so, the outcome is unknown when the answer is
    /// lost.
    pub fn may_change_the_host(&self) -> bool {
        matches!(self, Request::Repair { .. })
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Repair { name, job } => write!(f, "repair {name} {job}"),
            Request::Diagnose { name } => write!(f, "diagnose {name}"),
            Request::Ready { name } => write!(f, "ready {name}"),
            Request::Status { job } => write!(f, "status {job}"),
            Request::Usage => f.write_str("usage"),
            Request::List => f.write_str("list"),
            Request::Version => f.write_str("version"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_requests_in_the_gates_syntax() {
        let name: RepairName = "httpd".parse().unwrap();
        let job: JobId = "20261123-4f3a9c2b".parse().unwrap();
        let repair = Request::Repair { name: name.clone(), job: job.clone() };
        assert_eq!(repair.to_string(), "repair httpd 20261123-4f3a9c2b");
        assert_eq!(Request::Diagnose { name: name.clone() }.to_string(), "diagnose httpd");
        assert_eq!(Request::Ready { name }.to_string(), "ready httpd");
        assert_eq!(Request::Status { job }.to_string(), "status 20261123-4f3a9c2b");
        assert_eq!(Request::Usage.to_string(), "usage");
        assert_eq!(Request::List.to_string(), "list");
        assert_eq!(Request::Version.to_string(), "version");
    }
}
