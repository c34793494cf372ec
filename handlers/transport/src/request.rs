//! The requests a gate understands. Their text is all that is sent: no shell, no arguments, no
//! quoting.

use std::fmt;

use policy::{JobId, RepairName};

use crate::error::Phase;

/// A request to a gate. Its [`Display`](fmt::Display) is the exact SSH exec command, with single
/// blanks. The names in it cannot hold a blank, a quote or a leading dash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Run this repair, once: the same job requested again is reported, not run again.
    Repair {
        /// Which of the gate's repairs.
        name: RepairName,
        /// The ID of this run.
        job: JobId,
    },
    /// Run the commands that collect evidence for this repair. They change nothing.
    Diagnose {
        /// Which of the gate's repairs.
        name: RepairName,
    },
    /// Report whether this repair could run now. Nothing is run.
    Ready {
        /// Which of the gate's repairs.
        name: RepairName,
    },
    /// Report how much of its limits each repair has used. Older gates refuse this as a
    /// [`BadRequest`](crate::GateReason::BadRequest).
    Usage,
    /// Report the state of a job.
    Status {
        /// The ID of the repair request.
        job: JobId,
    },
    /// List the repairs of this gate.
    List,
    /// Report the version of this gate.
    Version,
}

impl Request {
    /// Returns the phase that begins when this is sent.
    pub(crate) fn phase(&self) -> Phase {
        if self.may_change_the_host() { Phase::Repair } else { Phase::Query }
    }

    /// Whether sending this can start a repair, so that a lost answer means an unknown outcome.
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
    fn formats_requests_as_the_gate_reads_them() {
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
