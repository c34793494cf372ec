//! Resolves host names as the rest of the system does, within the deadline.
//!
//! A program that is linked statically with musl uses only /etc/hosts and DNS. If nsswitch.conf
//! lists other sources, we run `getent`, which loads glibc's modules (sss, mdns, myhostname, …).

use std::io::Read;
use std::net::{IpAddr, SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketType};

use crate::deadline::Deadline;
use crate::fault::{Fault, is_shortage};
use crate::http::target::HttpTarget;
use crate::text;

const NOT_KNOWN: &str = "Name or service not known";
const TRY_AGAIN: &str = "Temporary failure in name resolution";
/// Maximum size of a system file, in bytes. An /etc/hosts file that blocks many hosts can be
/// several MiB.
const MAX_FILE: u64 = 64 << 20;
const WRONG_FAMILY: &str = "Address family for hostname not supported";

/// Which address family to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4 only (-4).
    V4,
    /// IPv6 only (-6).
    V6,
}

/// Returns the addresses of `name` in the order that the system prefers.
pub fn addresses(
    name: &str,
    port: u16,
    family: Option<Family>,
    deadline: &Deadline,
) -> Result<Vec<SocketAddr>, Fault> {
    if let Some(address) = literal(name, port) {
        let fits = is_of(family, &address.ip());
        return if fits { Ok(vec![address]) } else { Err(Fault::Name(WRONG_FAMILY)) };
    }
    let order = if cfg!(target_env = "musl") { lookup_order(deadline) } else { LookupOrder::Libc };
    let mut found = match hosts(name, port, deadline)
        .filter(|_| cfg!(target_env = "musl") && order != LookupOrder::Getent)
    {
        Some(found) => found,
        None => {
            let name = name.to_owned();
            within(deadline, move || look_up(&name, port, family, &order))??
        }
    };
    found.retain(|address| is_of(family, &address.ip()));
    // The system has resolved an incomplete IPv4 address such as `127.1`, but -6 is given.
    let is_number = |label: &str| label.starts_with(|c: char| c.is_ascii_digit());
    match name.rsplit('.').next() {
        _ if !found.is_empty() => Ok(found),
        Some(last) if is_number(last) => Err(Fault::Name(WRONG_FAMILY)),
        _ => Err(Fault::Name(NOT_KNOWN)),
    }
}

/// Parses an address. An IPv6 address can have a zone, which is the name or number of an interface
/// (RFC 4007, section 11).
fn literal(text: &str, port: u16) -> Option<SocketAddr> {
    match HttpTarget::split_zone(text) {
        (address, None) => Some(SocketAddr::new(address.parse().ok()?, port)),
        (address, Some(zone)) => {
            let interface = zone.parse().ok().or_else(|| interface_index(zone))?;
            Some(SocketAddrV6::new(address.parse().ok()?, port, 0, interface).into())
        }
    }
}

fn interface_index(name: &str) -> Option<u32> {
    let any = net::socket(AddressFamily::INET6, SocketType::DGRAM, None).ok()?;
    net::netdevice::name_to_index(any, name).ok()
}

fn is_of(family: Option<Family>, address: &IpAddr) -> bool {
    match family {
        None => true,
        Some(Family::V4) => address.is_ipv4(),
        Some(Family::V6) => address.is_ipv6(),
    }
}

/// Runs `work` in a thread, because `work` can block beyond the deadline. When the deadline passes,
/// the thread is abandoned.
fn within<T: Send + 'static>(
    deadline: &Deadline,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    let left = deadline.left()?.unwrap_or(Duration::MAX);
    let (sender, receiver) = channel();
    let thread = std::thread::Builder::new().stack_size(256 << 10).spawn(move || {
        // Ignore the error. After the deadline, sending fails because the receiver no longer
        // exists.
        let _ = sender.send(work());
    });
    thread.map_err(|why| Fault::OutOfResources(text::io_error(&why)))?;
    receiver.recv_timeout(left).map_err(|why| match why {
        RecvTimeoutError::Timeout => Fault::Timeout,
        RecvTimeoutError::Disconnected => Fault::Name(TRY_AGAIN),
    })
}

fn look_up(
    name: &str,
    port: u16,
    family: Option<Family>,
    order: &LookupOrder,
) -> Result<Vec<SocketAddr>, Fault> {
    if name.is_empty() || name.contains('\0') {
        return Err(Fault::Name(NOT_KNOWN));
    }
    match order {
        LookupOrder::Libc => libc(name, port),
        LookupOrder::FilesThenGetent | LookupOrder::Getent => getent(name, port, family),
        LookupOrder::LibcThenGetent => libc(name, port).or_else(|_| getent(name, port, family)),
    }
}

/// The sources of addresses, in the order in which they are used. All variants except `Getent` use
/// /etc/hosts first.
#[derive(Debug, PartialEq, Eq)]
enum LookupOrder {
    Libc,
    LibcThenGetent,
    FilesThenGetent,
    Getent,
}

fn lookup_order(deadline: &Deadline) -> LookupOrder {
    read("/etc/nsswitch.conf", deadline).map_or(LookupOrder::Libc, |text| parse_nsswitch(&text))
}

/// Reads a system file. Returns `None` if it is unreadable or not UTF-8.
fn read(path: &str, deadline: &Deadline) -> Option<String> {
    String::from_utf8(safe_file::read(path, MAX_FILE, deadline.end()).ok()?).ok()
}

/// Returns the lookup order for the content of an nsswitch.conf(5) file. Our own lookup (`Libc`)
/// uses /etc/hosts and then DNS. It is also chosen if there is no `hosts:` line, because then
/// either the system does not use glibc or glibc uses its default.
fn parse_nsswitch(nsswitch: &str) -> LookupOrder {
    let hosts = nsswitch
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("hosts:"))
        .unwrap_or("files dns");
    let hosts = hosts.split('#').next().unwrap_or_default();
    match hosts.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["files", "dns"] => LookupOrder::Libc,
        // There is no rule in brackets between `files` and `dns`. If our own lookup finds a name,
        // the system would therefore find the same addresses.
        ["files", "dns", ..] => LookupOrder::LibcThenGetent,
        ["files"] => LookupOrder::FilesThenGetent,
        ["files", next, ..] if !next.starts_with('[') => LookupOrder::FilesThenGetent,
        _ => LookupOrder::Getent,
    }
}

/// Looks up a name in /etc/hosts. This lookup cannot block, so it needs no thread. Starting a
/// thread would take a fifth of the run time.
fn hosts(name: &str, port: u16, deadline: &Deadline) -> Option<Vec<SocketAddr>> {
    let found = hosts_in(&read("/etc/hosts", deadline)?, name, port);
    Some(found).filter(|found| !found.is_empty())
}

/// Parses a hosts(5) file and returns the addresses of `name`. Each line contains an address
/// followed by its names. `#` starts a comment.
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
    // Put IPv6 first, as getaddrinfo does (RFC 6724).
    found.sort_by_key(SocketAddr::is_ipv4);
    found
}

fn libc(name: &str, port: u16) -> Result<Vec<SocketAddr>, Fault> {
    match (name, port).to_socket_addrs() {
        Ok(found) => Ok(found.collect()),
        // std hides getaddrinfo's error code, so recognize EAI_AGAIN by the messages of glibc and
        // musl.
        Err(why)
            if ["Temporary failure", "Try again"]
                .iter()
                .any(|text| why.to_string().contains(text)) =>
        {
            Err(Fault::Name(TRY_AGAIN))
        }
        Err(why) if Errno::from_io_error(&why).is_some_and(is_shortage) => {
            Err(Fault::OutOfResources(text::io_error(&why)))
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
    let child = Command::new("getent")
        .args(["--", database, name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return libc(name, port) };
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        // Treat unreadable output like output without addresses.
        let _ = stdout.take(64 << 10).read_to_string(&mut text);
    }
    // getent(1) exits 2 if the name is unknown. Any code other than 0 and 2 means that the lookup
    // failed.
    let looked_up = matches!(child.wait().map(|status| status.code()), Ok(Some(0 | 2)));
    let found = parse_getent(&text, port);
    if found.is_empty() {
        Err(Fault::Name(if looked_up { NOT_KNOWN } else { TRY_AGAIN }))
    } else {
        Ok(found)
    }
}

/// Parses the output of `getent ahosts`. Each line has an address, a socket type and a name.
/// getent lists each address once per socket type. `getent ahostsv6` also lists IPv4 addresses
/// mapped to IPv6.
fn parse_getent(text: &str, port: u16) -> Vec<SocketAddr> {
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
    fn runs_getent_only_for_other_sources() {
        for (hosts, expected) in [
            ("hosts: files dns", LookupOrder::Libc),
            ("passwd: files\nhosts:\tfiles dns # sss", LookupOrder::Libc),
            ("", LookupOrder::Libc),
            ("hosts: files dns myhostname", LookupOrder::LibcThenGetent),
            ("hosts: files mdns4_minimal [NOTFOUND=return] dns", LookupOrder::FilesThenGetent),
            ("hosts: files", LookupOrder::FilesThenGetent),
            ("hosts: dns", LookupOrder::Getent),
            ("hosts: dns files", LookupOrder::Getent),
            ("hosts: sss files dns", LookupOrder::Getent),
            ("hosts: files [!UNAVAIL=return] dns resolve", LookupOrder::Getent),
        ] {
            assert_eq!(parse_nsswitch(hosts), expected, "{hosts}");
        }
    }

    #[test]
    fn parses_hosts_file() {
        let text = "127.0.0.1 localhost # a LOCALHOST\n::1\tip6 localhost\n\
                    10.0.0.1 x.example x\nrubbish x\n127.0.0.1 LocalHost\n";
        let of = |texts: &[&str]| {
            texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>()
        };
        assert_eq!(hosts_in(text, "localhost", 80), of(&["[::1]:80", "127.0.0.1:80"]));
        assert_eq!(hosts_in(text, "X", 80), of(&["10.0.0.1:80"]));
        assert_eq!(hosts_in(text, "y", 80), of(&[]));
    }

    #[test]
    fn parses_getent_output() {
        let text = "::1             STREAM localhost\n::1             DGRAM  \n\
                    127.0.0.1       STREAM \nrubbish\n::ffff:1.2.3.4 STREAM x\n";
        let expected: Vec<SocketAddr> =
            vec!["[::1]:80".parse().unwrap(), "127.0.0.1:80".parse().unwrap()];
        assert_eq!(parse_getent(text, 80), expected);
    }

    #[test]
    fn abandons_lookup_at_the_deadline() {
        let deadline =
            Deadline::start(Instant::now(), Duration::ZERO, Some(Duration::from_millis(50)));
        let result = within(&deadline, || std::thread::sleep(Duration::from_secs(60)));
        assert_eq!(result, Err(Fault::Timeout));
        assert!(deadline.elapsed() < Duration::from_secs(50));
    }

    #[test]
    fn checks_family_of_literal_addresses() {
        let deadline = Deadline::start(Instant::now(), Duration::ZERO, None);
        assert_eq!(addresses("::1", 80, None, &deadline), Ok(vec!["[::1]:80".parse().unwrap()]));
        assert_eq!(
            addresses("::1", 80, Some(Family::V4), &deadline),
            Err(Fault::Name(WRONG_FAMILY))
        );
    }
}
