//! Asks gates for their version, and what would keep them from repairing now. The only file that
//! knows the network.

use std::thread;
use std::time::{Duration, Instant};

use policy_file::Config;
use transport::{Answer, Error, Gate, GateReason, Request, Usage};

use crate::cli::GateHost;

/// What came of asking one gate.
#[derive(Debug)]
pub struct Heard {
    /// The host's name in Nagios.
    pub host: String,
    /// Its version, or why there is none.
    pub answer: Result<String, String>,
    /// Time to that answer.
    pub took: Duration,
    /// How much of its limits each repair has used, or why that is not known.
    pub usage: Result<Vec<Usage>, String>,
}

/// Asks them all at once, each until the deadline.
pub fn ask_all(gates: &[GateHost], config: &Config, deadline: Instant) -> Vec<Heard> {
    thread::scope(|scope| {
        let asked: Vec<_> =
            gates.iter().map(|gate| scope.spawn(move || ask(gate, config, deadline))).collect();
        asked.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

fn ask(gate: &GateHost, config: &Config, deadline: Instant) -> Heard {
    let begun = Instant::now();
    let route = config.routes.route(&gate.host, gate.address.as_deref());
    let host = gate.host.clone();
    let answered =
        transport::connect(&route, deadline).map_err(|why| why.to_string()).and_then(|mut gate| {
            let version = version(gate.as_mut(), deadline)?;
            Ok((gate, version))
        });
    let took = begun.elapsed();
    match answered {
        Ok((mut gate, version)) => {
            Heard { host, answer: Ok(version), took, usage: usage(gate.as_mut(), deadline) }
        }
        Err(why) => Heard { host, answer: Err(why), took, usage: Ok(Vec::new()) },
    }
}

fn version(gate: &mut dyn Gate, deadline: Instant) -> Result<String, String> {
    match gate.request(&Request::Version, deadline) {
        Ok(Answer::Version(version)) => Ok(version),
        other => Err(refused(other)),
    }
}

fn usage(gate: &mut dyn Gate, deadline: Instant) -> Result<Vec<Usage>, String> {
    match gate.request(&Request::Usage, deadline) {
        Ok(Answer::Usage(all)) => Ok(all),
        // Older gates do not know the word.
        Ok(Answer::Refused(refusal)) if refusal.reason == GateReason::BadRequest => Ok(Vec::new()),
        other => Err(refused(other)),
    }
}

fn refused(answer: Result<Answer, Error>) -> String {
    match answer {
        Ok(Answer::Refused(refusal)) => format!("it refuses: {}", refusal.text),
        Ok(_) => "it answered another question".into(),
        Err(why) => why.to_string(),
    }
}
