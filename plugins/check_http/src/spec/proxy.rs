//! The HTTP proxy given with -x, and the hosts that bypass it.

use std::net::IpAddr;

use crate::http::idn;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Host name or address of the proxy.
    pub address: String,
    /// Port of the proxy.
    pub port: u16,
    /// `user:password`, if the proxy URL contains them.
    pub authorization: Option<Vec<u8>>,
    /// Hosts that bypass the proxy.
    pub bypass: Vec<Bypass>,
}

/// Hosts that bypass a proxy (--noproxy).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bypass {
    /// All hosts (`*`).
    All,
    /// The host or domain with this name, and everything below it.
    Name(String),
    /// All addresses whose first bits are the same as in this address. Also holds the number of
    /// these bits, which is at most 32 for IPv4 and 128 for IPv6.
    Network(IpAddr, u32),
}

impl Bypass {
    /// Parses `*`, `name`, `.domain`, `*.domain`, `address` or `network/bits`.
    pub fn new(text: &str) -> Bypass {
        let address = |text: &str| text.trim_matches(['[', ']']).parse::<IpAddr>().ok();
        let width = |address: IpAddr| if address.is_ipv4() { 32 } else { 128 };
        let network = match text.split_once('/') {
            Some((start, bits)) => address(start).zip(bits.parse().ok()),
            None => address(text).map(|address| (address, width(address))),
        };
        match network.filter(|(address, bits)| *bits <= width(*address)) {
            Some((address, bits)) => Bypass::Network(address, bits),
            None if text == "*" => Bypass::All,
            None => {
                let name = text.trim_start_matches('*').trim_start_matches('.');
                Bypass::Name(idn::sendable(name).into_owned())
            }
        }
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Bypass::All => true,
            Bypass::Name(name) => {
                let domain =
                    host.len().checked_sub(name.len()).and_then(|at| host.split_at_checked(at));
                domain.is_some_and(|(before, end)| {
                    end.eq_ignore_ascii_case(name) && (before.is_empty() || before.ends_with('.'))
                })
            }
            Bypass::Network(network, bits) => {
                let host = host.trim_matches(['[', ']']).parse::<IpAddr>();
                host.is_ok_and(|host| is_in_network(host, *network, *bits))
            }
        }
    }
}

impl Proxy {
    /// Whether requests to a host bypass the proxy. `hosts` are the name and the address of this
    /// host.
    pub fn bypasses(&self, hosts: &[&str]) -> bool {
        self.bypass.iter().any(|bypass| hosts.iter().any(|host| bypass.matches(host)))
    }
}

fn is_in_network(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    // If `bits` is 0, `checked_shr` returns `None`, and every address is in the network.
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (address.to_bits() ^ network.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            (address.to_bits() ^ network.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bypasses_names_domains_addresses_and_networks() {
        for (list, hosts, expected) in [
            ("*", &["any"][..], true),
            ("a.example", &["a.example"], true),
            ("a.example", &["x.A.example"], true),
            ("a.example", &["xa.example"], false),
            (".a.example", &["x.a.example"], true),
            ("*.a.example", &["x.a.example"], true),
            ("*.a.example", &["b.example"], false),
            ("10.0.0.0/8", &["10.9.8.7"], true),
            ("10.0.0.0/8", &["11.0.0.1"], false),
            ("10.0.0.0/8", &["www.example", "10.1.1.1"], true),
            ("0.0.0.0/0", &["192.0.2.1"], true),
            ("0.0.0.0/0", &["::1"], false),
            ("10.0.0.1/32", &["10.0.0.1"], true),
            ("10.0.0.1/32", &["10.0.0.2"], false),
            ("10.0.0.1/33", &["10.0.0.1"], false),
            ("10.0.0.1", &["10.0.0.1"], true),
            ("fd00::/8", &["fd12::1"], true),
            ("fd00::/8", &["[fd12::1]"], true),
            ("[::1]", &["::1"], true),
            ("::/0", &["fe80::1"], true),
            ("bücher.example", &["xn--bcher-kva.example"], true),
            ("", &["h"], false),
        ] {
            let bypass = list.split(',').filter(|one| !one.is_empty()).map(Bypass::new).collect();
            let proxy = Proxy { address: "p".into(), port: 1, authorization: None, bypass };
            assert_eq!(proxy.bypasses(hosts), expected, "{list} {hosts:?}");
        }
    }
}
