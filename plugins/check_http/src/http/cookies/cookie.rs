//! Decides which cookies a server may set, where they are sent and when they expire (RFC 6265 with
//! the rules of its successor draft).
//!
//! We have no list of public suffixes. A cookie for a single-label domain such as `com` is
//! rejected, but a cookie for `co.uk` is accepted.

use std::net::IpAddr;

use crate::date;
use crate::http::idn;
use crate::http::target::HttpTarget;
use crate::text;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Domain in lower case, without a leading dot. This is the value of the Domain attribute or,
    /// without this attribute, the host that set the cookie.
    pub domain: String,
    /// Whether the cookie is also sent to hosts below the domain.
    pub subdomains: bool,
    /// The cookie is sent to this path and to everything below it.
    pub path: String,
    /// Whether the cookie is sent over TLS only.
    pub secure: bool,
    /// Whether the cookie is hidden from scripts. We keep this flag for other programs that read
    /// the file.
    pub http_only: bool,
    /// Expiry time in seconds since 1970. `None` means that the cookie expires when the session
    /// ends.
    pub expires: Option<i64>,
    /// Name of the cookie, never empty.
    pub name: String,
    /// Value of the cookie, as received.
    pub value: String,
}

/// Maximum total length of name and value, in bytes (RFC 6265, section 6.1).
const MAX_COOKIE: usize = 4096;

impl Cookie {
    /// Parses a Set-Cookie header from `target`. Returns `None` if the header is invalid or if
    /// `target` may not set this cookie.
    pub fn parse(header: &[u8], target: &HttpTarget, now: i64) -> Option<Cookie> {
        let text = std::str::from_utf8(header).ok()?;
        let mut parts = text.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        // Reject tabs, which would start another column of the cookie file, and other control
        // characters, which are never valid in a cookie.
        if name.is_empty()
            || name.len() + value.len() > MAX_COOKIE
            || text.chars().any(char::is_control)
        {
            return None;
        }
        let host = host_of(target);
        let mut cookie = Cookie {
            domain: host.clone(),
            subdomains: false,
            path: default_path(&target.url),
            secure: false,
            http_only: false,
            expires: None,
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let mut max_age = None;
        for attribute in parts {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "domain" => cookie.set_domain(value, &host)?,
                "path" if value.starts_with('/') => value.clone_into(&mut cookie.path),
                "path" => cookie.path = default_path(&target.url),
                "secure" => cookie.secure = true,
                "httponly" => cookie.http_only = true,
                "expires" => cookie.expires = date::parse_http(value).or(cookie.expires),
                "max-age" => max_age = seconds(value).or(max_age),
                _ => {}
            }
        }
        if let Some(seconds) = max_age {
            cookie.expires = Some(if seconds > 0 { now.saturating_add(seconds) } else { 0 });
        }
        cookie.may_be_set_by(target).then_some(cookie)
    }

    /// Applies a Domain attribute. Returns `None` if the host is not in that domain.
    fn set_domain(&mut self, value: &str, host: &str) -> Option<()> {
        let domain = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase();
        if domain.is_empty() || domain == host {
            self.subdomains |= domain == host && host.parse::<IpAddr>().is_err();
            return Some(());
        }
        if !domain.contains('.') || !is_below(host, &domain) {
            return None;
        }
        self.domain = domain;
        self.subdomains = true;
        Some(())
    }

    /// Whether `target` may set this cookie. A secure cookie cannot be set over plain HTTP, and a
    /// name that starts with `__Secure-` or `__Host-` restricts the attributes.
    fn may_be_set_by(&self, target: &HttpTarget) -> bool {
        let host_only = !self.subdomains && self.path == "/";
        (target.tls || !self.secure)
            && (self.secure || !self.name.starts_with("__Secure-"))
            && ((self.secure && host_only) || !self.name.starts_with("__Host-"))
    }

    /// Whether the cookie is sent to `target`.
    pub fn is_for(&self, target: &HttpTarget, now: i64) -> bool {
        let host = host_of(target);
        let host_matches =
            host == self.domain || (self.subdomains && is_below(&host, &self.domain));
        host_matches
            && (target.tls || !self.secure)
            && covers(&self.path, path_of(&target.url))
            && !self.is_expired(now)
    }

    /// Whether the cookie has expired at the time `now`, in seconds since 1970.
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }

    /// Whether the cookie replaces `other`, that is, whether both have the same name, domain, path
    /// and `subdomains`.
    pub fn replaces(&self, other: &Cookie) -> bool {
        self.name == other.name
            && self.domain == other.domain
            && self.path == other.path
            && self.subdomains == other.subdomains
    }
}

/// Returns the host that owns a target's cookies.
fn host_of(target: &HttpTarget) -> String {
    let name = idn::sendable(target.name());
    HttpTarget::without_brackets(&name).trim_end_matches('.').to_ascii_lowercase()
}

/// Whether `host` is a name below `domain`. An IP address is not below any domain (RFC 6265,
/// section 5.1.3).
fn is_below(host: &str, domain: &str) -> bool {
    host.parse::<IpAddr>().is_err()
        && host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

/// Returns the directory of the requested path, which is the default path of a cookie (RFC 6265,
/// section 5.1.4).
fn default_path(url: &[u8]) -> String {
    let path = path_of(url);
    let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let folder = path.get(..end).unwrap_or_default();
    if folder.starts_with(b"/") { text::decode(folder) } else { "/".to_owned() }
}

/// Whether `requested` is `path` or below it (RFC 6265, section 5.1.4).
fn covers(path: &str, requested: &[u8]) -> bool {
    requested
        .strip_prefix(path.as_bytes())
        .is_some_and(|rest| path.ends_with('/') || rest.is_empty() || rest.starts_with(b"/"))
}

fn path_of(url: &[u8]) -> &[u8] {
    url.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default()
}

/// Parses Max-Age. If the number is too large, the cookie never expires.
fn seconds(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().unwrap_or(if text.starts_with('-') { 0 } else { i64::MAX }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 784_111_777;

    fn target(url: &str) -> HttpTarget {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        let (address, url) = ("192.0.2.7".into(), format!("/{path}").into_bytes());
        let (tls, host) = (scheme == "https", Some(host.into()));
        HttpTarget { tls, host, address, url, ..HttpTarget::default() }
    }

    fn is_sent(header: &str, from: &str, to: &str) -> bool {
        Cookie::parse(header.as_bytes(), &target(from), NOW)
            .is_some_and(|cookie| cookie.is_for(&target(to), NOW))
    }

    #[test]
    fn sends_cookie_only_to_its_host_or_domain() {
        for (header, from, to, expected) in [
            ("a=b", "http://www.x.org/", "http://www.x.org/", true),
            ("a=b", "http://www.x.org/", "http://WWW.x.org./", true),
            ("a=b", "http://www.x.org/", "http://x.org/", false),
            ("a=b", "http://x.org/", "http://www.x.org/", false),
            ("a=b; Domain=x.org", "http://www.x.org/", "http://ftp.x.org/", true),
            ("a=b; domain=.X.org", "http://www.x.org/", "http://x.org/", true),
            ("a=b; Domain=x.org", "http://www.x.org/", "http://notx.org/", false),
            ("a=b; Domain=y.org", "http://www.x.org/", "http://y.org/", false),
            ("a=b; Domain=y.org", "http://www.x.org/", "http://www.x.org/", false),
            ("a=b; Domain=ftp.x.org", "http://x.org/", "http://ftp.x.org/", false),
            ("a=b; Domain=org", "http://x.org/", "http://y.org/", false),
            ("a=b; Domain=localhost", "http://localhost/", "http://localhost/", true),
            ("a=b; Domain=0.0.1", "http://127.0.0.1/", "http://1.0.0.1/", false),
            ("a=b; Domain=127.0.0.1", "http://127.0.0.1/", "http://127.0.0.1/", true),
            ("a=b", "http://[::1]/", "http://[::1]/", true),
        ] {
            assert_eq!(is_sent(header, from, to), expected, "{header} from {from} to {to}");
        }
    }

    #[test]
    fn sends_cookie_only_below_its_path() {
        for (header, from, to, expected) in [
            ("a=b", "http://h/dir/page", "http://h/dir/other?q=/", true),
            ("a=b", "http://h/dir/page", "http://h/dirt", false),
            ("a=b", "http://h/dir/page?x=/y", "http://h/", false),
            ("a=b; Path=/", "http://h/dir/page", "http://h/", true),
            ("a=b; Path=/dir", "http://h/", "http://h/dir", true),
            ("a=b; Path=/dir/", "http://h/", "http://h/dir", false),
            ("a=b; Path=dir", "http://h/x/y", "http://h/x/z", true),
        ] {
            assert_eq!(is_sent(header, from, to), expected, "{header} from {from} to {to}");
        }
    }

    #[test]
    fn sets_and_sends_secure_cookie_only_over_tls() {
        for (header, from, to, expected) in [
            ("a=b; Secure", "https://h/", "https://h/", true),
            ("a=b; Secure", "https://h/", "http://h/", false),
            ("a=b; Secure", "http://h/", "https://h/", false),
            ("a=b", "http://h/", "https://h/", true),
            ("__Secure-a=b", "https://h/", "https://h/", false),
            ("__Secure-a=b; Secure", "https://h/", "https://h/", true),
            ("__Host-a=b; Secure; Path=/", "https://h/x/", "https://h/", true),
            (
                "__Host-a=b; Secure; Path=/; Domain=h.x.org",
                "https://h.x.org/",
                "https://h.x.org/",
                false,
            ),
        ] {
            assert_eq!(is_sent(header, from, to), expected, "{header} from {from} to {to}");
        }
    }

    #[test]
    fn parses_cookie_expiry() {
        for (header, expires) in [
            ("a=b", None),
            ("a=b; Expires=Sun, 06 Nov 1994 08:49:38 GMT", Some(NOW + 1)),
            ("a=b; expires=Sun, 06-Nov-1994 08:49:38 GMT", Some(NOW + 1)),
            ("a=b; Expires=soon", None),
            ("a=b; Max-Age=60; Expires=Sun, 06 Nov 1994 08:49:38 GMT", Some(NOW + 60)),
            ("a=b; Max-Age=0", Some(0)),
            ("a=b; Max-Age=-5", Some(0)),
            ("a=b; Max-Age=99999999999999999999", Some(i64::MAX)),
            ("a=b; Max-Age=x", None),
        ] {
            let cookie = Cookie::parse(header.as_bytes(), &target("http://h/"), NOW).unwrap();
            assert_eq!(cookie.expires, expires, "{header}");
        }
        assert!(!is_sent("a=b; Max-Age=0", "http://h/", "http://h/"));
    }

    #[test]
    fn rejects_invalid_cookies() {
        let long = format!("a={}", "x".repeat(MAX_COOKIE));
        for header in ["", "a", "=b", " =b; Path=/", "a=b\tc", "a=b; Path=/\x01", &long] {
            let cookie = Cookie::parse(header.as_bytes(), &target("http://h/"), NOW);
            assert_eq!(cookie, None, "{header:.20}");
        }
        let spaced = Cookie::parse(b" a = \"b c\" ; HttpOnly", &target("http://h/"), NOW).unwrap();
        assert_eq!(
            (spaced.name.as_str(), spaced.value.as_str(), spaced.http_only),
            ("a", "\"b c\"", true)
        );
    }

    proptest! {
        #[test]
        fn never_sends_cookie_to_another_host(header in "[ -~]{0,40}", domain in "[a-z.]{0,12}") {
            let header = format!("a=b; Domain={domain}; {header}");
            prop_assert!(!is_sent(&header, "https://www.x.org/", "https://y.net/"));
        }
    }
}
