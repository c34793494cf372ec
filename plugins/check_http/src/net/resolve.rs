//! Names to addresses, as the rest of the system resolves them and within the deadline.
//!
//! A static musl program knows /etc/hosts and DNS only. Where nsswitch.conf names more, `getent` is
//! asked, which loads glibc's modules (sss, mdns, myhostname, …) for us.

use std::io::Read;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rustix::io::Errno;

use crate::deadline::Clock;
use crate::fault::{Fault, is_shortage};
use crate::spec::Family;
use crate::text;

const NOT_KNOWN: &str = "Name or service not known";
const TRY_AGAIN: &str = "Temporary failure in name resolution";
/// Lists of blocked hosts have some MiB.
const MAX_FILE: u64 = 64 << 20;
const WRONG_FAMILY: &str = "Address family for hostname not supported";

/// The addresses of `name`, in the order the system prefers.
pub fn addresses(
    name: &str,
    port: u16,
    family: Option<Family>,
    clock: &Clock,
) -> Result<Vec<SocketAddr>, Fault> {
    if let Ok(address) = name.parse::<IpAddr>() {
        let fits = is_of(family, &address);
        return if fits {
            Ok(vec![SocketAddr::new(address, port)])
        } else {
            Err(Fault::Name(WRONG_FAMILY))
        };
    }
    let order = if cfg!(target_env = "musl") { order(clock) } else { Order::Libc };
    let mut found = match hosts(name, port, clock)
        .filter(|_| cfg!(target_env = "musl") && order != Order::Getent)
    {
        Some(found) => found,
        None => {
            let name = name.to_owned();
            within(clock, move || look_up(&name, port, family, &order))??
        }
    };
    found.retain(|address| is_of(family, &address.ip()));
    if found.is_empty() { Err(Fault::Name(NOT_KNOWN)) } else { Ok(found) }
}

fn is_of(family: Option<Family>, address: &IpAddr) -> bool {
    match family {
        None => true,
        Some(Family::V4) => address.is_ipv4(),
        Some(Family::V6) => address.is_ipv6(),
    }
}

/// Runs `work`, which may block longer than the run may take, beside us. A run that is over does
/// not wait for it.
fn within<T: Send + 'static>(
    clock: &Clock,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    let left = clock.left()?.unwrap_or(Duration::MAX);
    let (answer, wait) = channel();
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(move || {
        // Nobody listens any more when the time is up.
        let _ = answer.send(work());
    });
    thread.map_err(|why| Fault::Starved(text::plain(&why)))?;
    wait.recv_timeout(left).map_err(|why| match why {
        RecvTimeoutError::Timeout => Fault::Timeout,
        RecvTimeoutError::Disconnected => Fault::Name(TRY_AGAIN),
    })
}

fn look_up(
    name: &str,
    port: u16,
    family: Option<Family>,
    order: &Order,
) -> Result<Vec<SocketAddr>, Fault> {
    if name.is_empty() || name.contains('\0') {
        return Err(Fault::Name(NOT_KNOWN));
    }
    match order {
        Order::Libc => libc(name, port),
        Order::FilesThenGetent | Order::Getent => getent(name, port, family),
        Order::LibcThenGetent => libc(name, port).or_else(|_| getent(name, port, family)),
    }
}

/// Whom to ask. All but `Getent` begin with /etc/hosts.
#[derive(Debug, PartialEq, Eq)]
enum Order {
    Libc,
    LibcThenGetent,
    FilesThenGetent,
    Getent,
}

fn order(clock: &Clock) -> Order {
    read("/etc/nsswitch.conf", clock).map_or(Order::Libc, |text| order_of(&text))
}

/// A file of the system's, if it is text.
fn read(path: &str, clock: &Clock) -> Option<String> {
    String::from_utf8(safe_file::read(path, MAX_FILE, clock.deadline()).ok()?).ok()
}

/// What a nsswitch.conf(5) means for a program that knows files and DNS only, in this order.
/// Without a line on hosts there is no glibc, or one that was never told of more.
fn order_of(nsswitch: &str) -> Order {
    let hosts = nsswitch
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("hosts:"))
        .unwrap_or("files dns");
    let hosts = hosts.split('#').next().unwrap_or_default();
    match hosts.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["files", "dns"] => Order::Libc,
        // No rule stands between them: what they find is what the system finds.
        ["files", "dns", ..] => Order::LibcThenGetent,
        ["files"] => Order::FilesThenGetent,
        ["files", next, ..] if !next.starts_with('[') => Order::FilesThenGetent,
        _ => Order::Getent,
    }
}

/// What /etc/hosts says: a look-up that cannot block needs no thread beside it, which would cost a
/// fifth of a run.
fn hosts(name: &str, port: u16, clock: &Clock) -> Option<Vec<SocketAddr>> {
    let found = hosts_in(&read("/etc/hosts", clock)?, name, port);
    Some(found).filter(|found| !found.is_empty())
}

/// hosts(5): an address and its names, up to a `#`.
fn hosts_in(text: &str, name: &str, port: u16) -> Vec<SocketAddr> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let matching = lines.filter(|line| {
        line.split_whitespace().skip(1).any(|known| known.eq_ignore_ascii_case(name))
    });
    let mut found: Vec<SocketAddr> = Vec::new();
    for address in matching.filter_map(|line| line.split_whitespace().next()?.parse().ok()) {
        let address = SocketAddr::new(address, port);
        if !found.contains(&address) {
            found.push(address);
        }
    }
    // What has both kinds is asked by IPv6 first, as getaddrinfo sorts them (RFC 6724).
    found.sort_by_key(SocketAddr::is_ipv4);
    found
}

fn libc(name: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
    match (name, port).to_socket_addrs() {
        Ok(found) => Ok(found.collect()),
        // std keeps getaddrinfo's code to itself; these are the texts of glibc and musl for
        // EAI_AGAIN.
        Err(why)
            if ["Temporary failure", "Try again"]
                .iter()
                .any(|text| why.to_string().contains(text)) =>
        {
            Err(Fault::Name(TRY_AGAIN))
        }
        Err(why) if Errno::from_io_error(&why).is_some_and(is_shortage) => {
            Err(Fault::Starved(text::plain(&why)))
        }
        Err(_) => Err(Fault::Name(NOT_KNOWN)),
    }
}

fn getent(name: &str, port: u16, family: Option<Family>) -> Result<Vec<SocketAddr>, Fault> {
    let database = match family {
        None => "ahosts",
        Some(Family::V4) => "ahostsv4",
        Some(Family::V6) => "ahostsv6",
    };
    let mut command = Command::new("getent");
    command
        .args(["--", database, name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return libc(name, port) };
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        // What cannot be read is no address.
        let _ = stdout.take(64 << 10).read_to_string(&mut text);
    }
    // getent(1): 2 says that the name is not known; anything else, that it was not looked up.
    let unknown = matches!(child.wait().map(|status| status.code()), Ok(Some(0 | 2)));
    let found = read_getent(&text, port);
    if found.is_empty() {
        Err(Fault::Name(if unknown { NOT_KNOWN } else { TRY_AGAIN }))
    } else {
        Ok(found)
    }
}

/// Lines of `getent ahosts`: address, socket type, name. Each address stands there once for every
/// type, and with ahostsv6 those of IPv4 in the clothes of IPv6.
fn read_getent(text: &str, port: u16) -> Vec<SocketAddr> {
    let streams = text.lines().filter(|line| line.split_whitespace().nth(1) == Some("STREAM"));
    let addresses =
        streams.filter_map(|line| line.split_whitespace().next()?.parse::<IpAddr>().ok());
    let is_mapped =
        |address: &IpAddr| matches!(address, IpAddr::V6(six) if six.to_ipv4_mapped().is_some());
    addresses
        .filter(|address| !is_mapped(address))
        .map(|address| SocketAddr::new(address, port))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn getent_is_asked_only_where_it_knows_more() {
        for (hosts, expected) in [
            ("hosts: files dns", Order::Libc),
            ("passwd: files\nhosts:\tfiles dns # sss", Order::Libc),
            ("", Order::Libc),
            ("hosts: files dns myhostname", Order::LibcThenGetent),
            ("hosts: files mdns4_minimal [NOTFOUND=return] dns", Order::FilesThenGetent),
            ("hosts: files", Order::FilesThenGetent),
            ("hosts: dns", Order::Getent),
            ("hosts: dns files", Order::Getent),
            ("hosts: sss files dns", Order::Getent),
            ("hosts: files [!UNAVAIL=return] dns resolve", Order::Getent),
        ] {
            assert_eq!(order_of(hosts), expected, "{hosts}");
        }
    }

    #[test]
    fn hosts_are_read() {
        let text = "127.0.0.1 localhost # a LOCALHOST\n::1\tip6 localhost\n10.0.0.1 x.example \
        x\nrubbish x\n127.0.0.1 LocalHost\n";
        let of = |texts: &[&str]| {
            texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>()
        };
        assert_eq!(hosts_in(text, "localhost", 80), of(&["[::1]:80", "127.0.0.1:80"]));
        assert_eq!(hosts_in(text, "X", 80), of(&["10.0.0.1:80"]));
        assert_eq!(hosts_in(text, "y", 80), of(&[]));
    }

    #[test]
    fn getent_lines_are_read() {
        let text = "::1             STREAM \
                    localhost\n::1             DGRAM  \n127.0.0.1       STREAM \nrubbish\n::ffff:1.2.3.4 STREAM x\n";
        let expected: Vec<SocketAddr> =
            vec!["[::1]:80".parse().unwrap(), "127.0.0.1:80".parse().unwrap()];
        assert_eq!(read_getent(text, 80), expected);
    }

    #[test]
    fn a_look_up_that_never_ends_ends_with_the_run() {
        let clock = Clock::start(Instant::now(), Duration::ZERO, Some(Duration::from_millis(50)));
        let answer = within(&clock, || std::thread::sleep(Duration::from_secs(60)));
        assert_eq!(answer, Err(Fault::Timeout));
        assert!(clock.elapsed() < Duration::from_secs(50));
    }

    #[test]
    fn literals_need_no_look_up_and_keep_their_family() {
        let clock = Clock::start(Instant::now(), Duration::ZERO, None);
        assert_eq!(addresses("::1", 80, None, &clock), Ok(vec!["[::1]:80".parse().unwrap()]));
        assert_eq!(addresses("::1", 80, Some(Family::V4), &clock), Err(Fault::Name(WRONG_FAMILY)));
    }
}
