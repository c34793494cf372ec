//! Queries gates for their version and for obstacles to a repair. No other module of this plugin
//! uses the network.

use std::thread;
use std::time::{Duration, Instant};

use policy_file::Config;
use transport::{Answer, Gate, GateReason, Request, Usage};

use crate::cli::GateHost;

/// Why a request to a gate failed.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The gate did not answer.
    #[error(transparent)]
    NoAnswer(#[from] transport::Error),
    /// The gate refused the request for this reason.
    #[error("the gate refused the request: {0}")]
    Refused(String),
    /// The answer does not belong to the request.
    #[error("the gate's answer does not match the request")]
    OtherAnswer,
}

/// The answers of one gate.
#[derive(Debug)]
pub struct GateReply {
    /// Name of the host in Nagios.
    pub host: String,
    /// Version that the gate reports.
    pub version: Result<String, GateError>,
    /// Time from the start of the connection to the answer with the version.
    pub took: Duration,
    /// How much of its limits each repair has used up. Empty if the gate did not answer or does not
    /// support this request.
    pub usage: Result<Vec<Usage>, GateError>,
}

/// Queries all gates in parallel until the deadline.
pub fn query_all(gates: &[GateHost], config: &Config, deadline: Instant) -> Vec<GateReply> {
    thread::scope(|scope| {
        let threads: Vec<_> =
            gates.iter().map(|gate| scope.spawn(move || query(gate, config, deadline))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

fn query(gate: &GateHost, config: &Config, deadline: Instant) -> GateReply {
    let begun = Instant::now();
    let route = config.routes.route(&gate.host, gate.address.as_deref());
    let host = gate.host.clone();
    let answered =
        transport::connect(&route, deadline).map_err(GateError::from).and_then(|mut gate| {
            let version = version(gate.as_mut(), deadline)?;
            Ok((gate, version))
        });
    let took = begun.elapsed();
    match answered {
        Ok((mut gate, version)) => {
            GateReply { host, version: Ok(version), took, usage: usage(gate.as_mut(), deadline) }
        }
        Err(why) => GateReply { host, version: Err(why), took, usage: Ok(Vec::new()) },
    }
}

fn version(gate: &mut dyn Gate, deadline: Instant) -> Result<String, GateError> {
    match gate.request(&Request::Version, deadline)? {
        Answer::Version(version) => Ok(version),
        other => Err(unexpected(other)),
    }
}

fn usage(gate: &mut dyn Gate, deadline: Instant) -> Result<Vec<Usage>, GateError> {
    match gate.request(&Request::Usage, deadline)? {
        Answer::Usage(all) => Ok(all),
        // Report no usage for older gates, which do not support this request.
        Answer::Refused(refusal) if refusal.reason == GateReason::BadRequest => Ok(Vec::new()),
        other => Err(unexpected(other)),
    }
}

fn unexpected(answer: Answer) -> GateError {
    match answer {
        Answer::Refused(refusal) => GateError::Refused(refusal.text),
        _ => GateError::OtherAnswer,
    }
}
