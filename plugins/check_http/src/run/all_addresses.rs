//! Implements --all-addresses, which checks every address of a name in parallel and combines the
//! results.

use std::net::IpAddr;
use std::time::Duration;

use plugin_kit::{Outcome, State};

use super::check::{CheckRun, FinishedRun, MAX_PARALLEL, OpensslFallback};
use super::connect::CheckContext;
use crate::http::idn;
use crate::net::resolve;

/// An address, the time that its check took, and the result of this check.
type AddressResult = (IpAddr, Duration, Outcome);

/// Checks every address of the name. Returns `None` if there are fewer than two addresses; the
/// caller then runs a normal check.
pub(super) fn run(context: CheckContext<'_>, fallback: &OpensslFallback<'_>) -> Option<Outcome> {
    let spec = context.spec;
    if spec.target.socket_path().is_some() {
        return None;
    }
    let (name, port) = context.peer(&spec.target);
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in
        resolve::addresses(&idn::sendable(name), port, spec.family, context.deadline).ok()?
    {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    if addresses.len() < 2 {
        return None;
    }
    let runs = run_each(context, name, &addresses);
    let results = runs.into_iter().map(|(address, run)| {
        let elapsed = run.elapsed;
        (address, elapsed, run.outcome(fallback))
    });
    Some(combine(results.collect()))
}

/// Runs the checks in up to [`MAX_PARALLEL`] threads and waits for all of them. The caller may fall
/// back to check_http_openssl only after all checks have finished, because the fallback replaces
/// the whole process.
fn run_each<'a>(
    context: CheckContext<'a>,
    name: &'a str,
    addresses: &[IpAddr],
) -> Vec<(IpAddr, FinishedRun<'a>)> {
    let one = |address: IpAddr| {
        let context = CheckContext { pinned: Some((name, address)), ..context };
        (address, CheckRun::new(context).run())
    };
    std::thread::scope(|scope| {
        let share = addresses.len().div_ceil(MAX_PARALLEL);
        let threads: Vec<_> = addresses
            .chunks(share)
            .map(|share| {
                let work = move || share.iter().map(|address| one(*address)).collect::<Vec<_>>();
                let thread =
                    std::thread::Builder::new().stack_size(512 << 10).spawn_scoped(scope, work);
                (share, thread)
            })
            .collect();
        let done = threads.into_iter().map(|(share, thread)| {
            match thread.map(std::thread::ScopedJoinHandle::join) {
                Ok(Ok(runs)) => runs,
                // If the thread could not be started, check its share of the addresses in the
                // current thread.
                _ => share.iter().map(|address| one(*address)).collect(),
            }
        });
        done.flatten().collect()
    })
}

/// Combines the results into one. Reports the worst result or, if several are equally bad, the
/// slowest of them. Its line also lists all addresses that are not OK. Each of the other addresses
/// that are not OK gets its own line below.
fn combine(mut all: Vec<AddressResult>) -> Outcome {
    let count = all.len();
    let worst = all.iter().fold(State::Ok, |worst, (_, _, outcome)| worst.worst(outcome.state()));
    all.sort_by_key(|(_, elapsed, outcome)| {
        (outcome.state() != worst, std::cmp::Reverse(*elapsed))
    });
    let mut all = all.into_iter();
    let Some((address, _, shown)) = all.next() else {
        return Outcome::new(State::Unknown, String::new());
    };
    if worst == State::Ok {
        return shown.remark(&format!("- OK at all {count} addresses"));
    }
    let others: Vec<AddressResult> =
        all.filter(|(_, _, outcome)| outcome.state() != State::Ok).collect();
    let names: Vec<String> = std::iter::once(address)
        .chain(others.iter().map(|other| other.0))
        .map(|ip| ip.to_string())
        .collect();
    let failed = names.len();
    let shown =
        shown.remark(&format!("- not OK at {} ({failed} of {count} addresses)", names.join(", ")));
    others.iter().fold(shown, |shown, (address, _, outcome)| {
        shown.long(format!("{address} {}: {}", outcome.state(), outcome.headline().trim_end()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(address: &str, millis: u64, state: State, line: &str) -> AddressResult {
        (address.parse().unwrap(), Duration::from_millis(millis), Outcome::new(state, line))
    }

    #[test]
    fn reports_worst_result_with_its_address() {
        let all = vec![
            result("::1", 1, State::Ok, "fine "),
            result("192.0.2.7", 2, State::Critical, "refused"),
            result("192.0.2.8", 3, State::Warning, "slow"),
        ];
        let outcome = combine(all);
        assert_eq!(outcome.state(), State::Critical);
        let expected = "refused - not OK at 192.0.2.7, 192.0.2.8 (2 of 3 addresses)\n\
                        192.0.2.8 WARNING: slow\n";
        assert_eq!(String::from_utf8(outcome.render()).unwrap(), expected);
    }

    #[test]
    fn reports_slowest_address_if_all_are_ok() {
        let outcome = combine(vec![
            result("::1", 5, State::Ok, "slow "),
            result("127.0.0.1", 1, State::Ok, "quick "),
        ]);
        assert_eq!(
            (outcome.state(), outcome.headline()),
            (State::Ok, "slow - OK at all 2 addresses ")
        );
    }
}
