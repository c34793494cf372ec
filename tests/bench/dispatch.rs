//! Measures a handler call that dispatches a repair. Nagios waits for this call, but not for the
//! repair.

use std::thread;
use std::time::Duration;

use e2e::{Lab, system_program};
use serde_json::json;

use crate::cost::measure;
use crate::say;

/// Pause between two calls. Each call starts a worker, which finds nothing to do and must have
/// exited before the next measurement.
const PAUSE: Duration = Duration::from_millis(50);

/// Prints how many milliseconds longer a handler call that dispatches a repair takes than running
/// `true`. The goal is less than 10 ms.
pub fn compare(rounds: usize) {
    let lab = Lab::new();
    let monitor = &lab.monitor;
    let repair = json!({"ladder": [{"local": ["/bin/true"]}], "verify": ["/bin/true"], "settle": "0s", "cooldown": "1h"});
    monitor.write_policy(&json!({"ledger": monitor.ledger, "repairs": {"httpd": repair}}));
    let call = "CRITICAL HARD 4 --host web1 --address 127.0.0.1 --service HTTP --repair httpd \
                --max-attempts 4 --host-state UP";
    let words = [monitor.handler.display().to_string()]
        .into_iter()
        .chain(call.split(' ').map(str::to_owned));
    let ours: Vec<String> =
        words.chain(["--policy".to_owned(), monitor.policy.display().to_string()]).collect();
    let nothing = [system_program(&["true"]).display().to_string()];
    let (mut ours_took, mut nothing_took) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        ours_took.push(measure(&ours).wall);
        thread::sleep(PAUSE);
        nothing_took.push(measure(&nothing).wall);
    }
    let milliseconds = (median(&mut ours_took) - median(&mut nothing_took)) / 1000.0;
    say(&format!(
        "a call that dispatches a repair takes {milliseconds:.2} ms longer than 'true' (medians of \
         {rounds})"
    ));
}

fn median(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied().unwrap_or(f64::NAN)
}
