//! Answers the calls that wait in the queue.

use std::ffi::OsString;
use std::path::Path;

use plugin_kit::{Outcome, Problem, State};

use super::{Call, answer, load, syslog};
use crate::cli;
use crate::handler;
use crate::queue::{CallQueue, DecisionRole, TakenCall};

/// Number of workers that may die while they answer the same call. The call is then dropped,
/// because it would end every worker that takes it.
const MOST_DEATHS: u32 = 10;

/// Answers waiting calls until none is left, or until another worker has the decision role. `argv`
/// is the path of the policy that names the ledger.
pub fn run(argv: &[OsString]) -> Result<Outcome, Problem> {
    let [policy] = argv else {
        return Err(Problem::Usage("handle_repair starts this program".into()));
    };
    // The worker outlives its caller, so it must not keep the caller's working directory busy.
    let _ = std::env::set_current_dir("/");
    answer_all(Path::new(policy), argv).inspect_err(|problem| syslog::log(&problem.to_string()))
}

fn answer_all(policy: &Path, argv: &[OsString]) -> Result<Outcome, Problem> {
    let config = load(policy, argv)?;
    let mut queue = CallQueue::open(&config.ledger).map_err(Problem::failed)?;
    // While this connection is open, SQLite keeps its log. Otherwise the last connection that is
    // closed writes the log back after each call, which costs four fsync(2).
    let _open = ledger::open(&config.ledger);
    let mut answered = 0;
    while let Some(role) = queue.role().map_err(Problem::failed)? {
        let mut role = Some(role);
        while role.is_some()
            && let Some(call) = queue.take().map_err(Problem::failed)?
        {
            answer_one(&queue, &call, policy, &mut role);
            queue.remove(call);
            answered += 1;
        }
        drop(role);
        // A handler that has seen this worker decide has added its call before.
        if !queue.has_waiting().map_err(Problem::failed)? {
            break;
        }
    }
    Ok(Outcome::new(State::Ok, format!("{answered} calls answered")))
}

/// Answers one call, and gives the role away before it waits for a repair or a gate. A call that
/// cannot be answered is reported in syslog.
fn answer_one(queue: &CallQueue, call: &TakenCall, policy: &Path, role: &mut Option<DecisionRole>) {
    let TakenCall { job, at, deaths, .. } = call;
    if *deaths >= MOST_DEATHS {
        return syslog::log(&format!("job {job}: dropped, because {deaths} workers died of it"));
    }
    let parsed = queue.read(call).map_err(Problem::failed).and_then(|(policy, argv)| {
        let mut invocation = cli::read(&argv)?;
        // The path in the arguments can be relative to the directory of the handler.
        invocation.options.policy = policy;
        Ok((invocation, argv))
    });
    match parsed {
        Ok((invocation, argv)) => {
            let call = Call { invocation: &invocation, id: job, at: *at, deaths: *deaths };
            let mut before_wait = || {
                if role.take().is_some() {
                    // If no worker can be started, this one looks at the queue after the repair.
                    let _ = handler::serve(queue, policy);
                }
            };
            // `answer` has reported an error.
            let _ = answer(&call, &argv, &mut before_wait);
        }
        Err(problem) => syslog::log(&format!("job {job}: {problem}")),
    }
}
