//! The bytes of a request, as check_http has always sent them: servers, their filters and their
//! logs know them.

use crate::http::decompression;
use crate::http::target::Place;
use crate::spec::{HttpVersion, Request};

/// Who reads a request first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The site, or a proxy that the user addressed as if it were one.
    Site,
    /// The site at the end of a tunnel.
    SiteBehindTunnel,
    /// A proxy, which wants the whole URL (RFC 9112, section 3.2.2).
    Proxy,
}

/// The request for `place`. Credentials are left out when it is not the place they were given for;
/// `cookies` are those of the jar that are for it.
pub fn bytes(
    request: &Request,
    place: &Place,
    reader: Reader,
    with_credentials: bool,
    cookies: &str,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let named = place.named();
    let place = if reader == Reader::Proxy { &named } else { place };
    let version = match request.version {
        Some(HttpVersion::V1_0) => "HTTP/1.0",
        Some(HttpVersion::V1_1) => "HTTP/1.1",
        None if place.host.is_some() => "HTTP/1.1",
        None => "HTTP/1.0",
    };
    let site = match (reader, place.host_header()) {
        (Reader::Proxy, Some(host)) => format!("{}://{host}", place.scheme()),
        _ => String::new(),
    };
    for part in
        [method(request), b" ", site.as_bytes(), &place.url, b" ", version.as_bytes(), b"\r\n"]
    {
        out.extend_from_slice(part);
    }
    line(&mut out, &[b"User-Agent: ", &request.useragent]);
    line(&mut out, &[b"Connection: close"]);
    let own_host = request.headers.iter().rposition(|header| header.starts_with(b"Host:"));
    // HTTP/1.1 must have one (RFC 9112, section 3.2), be it an address.
    let must_be_named = request.version == Some(HttpVersion::V1_1);
    if let Some(host) = if must_be_named { named.host_header() } else { place.host_header() } {
        match own_host.and_then(|at| request.headers.get(at)) {
            Some(header) => line(&mut out, &[header]),
            None => line(&mut out, &[b"Host: ", host.as_bytes()]),
        }
    }
    if request.compressed {
        line(&mut out, &[decompression::ACCEPTED.as_bytes()]);
    }
    for (at, header) in request.headers.iter().enumerate() {
        if own_host != Some(at) && (with_credentials || !is_credential(header)) {
            line(&mut out, &[header]);
        }
    }
    if !cookies.is_empty() {
        line(&mut out, &[b"Cookie: ", cookies.as_bytes()]);
    }
    if with_credentials {
        basic(&mut out, "Authorization", request.authorization.as_deref());
    }
    // Through a tunnel this would tell the site what is the proxy's alone.
    if reader == Reader::Proxy || (with_credentials && reader == Reader::Site) {
        basic(&mut out, "Proxy-Authorization", request.proxy_authorization.as_deref());
    }
    if let Some(post) = &request.post {
        let content_type =
            request.content_type.as_deref().unwrap_or(b"application/x-www-form-urlencoded");
        line(&mut out, &[b"Content-Type: ", content_type]);
        line(&mut out, &[b"Content-Length: ", post.len().to_string().as_bytes()]);
    }
    line(&mut out, &[]);
    out.extend_from_slice(request.post.as_deref().unwrap_or_default());
    out
}

/// The request for a tunnel to `place`, with nothing in it that is meant for the site alone.
pub fn connect(request: &Request, place: &Place) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let target = format!("{}:{}", place.name(), place.virtual_port);
    line(&mut out, &[b"CONNECT ", target.as_bytes(), b" HTTP/1.1"]);
    line(&mut out, &[b"User-Agent: ", &request.useragent]);
    basic(&mut out, "Proxy-Authorization", request.proxy_authorization.as_deref());
    for header in request
        .headers
        .iter()
        .filter(|header| !header.starts_with(b"Host:") && !is_credential(header))
    {
        line(&mut out, &[header]);
    }
    line(&mut out, &[b"Proxy-Connection: keep-alive"]);
    line(&mut out, &[b"Host: ", place.host_header().unwrap_or(target).as_bytes()]);
    line(&mut out, &[]);
    out
}

fn basic(out: &mut Vec<u8>, name: &str, pair: Option<&[u8]>) {
    if let Some(pair) = pair {
        line(out, &[name.as_bytes(), b": Basic ", base64(pair).as_bytes()]);
    }
}

/// The method: as asked for, else what fits.
pub fn method(request: &Request) -> &[u8] {
    match &request.method {
        Some(method) => method,
        None if request.post.is_some() => b"POST",
        None => b"GET",
    }
}

fn line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

/// A line of -k that proves who we are.
fn is_credential(header: &[u8]) -> bool {
    let name = header.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
    ["authorization", "proxy-authorization", "cookie"]
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret.as_bytes()))
}

/// RFC 4648, section 4.
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter =
        |bits: u32| LETTERS.get(bits as usize & 63).map_or('=', |letter| char::from(*letter));
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            text.push(if place <= group.len() { letter(bits >> (18 - 6 * place)) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            tls: false,
            host: Some("h".into()),
            address: "h".into(),
            port: 80,
            virtual_port: 81,
            url: b"/x y".into(),
            tunnel: false,
        }
    }

    fn request(headers: &[&str]) -> Request {
        Request {
            useragent: b"ua".into(),
            headers: headers.iter().map(|header| header.as_bytes().to_vec()).collect(),
            authorization: Some(b"u:p".into()),
            ..Request::default()
        }
    }

    #[test]
    fn lines_stand_where_they_always_stood() {
        let mut request = request(&["Host: a", "X: 1", "Host: b"]);
        request.post = Some(b"q=1".into());
        let expected = "POST /x y HTTP/1.1\r\nUser-Agent: ua\r\nConnection: close\r\nHost: \
        b\r\nHost: a\r\nX: 1\r\n\
                        Authorization: Basic dTpw\r\nContent-Type: \
                        application/x-www-form-urlencoded\r\n\
                        Content-Length: 3\r\n\r\nq=1";
        assert_eq!(crate::text::of(&bytes(&request, &place(), Reader::Site, true, "")), expected);
    }

    #[test]
    fn without_a_name_it_is_http_1_0() {
        let place = Place { host: None, ..place() };
        let text = crate::text::of(&bytes(&Request::default(), &place, Reader::Site, true, ""));
        assert!(text.starts_with("GET /x y HTTP/1.0\r\n") && !text.contains("Host"));
    }

    #[test]
    fn the_version_is_the_one_asked_for() {
        let place = Place { host: None, address: "::1".into(), ..place() };
        let request = Request { version: Some(HttpVersion::V1_1), ..Request::default() };
        let text = crate::text::of(&bytes(&request, &place, Reader::Site, true, ""));
        assert!(
            text.starts_with("GET /x y HTTP/1.1\r\n") && text.contains("\r\nHost: [::1]:81\r\n"),
            "{text}"
        );
    }

    #[test]
    fn another_host_gets_no_credentials() {
        let sent = bytes(
            &request(&["cookie: s", "AUTHORIZATION : x", "X: 1"]),
            &place(),
            Reader::Site,
            false,
            "",
        );
        assert_eq!(
            crate::text::of(&sent),
            "GET /x y HTTP/1.1\r\nUser-Agent: ua\r\nConnection: close\r\nHost: h:81\r\nX: 1\r\n\r\n"
        );
    }

    #[test]
    fn cookies_of_the_jar_are_one_line() {
        let text =
            crate::text::of(&bytes(&request(&["X: 1"]), &place(), Reader::Site, false, "a=b; c=d"));
        assert!(text.ends_with("\r\nX: 1\r\nCookie: a=b; c=d\r\n\r\n"), "{text}");
    }

    #[test]
    fn a_proxy_reads_the_whole_url() {
        let request = Request { proxy_authorization: Some(b"p:q".into()), ..Request::default() };
        let text = crate::text::of(&bytes(&request, &place(), Reader::Proxy, false, ""));
        assert!(text.starts_with("GET http://h:81/x y HTTP/1.1\r\n"), "{text}");
        assert!(text.contains("\r\nHost: h:81\r\nProxy-Authorization: Basic cDpx\r\n"), "{text}");
    }

    #[test]
    fn a_tunnel_keeps_both_sides_secrets_apart() {
        let mut request = request(&["Cookie: s", "X: 1"]);
        request.proxy_authorization = Some(b"p:q".into());
        let place = Place { tunnel: true, ..place() };
        let asked = crate::text::of(&connect(&request, &place));
        let expected = "CONNECT h:81 HTTP/1.1\r\nUser-Agent: ua\r\nProxy-Authorization: Basic \
        cDpx\r\nX: 1\r\n\
                        Proxy-Connection: keep-alive\r\nHost: h:81\r\n\r\n";
        assert_eq!(asked, expected);
        let inside = crate::text::of(&bytes(&request, &place, Reader::SiteBehindTunnel, true, ""));
        assert!(
            inside.contains("Authorization: Basic dTpw") && !inside.contains("Proxy-"),
            "{inside}"
        );
    }

    #[test]
    fn base64_is_the_rfcs() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("\u{ff}~", "w79+"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
