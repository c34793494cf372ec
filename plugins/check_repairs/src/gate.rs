//! Asking gates whether they are there. The only file that knows the network.

use std::thread;
use std::time::{Duration, Instant};

use handle_repair::config::Config;
use handle_repair::worker::reach;
use transport::{Answer, Request};

use crate::cli::GateHost;

/// What came of asking one gate.
#[derive(Debug)]
pub struct Heard {
    /// The host's name in Nagios.
    pub host: String,
    /// Its version, or why there is none.
    pub answer: Result<String, String>,
    /// How long it took.
    pub took: Duration,
}

/// Asks them all at once, each until the deadline.
pub fn ask_all(gates: &[GateHost], config: &Config, deadline: Instant) -> Vec<Heard> {
    thread::scope(|scope| {
        let asked: Vec<_> = gates.iter().map(|gate| scope.spawn(move || ask(gate, config, deadline))).collect();
        asked.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

fn ask(gate: &GateHost, config: &Config, deadline: Instant) -> Heard {
    let begun = Instant::now();
    let way = config.reach.way(&gate.host, gate.address.as_deref());
    let asked = reach::gate(&way, deadline).and_then(|mut gate| gate.ask(&Request::Version, deadline));
    let answer = match asked {
        Ok(Answer::Version(version)) => Ok(version),
        Ok(Answer::Refused(refusal)) => Err(format!("it refuses: {}", refusal.text)),
        Ok(_) => Err("it answered another question".into()),
        Err(why) => Err(why.to_string()),
    };
    Heard { host: gate.host.clone(), answer, took: begun.elapsed() }
}
