//! Single values of the command line, and what the original calls wrong about them.

use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::Instant;

use plugin_kit::{Problem, Range, State};

use super::{Code, Days, HttpVersion, OnRedirect, PatternState, Proxy, Size, TlsVersion};
use crate::checks::json::Assertion;
use crate::http::target::Place;
use crate::spec::typed::{integer, unreadable, usage};

/// No file with a name and a password is larger.
const MAX_CREDENTIALS: u64 = 1 << 20;

/// A name or address must be text: neither DNS nor a Host header knows anything else.
pub fn text(option: &str, value: &OsStr) -> Result<String, Problem> {
    value
        .to_str()
        .map(str::to_owned)
        .ok_or_else(|| usage(&format!("Invalid {option}, not UTF-8"), value))
}

pub fn versions(text: &OsStr) -> Result<(Option<TlsVersion>, Option<TlsVersion>), Problem> {
    let word = text.to_str().unwrap_or("?");
    let exact = match word.trim_end_matches('+') {
        "" if word.is_empty() => return Ok((None, None)),
        "1" | "1.0" => TlsVersion::V1_0,
        "1.1" => TlsVersion::V1_1,
        "1.2" => TlsVersion::V1_2,
        "1.3" => TlsVersion::V1_3,
        old @ ("2" | "3") => {
            return Err(Problem::Usage(format!(
                "SSL protocol version {old} is not supported: it is broken, no library speaks it"
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

/// A state by its name or its exit code.
pub fn state(option: &str, text: &OsStr) -> Result<State, Problem> {
    let word = text.to_string_lossy().to_ascii_uppercase();
    let by_code = || word.parse().ok().and_then(State::from_code);
    word.parse()
        .ok()
        .or_else(by_code)
        .ok_or_else(|| usage(&format!("Invalid {option} option"), text))
}

/// `401=ok,4xx=critical`
pub fn codes(text: &OsStr) -> Result<Vec<Code>, Problem> {
    let code = |item: &str| {
        let (codes, to) = item.split_once('=')?;
        let (first, last) = match codes.trim().to_ascii_lowercase().strip_suffix("xx") {
            Some(class) => {
                class.parse::<u16>().ok().map(|class| (class * 100, class * 100 + 99))?
            }
            None => codes.trim().parse().ok().map(|code| (code, code))?,
        };
        let state = state("status", OsStr::new(to.trim())).ok()?;
        (100..600).contains(&first).then_some(Code { first, last, state })
    };
    let typed = text.to_string_lossy();
    typed
        .split(',')
        .map(|item| code(item).ok_or_else(|| usage("Invalid status option", OsStr::new(item))))
        .collect()
}

pub fn http_version(text: &OsStr) -> Result<HttpVersion, Problem> {
    match text.to_str() {
        Some("1.0") => Ok(HttpVersion::V1_0),
        Some("1.1") => Ok(HttpVersion::V1_1),
        _ => Err(usage("Invalid http-version option, this program speaks 1.0 and 1.1", text)),
    }
}

pub fn source(text: &OsStr) -> Result<IpAddr, Problem> {
    text.to_str()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| usage("Invalid source address", text))
}

/// What was typed, or the first line of a file; nothing of it in messages.
pub fn credentials(
    typed: Option<OsString>,
    file: Option<OsString>,
    deadline: Option<Instant>,
) -> Result<Option<Vec<u8>>, Problem> {
    let pair = match file {
        None => typed.map(OsString::into_vec),
        Some(file) => {
            let content = safe_file::read(&file, MAX_CREDENTIALS, deadline)
                .map_err(|why| unreadable(&why, &file))?;
            Some(
                content
                    .split(|byte| *byte == b'\n')
                    .next()
                    .unwrap_or_default()
                    .trim_ascii_end()
                    .to_vec(),
            )
        }
    };
    Ok(pair.filter(|pair| !pair.is_empty()))
}

pub fn days(text: &OsStr) -> Result<Days, Problem> {
    let number = |word: &str| {
        let days = integer(OsStr::new(word)).and_then(|days| u32::try_from(days).ok());
        days.ok_or_else(|| usage("Invalid certificate expiration period", OsStr::new(word)))
    };
    let typed = text.to_string_lossy();
    let (warning, critical) = typed.split_once(',').unwrap_or((&typed, ""));
    Ok(Days { warning: number(warning)?, critical: number(critical)? })
}

/// `90`, `90s`, `10m`, `10h`, `10d`.
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

/// `MIN` or `MIN:MAX`. A later `MIN` keeps the MAX of an earlier `MIN:MAX`, as it always did.
pub fn size(typed: &[OsString]) -> Result<Size, Problem> {
    let mut size = Size::default();
    for text in typed {
        let number = |word: &str| word.trim().parse::<u64>().ok();
        let read = || {
            Some(match text.to_str()?.split_once(':') {
                None => Size { min: number(text.to_str()?)?, max: size.max },
                Some((min, max)) => Size { min: number(min)?, max: number(max)? },
            })
        };
        size = read().ok_or_else(|| usage("Bad format: try \"-m min:max\"", text))?;
    }
    Ok(size)
}

pub fn range(option: &str, text: Option<&OsStr>) -> Result<Option<Range>, Problem> {
    let Some(text) = text else { return Ok(None) };
    // Macros of Nagios come with the blanks around them: `!5 !10`.
    let range = text
        .to_string_lossy()
        .trim()
        .parse()
        .map_err(|bad| Problem::Usage(format!("{option}: {bad}")))?;
    Ok(Some(range))
}

pub fn on_redirect(text: Option<&OsStr>) -> Result<OnRedirect, Problem> {
    let Some(text) = text else { return Ok(OnRedirect::State(State::Ok)) };
    Ok(match text.as_bytes() {
        b"ok" => OnRedirect::State(State::Ok),
        b"warning" => OnRedirect::State(State::Warning),
        b"critical" => OnRedirect::State(State::Critical),
        b"unknown" => OnRedirect::State(State::Unknown),
        b"follow" => OnRedirect::Follow,
        b"sticky" => OnRedirect::Sticky,
        b"stickyport" => OnRedirect::StickyPort,
        _ => return Err(usage("Invalid onredirect option", text)),
    })
}

/// How many redirects are followed.
pub fn max_redirects(text: Option<&OsStr>) -> Result<u32, Problem> {
    let Some(text) = text else { return Ok(15) };
    integer(text)
        .and_then(|count| u32::try_from(count).ok())
        .ok_or_else(|| usage("Invalid max_redirs count", text))
}

pub fn pattern_state(text: Option<&OsStr>) -> Result<PatternState, Problem> {
    match text.map(|text| text.to_string_lossy().to_ascii_lowercase()).as_deref() {
        None | Some("critical") => Ok(PatternState::Critical),
        Some("warning") => Ok(PatternState::Warning),
        Some(other) => Err(Problem::Usage(format!("Invalid state-regex option - {other}"))),
    }
}

/// The method that is sent: what follows a colon is meant for the other end of a tunnel.
pub fn outer_method(method: OsString) -> Vec<u8> {
    method.as_bytes().split(|byte| *byte == b':').next().unwrap_or_default().to_vec()
}

/// The method behind `CONNECT` or in `CONNECT:POST`; `None` for other methods.
pub fn inner_method(method: &OsStr) -> Option<&[u8]> {
    match method.as_bytes().strip_prefix(b"CONNECT")? {
        b"" | b":" => Some(b"GET"),
        rest => rest.strip_prefix(b":"),
    }
}

pub fn port(text: &OsStr) -> Result<u16, Problem> {
    let given = Some(text).filter(|text| !text.is_empty());
    given
        .and_then(integer)
        .and_then(|port| u16::try_from(port).ok())
        .ok_or_else(|| usage("Invalid port number", text))
}

pub fn assertion(typed: &OsStr) -> Result<Assertion, Problem> {
    text("json", typed)?.parse().map_err(|why| usage(&format!("Invalid json option, {why}"), typed))
}

/// `[http://][USER:PASSWORD@]HOST[:PORT]`, and the hosts that are asked without it.
pub fn proxy(url: &OsStr, exceptions: Option<&OsStr>) -> Result<Proxy, Problem> {
    let wrong = || usage("Invalid proxy, write [http://][user:password@]host[:port]", url);
    let typed = text("proxy", url)?;
    let authority = match typed.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
        Some(_) => return Err(wrong()),
        None => &typed,
    };
    let authority = authority.split('/').next().unwrap_or_default();
    let (user, authority) =
        authority.rsplit_once('@').map_or((None, authority), |(user, rest)| (Some(user), rest));
    let (host, port) =
        Place::split_host(authority).filter(|(host, _)| !host.is_empty()).ok_or_else(wrong)?;
    let list = exceptions.map(|list| list.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Proxy {
        address: Place::without_brackets(&host).to_owned(),
        // curl's default, as odd as it is.
        port: port.unwrap_or(1080),
        authorization: user.map(unescaped),
        spared: list
            .split([',', ' '])
            .filter(|name| !name.is_empty())
            .map(|name| name.trim_start_matches('.').to_owned())
            .collect(),
    })
}

/// `%40` is `@` (RFC 3986, section 2.1).
fn unescaped(text: &str) -> Vec<u8> {
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
    fn a_plain_minimum_keeps_the_maximum_before_it() {
        assert_eq!(size(&["10:20".into(), "5".into()]).unwrap(), Size { min: 5, max: 20 });
        assert_eq!(size(&["5".into(), "10:20".into()]).unwrap(), Size { min: 10, max: 20 });
    }
}
