//! Where a redirect leads (RFC 3986, section 5, on the URLs of RFC 9110), and whether that is
//! somewhere new. Pure.

use plugin_kit::State;

use crate::http::response::Head;
use crate::http::target::Place;
use crate::spec::OnRedirect;
use crate::text;

/// Why a redirect leads nowhere: state and text behind `HTTP <STATE> - `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nowhere(pub State, pub String);

/// The place a redirect leads to.
///
/// One to the very same place will never end, unless we have `news` to tell there, which is a
/// cookie. Where the address is pinned to another than the name's, it is tried: that is how
/// check_http has always seen what lies behind a balancer's first answer.
pub fn next(place: &Place, head: &Head, how: OnRedirect, news: bool) -> Result<Place, Nowhere> {
    let next = target(place, head, how)?;
    // A path from the current folder never counted: it ends at the limit, as a WARNING.
    let from_folder =
        head.values("Location").first().is_some_and(|location| is_from_folder(location));
    if next == *place && next.name() == next.address && !news && !from_folder {
        return Err(Nowhere(
            State::Critical,
            format!("redirection creates an infinite loop - {}", next.shown()),
        ));
    }
    Ok(next)
}

fn target(place: &Place, head: &Head, how: OnRedirect) -> Result<Place, Nowhere> {
    let Some(location) = head.values("Location").into_iter().next() else {
        let status = text::of(&head.status_line);
        return Err(Nowhere(
            State::Unknown,
            format!("Could not find redirect location - {status}"),
        ));
    };
    if location.is_empty() {
        return Err(Nowhere(State::Unknown, "Empty redirect location".into()));
    }
    let location = sendable(&location);
    let (tls, rest) = match scheme(&location) {
        Some((name, rest)) if name.eq_ignore_ascii_case(b"http") => (false, rest),
        Some((name, rest)) if name.eq_ignore_ascii_case(b"https") => (true, rest),
        Some(_) => {
            return Err(Nowhere(
                State::Unknown,
                format!("Redirection to something else than HTTP - {}", text::of(&location)),
            ));
        }
        None => (place.tls, location.as_slice()),
    };
    let pinned = place.tunnel || matches!(how, OnRedirect::Sticky | OnRedirect::StickyPort);
    let address_of = |host: &str| {
        if pinned { place.address.clone() } else { Place::without_brackets(host).to_owned() }
    };
    let Some(authority) = rest.strip_prefix(b"//") else {
        // Even the same host may be elsewhere than -I says: only sticky keeps the address.
        let address =
            if place.host.is_some() { address_of(place.name()) } else { place.address.clone() };
        let host = Some(place.name().to_owned());
        let url = relative(&place.url, rest);
        let virtual_port = if place.tunnel { place.virtual_port } else { place.port };
        return Ok(Place { url, address, host, virtual_port, ..place.clone() });
    };
    let end =
        authority.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(authority.len());
    let (authority, path) = authority.split_at(end);
    let authority = text::of(authority);
    let authority = authority.rsplit('@').next().unwrap_or_default();
    let url = if path.first() == Some(&b'/') { path.to_vec() } else { [b"/", path].concat() };
    let (host, port) = host_and_port(authority, tls).map_err(|complaint| {
        let scheme = if tls { "https" } else { "http" };
        Nowhere(State::Unknown, format!("{complaint} - {scheme}://{authority}{}", text::of(&url)))
    })?;
    let address = address_of(&host);
    let port = if how == OnRedirect::StickyPort && !place.tunnel { place.port } else { port };
    let connect_port = if place.tunnel { place.port } else { port };
    Ok(Place {
        tls,
        host: Some(host),
        address,
        port: connect_port,
        virtual_port: port,
        url,
        tunnel: place.tunnel,
    })
}

/// Whether a location is seen from the current folder: neither a whole URL nor from the root.
fn is_from_folder(location: &[u8]) -> bool {
    scheme(location).is_none() && location.first() != Some(&b'/')
}

/// A location as it can stand in a request line: without its fragment (RFC 9110, section 10.2.2),
/// blanks and control characters percent-encoded.
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

/// `scheme:` at the start of a reference, and what follows it.
fn scheme(location: &[u8]) -> Option<(&[u8], &[u8])> {
    let end =
        location.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b"+-.".contains(byte))?;
    let (name, rest) = location.split_at(end);
    let rest = rest.strip_prefix(b":")?;
    name.first().is_some_and(u8::is_ascii_alphabetic).then_some((name, rest))
}

fn host_and_port(authority: &str, tls: bool) -> Result<(String, u16), String> {
    let own = if tls { 443 } else { 80 };
    // An IPv6 address has to stand in brackets here, so there is one colon behind it at most.
    let mut ports = authority.rsplit(']').next().unwrap_or_default().split(':').skip(1);
    let (port, more) = (ports.next(), ports.next());
    match Place::split_host(authority).filter(|_| more.is_none()) {
        Some((host, port)) if !host.is_empty() => Ok((host, port.unwrap_or(own))),
        Some(_) => Err("Redirection without a host".into()),
        None if more.is_none()
            && port.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit())) =>
        {
            Err("Redirection to port above 65535".into())
        }
        None => Err("Redirection to something that is no port".into()),
    }
}

/// RFC 3986, section 5.2: a reference without scheme and host, seen from `base`.
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

/// RFC 3986, section 5.2.4: `/a/./b/../c` is `/a/c`.
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

    fn place() -> Place {
        Place {
            tls: false,
            host: Some("h".into()),
            address: "10.0.0.1".into(),
            port: 8080,
            virtual_port: 8080,
            url: b"/dir/page?q=a/b".into(),
            tunnel: false,
        }
    }

    fn to(location: &str, how: OnRedirect) -> Result<(String, String), String> {
        let head = Head::new(format!("HTTP/1.1 302 F\r\nLocation: {location}\r\n").as_bytes());
        next(&place(), &head, how, false)
            .map(|place| (place.shown(), place.address))
            .map_err(|nowhere| nowhere.1)
    }

    #[test]
    fn every_form_of_location() {
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
            assert_eq!(
                to(location, OnRedirect::Follow).map(|(shown, _)| shown).as_deref(),
                Ok(url),
                "{location}"
            );
        }
    }

    #[test]
    fn sticky_keeps_the_address_and_stickyport_the_port() {
        assert_eq!(
            to("http://x:81/y", OnRedirect::Follow),
            Ok(("http://x:81/y".into(), "x".into()))
        );
        assert_eq!(
            to("http://x:81/y", OnRedirect::Sticky),
            Ok(("http://x:81/y".into(), "10.0.0.1".into()))
        );
        assert_eq!(
            to("http://x:81/y", OnRedirect::StickyPort),
            Ok(("http://x:8080/y".into(), "10.0.0.1".into()))
        );
        assert_eq!(to("/y", OnRedirect::Follow), Ok(("http://h:8080/y".into(), "h".into())));
        assert_eq!(to("/y", OnRedirect::Sticky), Ok(("http://h:8080/y".into(), "10.0.0.1".into())));
        assert_eq!(
            to("http://[::1]/", OnRedirect::Follow).map(|(_, address)| address),
            Ok("::1".into())
        );
    }

    #[test]
    fn a_tunnel_goes_on_through_its_proxy() {
        let place = Place { tls: true, port: 3128, virtual_port: 443, tunnel: true, ..place() };
        let head = Head::new(b"HTTP/1.1 302 F\r\nLocation: https://x:444/y\r\n");
        let next = next(&place, &head, OnRedirect::Follow, false).unwrap();
        assert_eq!((next.address.as_str(), next.port, next.virtual_port), ("10.0.0.1", 3128, 444));
        assert_eq!(next.shown(), "https://x:444/y");
    }

    #[test]
    fn what_leads_nowhere_says_so() {
        for (location, complaint) in [
            ("", "Empty redirect location"),
            ("http://h:99999/", "Redirection to port above 65535 - http://h:99999/"),
            ("ftp://x/", "Redirection to something else than HTTP - ftp://x/"),
            ("http:///x", "Redirection without a host - http:///x"),
            ("http://h:80:1/x", "Redirection to something that is no port - http://h:80:1/x"),
            ("http://h:a/x", "Redirection to something that is no port - http://h:a/x"),
        ] {
            assert_eq!(to(location, OnRedirect::Follow), Err(complaint.to_owned()), "{location}");
        }
        let head = Head::new(b"HTTP/1.1 304 NM\r\n");
        let nowhere = next(&place(), &head, OnRedirect::Follow, false);
        assert_eq!(
            nowhere,
            Err(Nowhere(
                State::Unknown,
                "Could not find redirect location - HTTP/1.1 304 NM".into()
            ))
        );
    }

    proptest! {
        #[test]
        fn no_location_panics_or_breaks_the_request_line(location in "[ -~]{0,30}") {
            let head = Head::new(format!("HTTP/1.1 302 F\r\nLocation: {location}\r\n").as_bytes());
            if let Ok(place) = next(&place(), &head, OnRedirect::Follow, false) {
                prop_assert!(place.url.starts_with(b"/"));
                prop_assert!(!place.url.iter().any(|byte| *byte <= b' '));
            }
        }
    }
}
