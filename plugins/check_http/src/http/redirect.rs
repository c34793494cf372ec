//! Resolves the target of a redirect and detects loops. Follows RFC 3986, section 5, and RFC 9110
//! for http and https URLs.

use plugin_kit::State;

use super::idn;
use super::response::ResponseHead;
use super::target::HttpTarget;
use crate::text;

/// How to treat a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRedirect {
    /// Report this state and do not follow the redirect.
    State(State),
    /// Follow the redirect to its host and port.
    Follow,
    /// Follow the redirect, but connect to the same address as before.
    Sticky,
    /// Follow the redirect, but connect to the same address and port as before.
    StickyPort,
}

/// Why a redirect cannot be followed. The string in a variant is the URL or the status line, which
/// the message contains.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRedirect {
    /// The redirect leads to the target that sent it.
    #[error("redirection creates an infinite loop - {0}")]
    Loop(String),
    /// The redirect exceeds the maximum number of redirects.
    #[error("maximum redirection depth {0} exceeded - {1}")]
    TooMany(u32, String),
    /// The response has no Location header.
    #[error("Could not find redirect location - {0}")]
    NoLocation(String),
    /// The Location header is empty.
    #[error("Empty redirect location")]
    EmptyLocation,
    /// The scheme is neither http nor https.
    #[error("Redirection to a scheme other than HTTP - {0}")]
    OtherScheme(String),
    /// The URL has no host.
    #[error("Redirection without a host - {0}")]
    NoHost(String),
    /// The port is above 65535.
    #[error("Redirection to port above 65535 - {0}")]
    PortTooLarge(String),
    /// The port is not a number.
    #[error("Redirection to an invalid port - {0}")]
    InvalidPort(String),
}

impl BadRedirect {
    /// Returns the state of a check that ends with this redirect.
    pub fn state(&self) -> State {
        match self {
            BadRedirect::Loop(_) => State::Critical,
            BadRedirect::TooMany(..) => State::Warning,
            _ => State::Unknown,
        }
    }
}

/// Returns the target to which a redirect leads. `head` is the head of the response from `target`.
///
/// A redirect to `target` itself is normally a loop, but it is followed in two cases. First, if the
/// response set a new cookie, the next request sends this cookie, and its response may be
/// different. Second, if the address differs from the host name, for example with -I, users rely on
/// the redirect to get past a load balancer's first response.
pub fn next(
    target: &HttpTarget,
    head: &ResponseHead,
    how: OnRedirect,
    new_cookie: bool,
) -> Result<HttpTarget, BadRedirect> {
    let location = head.values("Location").into_iter().next();
    let location =
        location.ok_or_else(|| BadRedirect::NoLocation(text::decode(&head.status_line)))?;
    let next = resolve(target, &location, how)?;
    // Like monitoring-plugins, do not report a loop if the location is relative to the current
    // directory. Such a redirect is followed until the maximum number of redirects is reached, and
    // the result is WARNING.
    if next == *target && next.name() == next.address && !new_cookie && !is_relative_path(&location)
    {
        return Err(BadRedirect::Loop(next.display_url()));
    }
    Ok(next)
}

fn resolve(
    target: &HttpTarget,
    location: &[u8],
    how: OnRedirect,
) -> Result<HttpTarget, BadRedirect> {
    if location.is_empty() {
        return Err(BadRedirect::EmptyLocation);
    }
    let location = sendable(location);
    let (tls, rest) = match scheme(&location) {
        Some((name, rest)) if name.eq_ignore_ascii_case(b"http") => (false, rest),
        Some((name, rest)) if name.eq_ignore_ascii_case(b"https") => (true, rest),
        Some(_) => return Err(BadRedirect::OtherScheme(text::decode(&location))),
        None => (target.tls, location.as_slice()),
    };
    let pinned = target.tunnel || matches!(how, OnRedirect::Sticky | OnRedirect::StickyPort);
    let address_of = |host: &str| {
        if pinned { target.address.clone() } else { HttpTarget::without_brackets(host).to_owned() }
    };
    let Some(authority) = rest.strip_prefix(b"//") else {
        // Connect to the host by its name, which may resolve to an address other than the one given
        // with -I. Only sticky keeps the address given with -I.
        let address =
            if target.host.is_some() { address_of(target.name()) } else { target.address.clone() };
        let host = Some(target.name().to_owned());
        let url = relative(&target.url, rest);
        let virtual_port = if target.tunnel { target.virtual_port } else { target.port };
        return Ok(HttpTarget { url, address, host, virtual_port, ..target.clone() });
    };
    let end =
        authority.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(authority.len());
    let (authority, path) = authority.split_at(end);
    let authority = text::decode(authority);
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let url = if path.first() == Some(&b'/') { path.to_vec() } else { [b"/", path].concat() };
    let (host, port) = host_and_port(authority, tls).map_err(|problem| {
        let scheme = if tls { "https" } else { "http" };
        problem(format!("{scheme}://{authority}{}", text::decode(&url)))
    })?;
    // If the host is the xn-- form of a name that the user typed with letters outside ASCII, keep
    // the name as typed.
    let is_typed = !target.name().is_ascii() && idn::is_same_host(&host, target.name());
    let host = if is_typed { target.name().to_owned() } else { host };
    let address = address_of(&host);
    let port = if how == OnRedirect::StickyPort && !target.tunnel { target.port } else { port };
    let connect_port = if target.tunnel { target.port } else { port };
    Ok(HttpTarget {
        tls,
        host: Some(host),
        address,
        port: connect_port,
        virtual_port: port,
        url,
        tunnel: target.tunnel,
    })
}

/// Whether a location is relative to the current directory, that is, whether it has neither a
/// scheme nor a leading slash.
fn is_relative_path(location: &[u8]) -> bool {
    scheme(location).is_none() && location.first() != Some(&b'/')
}

/// Prepares a location for a request line. Removes the fragment (RFC 9110, section 10.2.2) and
/// percent-encodes spaces and control characters.
fn sendable(location: &[u8]) -> Vec<u8> {
    let location = location.split(|byte| *byte == b'#').next().unwrap_or_default();
    let mut out = Vec::with_capacity(location.len());
    for byte in location {
        if *byte <= b' ' || *byte == 0x7f {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(*byte);
        }
    }
    out
}

/// Splits a reference into its scheme and the part after the colon. Returns `None` if there is no
/// scheme.
fn scheme(location: &[u8]) -> Option<(&[u8], &[u8])> {
    let end =
        location.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b"+-.".contains(byte))?;
    let (name, rest) = location.split_at(end);
    let rest = rest.strip_prefix(b":")?;
    name.first().is_some_and(u8::is_ascii_alphabetic).then_some((name, rest))
}

/// Splits an authority into host and port. If the host is missing or the port is invalid, returns a
/// function that creates the error from the URL.
fn host_and_port(authority: &str, tls: bool) -> Result<(String, u16), fn(String) -> BadRedirect> {
    let default = if tls { 443 } else { 80 };
    // In a URL, an IPv6 address is in brackets, so only the text after the brackets can contain a
    // port.
    let mut ports = authority.rsplit(']').next().unwrap_or_default().split(':').skip(1);
    let (port, more) = (ports.next(), ports.next());
    match HttpTarget::split_host(authority).filter(|_| more.is_none()) {
        Some((host, port)) if !host.is_empty() => Ok((host, port.unwrap_or(default))),
        Some(_) => Err(BadRedirect::NoHost),
        None if more.is_none()
            && port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit())) =>
        {
            Err(BadRedirect::PortTooLarge)
        }
        None => Err(BadRedirect::InvalidPort),
    }
}

/// Resolves a reference that has neither scheme nor host against `base` (RFC 3986, section 5.2).
fn relative(base: &[u8], reference: &[u8]) -> Vec<u8> {
    let path_of = |url: &[u8]| url.split(|byte| *byte == b'?').next().unwrap_or_default().to_vec();
    match reference.first() {
        Some(b'/') => reference.to_vec(),
        Some(b'?') => [path_of(base).as_slice(), reference].concat(),
        _ => {
            let mut path = path_of(base);
            path.truncate(path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1));
            if path.is_empty() {
                path.push(b'/');
            }
            without_dots(&[path.as_slice(), reference].concat())
        }
    }
}

/// Removes dot segments (RFC 3986, section 5.2.4): `/a/./b/../c` becomes `/a/c`.
fn without_dots(url: &[u8]) -> Vec<u8> {
    let end = url.iter().position(|byte| *byte == b'?').unwrap_or(url.len());
    let (path, query) = url.split_at(end);
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut segments = path.split(|byte| *byte == b'/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"." | b".." => {
                if segment == b".." {
                    kept.pop();
                }
                if last {
                    kept.push(b"");
                }
            }
            other => kept.push(other),
        }
    }
    [b"/", kept.join(&b'/').as_slice(), query].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn target() -> HttpTarget {
        let (host, url) = (Some("h".into()), b"/dir/page?q=a/b".into());
        let (address, port, virtual_port) = ("10.0.0.1".into(), 8080, 8080);
        HttpTarget { host, address, port, virtual_port, url, ..HttpTarget::default() }
    }

    fn to(location: &str, how: OnRedirect) -> Result<(String, String), String> {
        let head =
            ResponseHead::new(format!("HTTP/1.1 302 F\r\nLocation: {location}\r\n").as_bytes());
        next(&target(), &head, how, false)
            .map(|target| (target.display_url(), target.address))
            .map_err(|why| why.to_string())
    }

    #[test]
    fn resolves_every_form_of_location() {
        for (location, url) in [
            ("http://x:81/y", "http://x:81/y"),
            ("https://x", "https://x:443/"),
            ("HTTPS://x:8443/", "https://x:8443/"),
            ("//x/y", "http://x:80/y"),
            ("//x:81/y", "http://x:81/y"),
            ("/y?z#part", "http://h:8080/y?z"),
            ("y", "http://h:8080/dir/y"),
            ("../y/./z", "http://h:8080/y/z"),
            ("..", "http://h:8080/"),
            ("?a=b", "http://h:8080/dir/page?a=b"),
            ("http://u:p@x/y", "http://x:80/y"),
            ("http://under_score/", "http://under_score:80/"),
            ("http://[::1]:81/y", "http://[::1]:81/y"),
            ("http://x?q", "http://x:80/?q"),
            ("/a b<c>", "http://h:8080/a%20b<c>"),
            ("http://x:/y", "http://x:80/y"),
        ] {
            let shown = to(location, OnRedirect::Follow).map(|(shown, _)| shown);
            assert_eq!(shown.as_deref(), Ok(url), "{location}");
        }
    }

    #[test]
    fn sticky_keeps_the_address_and_stickyport_the_port() {
        for (location, how, url, address) in [
            ("http://x:81/y", OnRedirect::Follow, "http://x:81/y", "x"),
            ("http://x:81/y", OnRedirect::Sticky, "http://x:81/y", "10.0.0.1"),
            ("http://x:81/y", OnRedirect::StickyPort, "http://x:8080/y", "10.0.0.1"),
            ("/y", OnRedirect::Follow, "http://h:8080/y", "h"),
            ("/y", OnRedirect::Sticky, "http://h:8080/y", "10.0.0.1"),
            ("http://[::1]/", OnRedirect::Follow, "http://[::1]:80/", "::1"),
        ] {
            assert_eq!(to(location, how), Ok((url.into(), address.into())), "{location} {how:?}");
        }
    }

    #[test]
    fn tunnel_continues_through_its_proxy() {
        let target =
            HttpTarget { tls: true, port: 3128, virtual_port: 443, tunnel: true, ..target() };
        let head = ResponseHead::new(b"HTTP/1.1 302 F\r\nLocation: https://x:444/y\r\n");
        let next = next(&target, &head, OnRedirect::Follow, false).unwrap();
        assert_eq!((next.address.as_str(), next.port, next.virtual_port), ("10.0.0.1", 3128, 444));
        assert_eq!(next.display_url(), "https://x:444/y");
    }

    #[test]
    fn rejects_invalid_locations() {
        for (location, complaint) in [
            ("", "Empty redirect location"),
            ("http://h:99999/", "Redirection to port above 65535 - http://h:99999/"),
            ("ftp://x/", "Redirection to a scheme other than HTTP - ftp://x/"),
            ("http:///x", "Redirection without a host - http:///x"),
            ("http://h:80:1/x", "Redirection to an invalid port - http://h:80:1/x"),
            ("http://h:a/x", "Redirection to an invalid port - http://h:a/x"),
        ] {
            assert_eq!(to(location, OnRedirect::Follow), Err(complaint.to_owned()), "{location}");
        }
        let head = ResponseHead::new(b"HTTP/1.1 304 NM\r\n");
        let why = next(&target(), &head, OnRedirect::Follow, false).unwrap_err();
        assert_eq!(why.state(), State::Unknown);
        assert_eq!(why.to_string(), "Could not find redirect location - HTTP/1.1 304 NM");
    }

    proptest! {
        #[test]
        fn location_cannot_break_the_request_line(location in "[ -~]{0,30}") {
            let head = ResponseHead::new(format!("HTTP/1.1 302 F\r\nLocation: \
            {location}\r\n").as_bytes());
            if let Ok(target) = next(&target(), &head, OnRedirect::Follow, false) {
                prop_assert!(target.url.starts_with(b"/"));
                prop_assert!(!target.url.iter().any(|byte| *byte <= b' '));
            }
        }
    }
}
