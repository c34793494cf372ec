//! Builds requests. Header lines have the same order and spelling as in monitoring-plugins'
//! check_http, because server filters and log analysers rely on them.

use super::decompression;
use super::digest::AuthScheme;
use super::idn;
use super::target::HttpTarget;
use crate::text;

/// What to send in each request, as specified on the command line.
#[derive(Debug, Clone, Default)]
pub struct RequestSpec {
    /// Method (-j), or `None` for the default.
    pub method: Option<Vec<u8>>,
    /// Value of the User-Agent header (-A).
    pub useragent: Vec<u8>,
    /// Additional header lines (-k).
    pub headers: Vec<Vec<u8>>,
    /// Secret header lines (--header-file). Each has the form `Name: value`.
    pub secret_headers: Vec<Vec<u8>>,
    /// `user:password` for the site (-a).
    pub authorization: Option<Vec<u8>>,
    /// How to send `authorization`.
    pub auth_scheme: AuthScheme,
    /// `user:password` for a proxy (-b).
    pub proxy_authorization: Option<Vec<u8>>,
    /// Body of the request (-P).
    pub post: Option<Vec<u8>>,
    /// Content-Type of the body (-T), or `None` for the default.
    pub content_type: Option<Vec<u8>>,
    /// Whether to stop reading after the header (-N).
    pub no_body: bool,
    /// Whether to accept compressed bodies and decompress them.
    pub compressed: bool,
    /// HTTP version. `None` means 1.1 with a host name and 1.0 without one.
    pub version: Option<HttpVersion>,
}

/// The HTTP version of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    V1_0,
    V1_1,
}

/// A request that is ready to send, with the options for reading its response.
#[derive(Debug)]
pub struct HttpRequest {
    /// The whole request, as it is sent.
    pub bytes: Vec<u8>,
    /// Method of the request. It is needed to read the response, because a response to HEAD has no
    /// body.
    pub method: Vec<u8>,
    /// Whether to stop reading after the header of the response.
    pub head_only: bool,
    /// Whether to keep the body of the response, in addition to searching it.
    pub keep_body: bool,
    /// Maximum size of a decompressed body, in bytes, or `None` to leave bodies compressed.
    pub decompress: Option<usize>,
}

/// Which of the user's credentials for the site a request contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SiteCredentials<'a> {
    /// No credentials. Header lines given with -k that contain credentials are left out as well.
    Withheld,
    /// All credentials, except that the user name and the password are left out if they can be sent
    /// only in the answer to a challenge.
    First,
    /// All credentials. Holds the value of the Authorization header, which answers a challenge.
    Answer(&'a [u8]),
}

/// How a request reaches its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestRoute {
    /// Directly to the target. The target can be a proxy that the user named with -I.
    Direct,
    /// Through a tunnel that a proxy opens.
    Tunnel,
    /// Through a proxy that forwards the request. The request line then contains the whole URL (RFC
    /// 9112, section 3.2.2).
    Proxy,
}

impl RequestSpec {
    /// Returns a copy for display, in which the credentials are hidden.
    pub fn without_secrets(&self) -> RequestSpec {
        let hidden = |secret: &Option<Vec<u8>>| secret.as_ref().map(|_| b"hidden".to_vec());
        RequestSpec {
            secret_headers: self.secret_headers.iter().map(|line| without_value(line)).collect(),
            authorization: hidden(&self.authorization),
            proxy_authorization: hidden(&self.proxy_authorization),
            ..self.clone()
        }
    }

    /// Returns the method. The default is POST with a body and GET without one.
    pub fn method(&self) -> &[u8] {
        match &self.method {
            Some(method) => method,
            None if self.post.is_some() => b"POST",
            None => b"GET",
        }
    }
}

/// Builds the request for `target`. `cookies` is the value of the Cookie header, which is left out
/// if the value is empty.
pub fn build(
    request: &RequestSpec,
    target: &HttpTarget,
    route: RequestRoute,
    credentials: SiteCredentials<'_>,
    cookies: &str,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let with_credentials = credentials != SiteCredentials::Withheld;
    let with_host = target.with_host();
    let target = if route == RequestRoute::Proxy { &with_host } else { target };
    let version = match request.version {
        Some(HttpVersion::V1_0) => "HTTP/1.0",
        Some(HttpVersion::V1_1) => "HTTP/1.1",
        None if target.host.is_some() => "HTTP/1.1",
        None => "HTTP/1.0",
    };
    let site = match (route, target.host_header()) {
        (RequestRoute::Proxy, Some(host)) => format!("{}://{host}", target.scheme()),
        _ => String::new(),
    };
    for part in
        [request.method(), b" ", site.as_bytes(), &target.url, b" ", version.as_bytes(), b"\r\n"]
    {
        out.extend_from_slice(part);
    }
    line(&mut out, &[b"User-Agent: ", &request.useragent]);
    line(&mut out, &[b"Connection: close"]);
    let own_host = request.headers.iter().rposition(|header| header.starts_with(b"Host:"));
    // HTTP/1.1 requires a Host header (RFC 9112, section 3.2), even if the target has only an
    // address.
    let required = request.version == Some(HttpVersion::V1_1);
    if let Some(host) = if required { with_host.host_header() } else { target.host_header() } {
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
    for header in request.secret_headers.iter().filter(|_| with_credentials) {
        line(&mut out, &[header]);
    }
    if !cookies.is_empty() {
        line(&mut out, &[b"Cookie: ", cookies.as_bytes()]);
    }
    match credentials {
        SiteCredentials::First if request.auth_scheme != AuthScheme::Digest => {
            basic(&mut out, "Authorization", request.authorization.as_deref());
        }
        SiteCredentials::Answer(answer) => line(&mut out, &[b"Authorization: ", answer]),
        _ => {}
    }
    // Inside a tunnel, the site itself reads the request. The site must not get the proxy
    // credentials.
    if route == RequestRoute::Proxy || (with_credentials && route == RequestRoute::Direct) {
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

/// Builds the CONNECT request for a tunnel to `target`. Leaves out everything that is meant only
/// for the site.
pub fn build_connect(request: &RequestSpec, target: &HttpTarget) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let authority = format!("{}:{}", idn::sendable(target.name()), target.virtual_port);
    line(&mut out, &[b"CONNECT ", authority.as_bytes(), b" HTTP/1.1"]);
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
    line(&mut out, &[b"Host: ", target.host_header().unwrap_or(authority).as_bytes()]);
    line(&mut out, &[]);
    out
}

fn basic(out: &mut Vec<u8>, name: &str, pair: Option<&[u8]>) {
    if let Some(pair) = pair {
        line(out, &[name.as_bytes(), b": Basic ", text::base64(pair).as_bytes()]);
    }
}

/// Returns a header line in which the value is hidden.
fn without_value(line: &[u8]) -> Vec<u8> {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
    [name, b": hidden"].concat()
}

fn line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
    out.extend_from_slice(b"\r\n");
}

/// Whether a header line contains credentials.
fn is_credential(header: &[u8]) -> bool {
    let name = header.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii();
    ["authorization", "proxy-authorization", "cookie"]
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> HttpTarget {
        let (host, url) = (Some("h".into()), b"/x y".into());
        HttpTarget { host, address: "h".into(), virtual_port: 81, url, ..HttpTarget::default() }
    }

    fn request(headers: &[&str]) -> RequestSpec {
        RequestSpec {
            useragent: b"ua".into(),
            headers: headers.iter().map(|header| header.as_bytes().to_vec()).collect(),
            authorization: Some(b"u:p".into()),
            ..RequestSpec::default()
        }
    }

    fn built(request: &RequestSpec, target: &HttpTarget, route: RequestRoute) -> String {
        text::decode(&build(request, target, route, SiteCredentials::First, ""))
    }

    #[test]
    fn sends_lines_in_the_order_of_monitoring_plugins() {
        let mut request = request(&["Host: a", "X: 1", "Host: b"]);
        request.post = Some(b"q=1".into());
        let expected = "POST /x y HTTP/1.1\r\nUser-Agent: ua\r\nConnection: close\r\n\
                        Host: b\r\nHost: a\r\nX: 1\r\nAuthorization: Basic dTpw\r\n\
                        Content-Type: application/x-www-form-urlencoded\r\n\
                        Content-Length: 3\r\n\r\nq=1";
        assert_eq!(built(&request, &target(), RequestRoute::Direct), expected);
    }

    #[test]
    fn uses_http_1_0_without_host_name() {
        let target = HttpTarget { host: None, ..target() };
        let text = built(&RequestSpec::default(), &target, RequestRoute::Direct);
        assert!(text.starts_with("GET /x y HTTP/1.0\r\n") && !text.contains("Host"));
    }

    #[test]
    fn sends_the_requested_version() {
        let target = HttpTarget { host: None, address: "::1".into(), ..target() };
        let request = RequestSpec { version: Some(HttpVersion::V1_1), ..RequestSpec::default() };
        let text = built(&request, &target, RequestRoute::Direct);
        assert!(text.starts_with("GET /x y HTTP/1.1\r\n"), "{text}");
        assert!(text.contains("\r\nHost: [::1]:81\r\n"), "{text}");
    }

    #[test]
    fn sends_no_credentials_to_other_hosts() {
        let mut request = request(&["cookie: s", "AUTHORIZATION : x", "X: 1"]);
        request.secret_headers = vec![b"X-Token: t".into()];
        let withheld = SiteCredentials::Withheld;
        let sent = build(&request, &target(), RequestRoute::Direct, withheld, "");
        assert_eq!(
            text::decode(&sent),
            "GET /x y HTTP/1.1\r\nUser-Agent: ua\r\nConnection: close\r\nHost: h:81\r\nX: 1\r\n\r\n"
        );
    }

    #[test]
    fn sends_no_password_before_a_digest_challenge() {
        let mut request = request(&[]);
        request.auth_scheme = AuthScheme::Digest;
        request.secret_headers = vec![b"X-Token: t".into()];
        let sent = built(&request, &target(), RequestRoute::Direct);
        assert!(sent.ends_with("\r\nX-Token: t\r\n\r\n"), "{sent}");
        let answer = SiteCredentials::Answer(b"Digest x");
        let sent = build(&request, &target(), RequestRoute::Direct, answer, "");
        assert!(text::decode(&sent).ends_with("\r\nAuthorization: Digest x\r\n\r\n"));
        let shown = built(&request.without_secrets(), &target(), RequestRoute::Direct);
        assert!(shown.contains("\r\nX-Token: hidden\r\n"), "{shown}");
    }

    #[test]
    fn sends_internationalized_names_in_ascii() {
        let target = HttpTarget { host: Some("bücher.example".into()), tunnel: true, ..target() };
        let sent = built(&request(&[]), &target, RequestRoute::Proxy);
        assert!(sent.contains("http://xn--bcher-kva.example:81/x y HTTP/1.1\r\n"), "{sent}");
        assert!(sent.contains("\r\nHost: xn--bcher-kva.example:81\r\n"), "{sent}");
        let sent = text::decode(&build_connect(&request(&[]), &target));
        assert!(sent.starts_with("CONNECT xn--bcher-kva.example:81 HTTP/1.1\r\n"), "{sent}");
        assert!(target.display_url().starts_with("http://bücher.example:"));
    }

    #[test]
    fn sends_all_cookies_in_one_line() {
        let request = request(&["X: 1"]);
        let withheld = SiteCredentials::Withheld;
        let sent = build(&request, &target(), RequestRoute::Direct, withheld, "a=b; c=d");
        let text = text::decode(&sent);
        assert!(text.ends_with("\r\nX: 1\r\nCookie: a=b; c=d\r\n\r\n"), "{text}");
    }

    #[test]
    fn sends_whole_url_to_proxy() {
        let request =
            RequestSpec { proxy_authorization: Some(b"p:q".into()), ..RequestSpec::default() };
        let withheld = SiteCredentials::Withheld;
        let text = text::decode(&build(&request, &target(), RequestRoute::Proxy, withheld, ""));
        assert!(text.starts_with("GET http://h:81/x y HTTP/1.1\r\n"), "{text}");
        assert!(text.contains("\r\nHost: h:81\r\nProxy-Authorization: Basic cDpx\r\n"), "{text}");
    }

    #[test]
    fn tunnel_separates_secrets_of_proxy_and_site() {
        let mut request = request(&["Cookie: s", "X: 1"]);
        request.proxy_authorization = Some(b"p:q".into());
        let target = HttpTarget { tunnel: true, ..target() };
        let expected = "CONNECT h:81 HTTP/1.1\r\nUser-Agent: ua\r\n\
                        Proxy-Authorization: Basic cDpx\r\nX: 1\r\n\
                        Proxy-Connection: keep-alive\r\nHost: h:81\r\n\r\n";
        assert_eq!(text::decode(&build_connect(&request, &target)), expected);
        let inside = built(&request, &target, RequestRoute::Tunnel);
        assert!(inside.contains("Authorization: Basic dTpw"), "{inside}");
        assert!(!inside.contains("Proxy-"), "{inside}");
    }
}
