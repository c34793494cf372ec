//! Parsers for the values of single options. Their error messages are the same as in
//! monitoring-plugins.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use plugin_kit::{Problem, Range, State};

use super::json_assertion::JsonAssertion;
use super::proxy::{Bypass, Proxy};
use super::{CertificateDays, SizeLimits, StatusRule};
use crate::http::digest::AuthScheme;
use crate::http::idn;
use crate::http::redirect::OnRedirect;
use crate::http::request::HttpVersion;
use crate::http::target::HttpTarget;
use crate::net::tls::TlsVersion;
use crate::net::tls::pin::PublicKeyPin;

/// Reports an invalid value as `what - value`.
pub fn usage(what: &str, value: &OsStr) -> Problem {
    Problem::Usage(format!("{what} - {}", value.to_string_lossy()))
}

/// Reports an unusable file. If the file is missing or unreadable, the message is the same as in
/// monitoring-plugins, which has no message for other problems.
pub fn unusable(file: &OsStr, why: &safe_file::Error) -> Problem {
    match why.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => {
            usage("file does not exist or is not readable", file)
        }
        _ => Problem::Usage(why.to_string()),
    }
}

/// Parses a value that must be valid UTF-8, such as a host name, an address or a URL.
pub fn text(option: &str, value: &OsStr) -> Result<String, Problem> {
    value
        .to_str()
        .map(str::to_owned)
        .ok_or_else(|| usage(&format!("Invalid {option}, the value must be UTF-8"), value))
}

/// Parses a whole number. Like monitoring-plugins, ignores surrounding spaces and reads an empty
/// value as 0.
fn integer(text: &OsStr) -> Option<u64> {
    match text.to_str()?.trim() {
        "" => Some(0),
        text if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

/// Parses a time limit, `N`, `N:STATE` or `:STATE`. Returns the limit, and the state to return
/// after a timeout if `text` contains one. The default limit is 10 seconds, and 0 means no limit.
///
/// If the upper end of the critical range is greater than the time limit, the limit is raised above
/// this end. Otherwise every run would time out before it could exceed the range.
pub fn timeout(
    text: Option<&OsStr>,
    critical: Option<Range>,
) -> Result<(Option<Duration>, Option<State>), Problem> {
    let invalid = |text| usage("Timeout interval must be a positive integer", text);
    let typed = text.map(|text| text.to_str().ok_or_else(|| invalid(text))).transpose()?;
    let (limit, word) = match typed.and_then(|typed| typed.split_once(':')) {
        Some((limit, word)) => (Some(limit).filter(|limit| !limit.is_empty()), word),
        None => (typed, ""),
    };
    let seconds = match limit.map(OsStr::new) {
        None => 10,
        Some(limit) => integer(limit)
            .filter(|seconds| *seconds <= u64::from(u32::MAX))
            .ok_or_else(|| invalid(limit))?,
    };
    let on_timeout = Some(word).filter(|word| !word.is_empty());
    let on_timeout = on_timeout.map(|word| state("timeout", OsStr::new(word))).transpose()?;
    let end = critical
        .map(|range| range.end())
        .filter(|end| end.is_finite() && *end > seconds as f64 && *end < 1e9);
    let seconds = end.map_or(seconds, |end| end as u64 + 1);
    Ok(((seconds > 0).then(|| Duration::from_secs(seconds)), on_timeout))
}

/// Parses the value of -S, such as `1.2` or `1.2+`. An empty value, `2+` and `3+` allow every
/// version. Returns the oldest and the newest allowed TLS version.
pub fn versions(text: &OsStr) -> Result<(Option<TlsVersion>, Option<TlsVersion>), Problem> {
    let word = text.to_str().unwrap_or("?");
    let exact = match word.trim_end_matches('+') {
        "" if word.is_empty() => return Ok((None, None)),
        // Every supported version is newer than SSL 2 and 3.
        "2" | "3" if word.ends_with('+') => return Ok((None, None)),
        "1" | "1.0" => TlsVersion::V1_0,
        "1.1" => TlsVersion::V1_1,
        "1.2" => TlsVersion::V1_2,
        "1.3" => TlsVersion::V1_3,
        old @ ("2" | "3") => {
            return Err(Problem::Usage(format!(
                "SSL protocol version {old} is not supported: it is insecure and no library \
                 implements it"
            )));
        }
        _ => {
            return Err(Problem::Usage(
                "Invalid option - Valid SSL/TLS versions: 1, 1.1, 1.2, 1.3 (with optional '+' \
                 suffix)"
                    .into(),
            ));
        }
    };
    Ok((Some(exact), Some(exact).filter(|_| !word.ends_with('+'))))
}

/// Parses a state, which is a name or an exit code.
pub fn state(option: &str, text: &OsStr) -> Result<State, Problem> {
    let word = text.to_string_lossy().to_ascii_uppercase();
    let by_code = || word.parse().ok().and_then(State::from_code);
    word.parse()
        .ok()
        .or_else(by_code)
        .ok_or_else(|| usage(&format!("Invalid {option} option"), text))
}

/// Parses rules for status codes, such as `401=ok,4xx=critical`.
pub fn status_rules(text: &OsStr) -> Result<Vec<StatusRule>, Problem> {
    let rule = |item: &str| {
        let (codes, to) = item.split_once('=')?;
        let (first, last) = match codes.trim().to_ascii_lowercase().strip_suffix("xx") {
            Some(class) => {
                let class = class.parse::<u16>().ok().filter(|class| (1..6).contains(class))?;
                (class * 100, class * 100 + 99)
            }
            None => codes.trim().parse().ok().map(|code| (code, code))?,
        };
        let state = state("status", OsStr::new(to.trim())).ok()?;
        (100..600).contains(&first).then_some(StatusRule { first, last, state })
    };
    let typed = text.to_string_lossy();
    typed
        .split(',')
        .map(|item| rule(item).ok_or_else(|| usage("Invalid status option", OsStr::new(item))))
        .collect()
}

/// Parses an HTTP version.
pub fn http_version(text: &OsStr) -> Result<HttpVersion, Problem> {
    match text.to_str() {
        Some("1.0") => Ok(HttpVersion::V1_0),
        Some("1.1") => Ok(HttpVersion::V1_1),
        _ => Err(usage("Invalid http-version option, only 1.0 and 1.1 are supported", text)),
    }
}

/// Parses the local address to connect from.
pub fn source(text: &OsStr) -> Result<IpAddr, Problem> {
    text.to_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| usage("Invalid source address", text))
}

/// Parses thresholds in days until a certificate expires: `30` or `30,7`.
pub fn days(text: &OsStr) -> Result<CertificateDays, Problem> {
    let number = |word: &str| {
        let days = integer(OsStr::new(word)).and_then(|days| u32::try_from(days).ok());
        days.ok_or_else(|| usage("Invalid certificate expiration period", OsStr::new(word)))
    };
    let typed = text.to_string_lossy();
    let (warning, critical) = typed.split_once(',').unwrap_or((&typed, ""));
    Ok(CertificateDays { warning: number(warning)?, critical: number(critical)? })
}

/// Parses an age: `90`, `90s`, `10m`, `10h` or `10d`. Returns it in seconds.
pub fn age(text: &OsStr) -> Result<u64, Problem> {
    let read = || {
        let word = text.to_str()?.trim();
        let (number, unit) = match word.char_indices().next_back()? {
            (_, '0'..='9') => (word, 1),
            (at, 's') => (word.get(..at)?, 1),
            (at, 'm') => (word.get(..at)?, 60),
            (at, 'h') => (word.get(..at)?, 3600),
            (at, 'd') => (word.get(..at)?, 86400),
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(unit)
    };
    read().ok_or_else(|| usage("unparsable max-age", text))
}

/// Parses size limits: `MIN`, or a range such as `MIN:MAX`, `MIN:`, `:MAX`, `~:MAX` or `@MIN:MAX`.
/// As in monitoring-plugins, a number alone is the minimum, although it would be the maximum in a
/// threshold range. Such a number does not remove the `MAX` of an earlier `MIN:MAX`.
pub fn size(typed: &[OsString]) -> Result<SizeLimits, Problem> {
    let mut size = SizeLimits::default();
    for text in typed {
        let number = |word: &str| word.trim().parse::<u64>().ok();
        let end = |word: &str| if matches!(word, "" | "~") { Some(0) } else { number(word) };
        let read = || {
            let typed = text.to_str()?;
            let (limits, alert_inside) =
                typed.strip_prefix('@').map_or((typed, false), |l| (l, true));
            Some(match limits.split_once(':') {
                Some(("", "")) => return None,
                None if !alert_inside => SizeLimits { min: number(limits)?, ..size },
                None => SizeLimits { min: 0, max: number(limits)?, alert_inside },
                Some((min, "")) if alert_inside => {
                    SizeLimits { min: end(min)?, max: u64::MAX, alert_inside }
                }
                Some((min, max)) => SizeLimits { min: end(min)?, max: end(max)?, alert_inside },
            })
        };
        size = read().ok_or_else(|| usage("Bad format: try \"-m min:max\"", text))?;
    }
    Ok(size)
}

/// Parses a threshold range.
pub fn range(option: &str, text: &OsStr) -> Result<Range, Problem> {
    // Trim spaces, because Nagios does not. In the check command `check_http!5 !10`, for example, a
    // space follows the 5.
    text.to_string_lossy().trim().parse().map_err(|bad| Problem::Usage(format!("{option}: {bad}")))
}

/// Parses the value of -f, which says how to treat a redirect.
pub fn on_redirect(text: &OsStr) -> Result<OnRedirect, Problem> {
    Ok(match text.as_bytes() {
        b"ok" => OnRedirect::State(State::Ok),
        b"warning" => OnRedirect::State(State::Warning),
        b"critical" => OnRedirect::State(State::Critical),
        b"unknown" => OnRedirect::State(State::Unknown),
        // In check_curl, `curl` means that libcurl follows the redirects. Here, it is the same as
        // `follow`.
        b"follow" | b"curl" => OnRedirect::Follow,
        b"sticky" => OnRedirect::Sticky,
        b"stickyport" => OnRedirect::StickyPort,
        _ => return Err(usage("Invalid onredirect option", text)),
    })
}

/// Parses the maximum number of redirects to follow.
pub fn max_redirects(text: &OsStr) -> Result<u32, Problem> {
    integer(text)
        .and_then(|count| u32::try_from(count).ok())
        .ok_or_else(|| usage("Invalid max_redirs count", text))
}

/// Parses the value of --state-regex: the state to return if the check of a pattern fails.
pub fn pattern_state(text: &OsStr) -> Result<State, Problem> {
    match text.to_string_lossy().to_ascii_lowercase().as_str() {
        "critical" => Ok(State::Critical),
        "warning" => Ok(State::Warning),
        other => Err(Problem::Usage(format!("Invalid state-regex option - {other}"))),
    }
}

/// Returns the method to send, which is the part of `method` before a colon. The part after the
/// colon is used inside a tunnel.
pub fn outer_method(method: &OsStr) -> Vec<u8> {
    method.as_bytes().split(|byte| *byte == b':').next().unwrap_or_default().to_vec()
}

/// Returns the method to use inside a tunnel: GET for `CONNECT`, POST for `CONNECT:POST`. Returns
/// `None` for methods other than CONNECT.
pub fn inner_method(method: &OsStr) -> Option<&[u8]> {
    match method.as_bytes().strip_prefix(b"CONNECT")? {
        b"" | b":" => Some(b"GET"),
        rest => rest.strip_prefix(b":"),
    }
}

/// Parses a port.
pub fn port(text: &OsStr) -> Result<u16, Problem> {
    let given = Some(text).filter(|text| !text.is_empty());
    given
        .and_then(integer)
        .and_then(|port| u16::try_from(port).ok())
        .ok_or_else(|| usage("Invalid port number", text))
}

/// Returns an error if a host name or an address cannot be converted to the form that DNS uses.
pub fn host_name(name: &str) -> Result<(), Problem> {
    const ADVICE: &str = "Invalid host name, write it in composed form (NFC) or as xn--...";
    idn::to_ascii(name).map(drop).ok_or_else(|| usage(ADVICE, OsStr::new(name)))
}

/// Parses the value of --auth-scheme.
pub fn auth_scheme(text: &OsStr) -> Result<AuthScheme, Problem> {
    match text.to_string_lossy().to_ascii_lowercase().as_str() {
        "basic" => Ok(AuthScheme::Basic),
        "digest" => Ok(AuthScheme::Digest),
        _ => Err(usage("Invalid auth-scheme, use basic or digest", text)),
    }
}

/// Parses the hash of a public key.
pub fn pin(typed: &OsStr) -> Result<PublicKeyPin, Problem> {
    text("pin-sha256", typed)?
        .parse()
        .map_err(|why| usage(&format!("Invalid pin-sha256, {why}"), typed))
}

/// Parses a condition on a JSON body.
pub fn assertion(typed: &OsStr) -> Result<JsonAssertion, Problem> {
    text("json", typed)?.parse().map_err(|why| usage(&format!("Invalid json option, {why}"), typed))
}

/// Parses a proxy, `[http://][USER:PASSWORD@]HOST[:PORT]`, and the list of hosts that bypass it.
pub fn proxy(url: &OsStr, bypass: Option<&OsStr>) -> Result<Proxy, Problem> {
    // Do not print the value, because it may contain a password.
    let invalid = || {
        Problem::Usage(
            "Invalid proxy, write it as [http://][user:password@]host[:port]; SOCKS and HTTPS \
             proxies are not supported"
                .into(),
        )
    };
    let typed = text("proxy", url)?;
    let authority = match typed.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
        Some(_) => return Err(invalid()),
        None => &typed,
    };
    let authority = authority.split('/').next().unwrap_or_default();
    let (user, authority) =
        authority.rsplit_once('@').map_or((None, authority), |(user, rest)| (Some(user), rest));
    let (host, port) = HttpTarget::split_host(authority)
        .filter(|(host, _)| !host.is_empty())
        .ok_or_else(invalid)?;
    let bypass = bypass.map(|list| list.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Proxy {
        address: HttpTarget::without_brackets(&host).to_owned(),
        // Like curl, use port 1080 by default for proxies.
        port: port.unwrap_or(1080),
        authorization: user.map(percent_decoded),
        bypass: bypass.split([',', ' ']).filter(|name| !name.is_empty()).map(Bypass::new).collect(),
    })
}

/// Decodes `%40` to `@` (RFC 3986, section 2.1). Invalid escapes are kept unchanged.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                out.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
            }
            None => {
                out.push(b'%');
                out.extend_from_slice(part.as_bytes());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimum_alone_keeps_earlier_maximum() {
        let limits = |typed: &[&str]| {
            let size = size(&typed.iter().map(OsString::from).collect::<Vec<_>>()).unwrap();
            (size.min, size.max)
        };
        assert_eq!(limits(&["10:20", "5"]), (5, 20));
        assert_eq!(limits(&["5", "10:20"]), (10, 20));
    }
}
