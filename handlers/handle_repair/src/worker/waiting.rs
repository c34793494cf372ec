//! Answers the calls that wait in the queue.

use std::ffi::OsString;
use std::path::Path;

use plugin_kit::{Outcome, Problem, State};
use policy_file::LedgerConfig;

use super::{Call, answer, load, syslog};
use crate::cli;
use crate::handler;
use crate::queue::{CallQueue, DecisionRole, TakenCall};

/// Maximum number of workers that may die while answering the same call. After that, the call is
/// dropped, because it would probably kill every other worker too.
const MOST_DEATHS: u32 = 10;

/// Answers waiting calls until none is left, or until another worker holds the decision role.
/// `argv` contains only the path of the policy, which names the ledger.
pub fn run(argv: &[OsString]) -> Result<Outcome, Problem> {
    let [policy] = argv else {
        return Err(Problem::Usage(
            "do not start this program by hand; handle_repair starts it when needed".into(),
        ));
    };
    // Leave the caller's working directory. The worker outlives its caller, and would keep the
    // directory's file system from being unmounted.
    let _ = std::env::set_current_dir("/");
    answer_all(Path::new(policy), argv).inspect_err(|problem| syslog::log(&problem.to_string()))
}

fn answer_all(policy: &Path, argv: &[OsString]) -> Result<Outcome, Problem> {
    let config = load(policy, argv)?;
    let mut queue = CallQueue::open(config.ledger.local()).map_err(Problem::failed)?;
    // Keep this connection open until all calls are answered. Otherwise the end of each call would
    // close the last connection, and SQLite would write its log back, which costs four fsync(2)
    // calls.
    let is_file = matches!(config.ledger, LedgerConfig::Sqlite(_));
    let _open = is_file.then(|| ledger::open(&config.ledger));
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
        // A handler that has just queued a call may have seen this worker in the decision role and
        // started no other worker. Therefore check the queue again.
        if !queue.has_waiting().map_err(Problem::failed)? {
            break;
        }
    }
    Ok(Outcome::new(State::Ok, format!("answered {answered} calls")))
}

/// Answers one call. Releases the decision role before waiting for a repair or a gate. If the call
/// cannot be answered, logs the reason to syslog.
fn answer_one(queue: &CallQueue, call: &TakenCall, policy: &Path, role: &mut Option<DecisionRole>) {
    let TakenCall { job, at, deaths, .. } = call;
    if *deaths >= MOST_DEATHS {
        return syslog::log(&format!(
            "job {job}: the call was dropped, because {deaths} workers died while answering it"
        ));
    }
    let parsed = queue.read(call).map_err(Problem::failed).and_then(|(policy, argv)| {
        let mut invocation = cli::read(&argv)?;
        // Use the absolute path, because the arguments can contain a path that is relative to the
        // handler's working directory.
        invocation.options.policy = policy;
        Ok((invocation, argv))
    });
    match parsed {
        Ok((invocation, argv)) => {
            let (invocation, at, deaths) = (&invocation, *at, *deaths);
            let call = Call { invocation, id: job, at, deaths, is_offered: false };
            let mut before_wait = || {
                if role.take().is_some() {
                    // Ignore errors. If no other worker can be started, this worker checks the
                    // queue after the repair.
                    let _ = handler::serve(queue, policy);
                }
            };
            // Ignore the error, because `answer` has already reported it.
            let _ = answer(&call, &argv, &mut before_wait);
        }
        Err(problem) => syslog::log(&format!("job {job}: {problem}")),
    }
}
