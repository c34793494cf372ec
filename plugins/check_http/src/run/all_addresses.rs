//! --all-addresses: every address of a name is looked at, at the same time and each for itself, and
//! one verdict tells of all.

use std::net::IpAddr;
use std::time::Duration;

use plugin_kit::{Outcome, State};

use super::check::{HandOver, How, Looked, Looker};
use super::connect::target;
use crate::net::resolve;

/// So many addresses are looked at at a time.
pub(super) const AT_A_TIME: usize = 16;

/// One address, how long the look at it took, and its verdict.
type Seen = (IpAddr, Duration, Outcome);

/// Looks at every address. `None` when there are not several: then it is a look like any other.
pub(super) fn look(how: How<'_>, hand_over: &HandOver<'_>) -> Option<Outcome> {
    let place = &how.wish.place;
    let (name, port) = Some(target(how.wish, place)).filter(|_| place.socket_path().is_none())?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in resolve::addresses(name, port, how.wish.family, how.clock).ok()? {
        if !addresses.contains(&address.ip()) {
            addresses.push(address.ip());
        }
    }
    if addresses.len() < 2 {
        return None;
    }
    let looked = at_each(how, name, &addresses);
    let seen = looked.into_iter().map(|(address, looked)| {
        let elapsed = looked.elapsed;
        (address, elapsed, looked.verdict(hand_over))
    });
    Some(together(seen.collect()))
}

/// Each thread takes its share of the addresses, one after another. What hands over to another
/// program comes later, when all of them are done.
fn at_each<'a>(how: How<'a>, name: &str, addresses: &[IpAddr]) -> Vec<(IpAddr, Looked<'a>)> {
    let one = |address: IpAddr| (address, Looker::new(how, Some((name.to_owned(), address))).go());
    std::thread::scope(|scope| {
        let share = addresses.len().div_ceil(AT_A_TIME);
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
                Ok(Ok(looked)) => looked,
                // Without a thread of its own it is done here.
                _ => share.iter().map(|address| one(*address)).collect(),
            }
        });
        done.flatten().collect()
    })
}

/// The worst verdict, of equal ones the slowest; its line says where, and those below who else is
/// in trouble.
fn together(mut all: Vec<Seen>) -> Outcome {
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
        return shown.remark(&format!("- all {count} addresses"));
    }
    let others: Vec<Seen> = all.filter(|(_, _, outcome)| outcome.state() != State::Ok).collect();
    let names: Vec<String> = std::iter::once(address)
        .chain(others.iter().map(|other| other.0))
        .map(|ip| ip.to_string())
        .collect();
    let shown =
        shown.remark(&format!("- at {} ({} of {count} addresses)", names.join(", "), names.len()));
    others.iter().fold(shown, |shown, (address, _, outcome)| {
        shown.long(format!("{address} {}: {}", outcome.state(), outcome.headline().trim_end()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(address: &str, millis: u64, state: State, line: &str) -> Seen {
        (address.parse().unwrap(), Duration::from_millis(millis), Outcome::new(state, line))
    }

    #[test]
    fn the_worst_counts_and_names_its_address() {
        let all = vec![
            seen("::1", 1, State::Ok, "fine "),
            seen("192.0.2.7", 2, State::Critical, "refused"),
            seen("192.0.2.8", 3, State::Warning, "slow"),
        ];
        let outcome = together(all);
        assert_eq!(outcome.state(), State::Critical);
        let expected =
            "refused - at 192.0.2.7, 192.0.2.8 (2 of 3 addresses)\n192.0.2.8 WARNING: slow\n";
        assert_eq!(String::from_utf8(outcome.render()).unwrap(), expected);
    }

    #[test]
    fn of_those_that_are_fine_the_slowest_is_shown() {
        let outcome = together(vec![
            seen("::1", 5, State::Ok, "slow "),
            seen("127.0.0.1", 1, State::Ok, "quick "),
        ]);
        assert_eq!((outcome.state(), outcome.headline()), (State::Ok, "slow - all 2 addresses "));
    }
}
