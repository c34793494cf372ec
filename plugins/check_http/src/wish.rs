//! What the command line asks for, checked: typed words become values that cannot be wrong any more.

use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use plugin_kit::{Problem, Range, State};

use crate::authorities;
use crate::cli::{Cli, Typed};
use crate::place::Place;
use crate::posix::Pattern;

/// Everything wanted of one run.
#[derive(Debug)]
pub struct Wish {
    /// Whom to ask first.
    pub place: Place,
    /// Only addresses of this kind.
    pub family: Option<Family>,
    /// How to speak TLS, where it is spoken.
    pub tls: TlsWish,
    /// What the request says.
    pub request: Request,
    /// What the page has to be.
    pub page: PageWish,
    /// What becomes of a redirect.
    pub redirect: OnRedirect,
    /// How many redirects are followed.
    pub max_redirects: u32,
    /// Days a certificate must still be good for.
    pub certificate: Option<Days>,
    /// Whether the whole chain is judged, not only the server's own certificate.
    pub certificate_chain: bool,
    /// Whether the page is looked at after the certificate.
    pub continue_after_certificate: bool,
    /// Ranges of the run time.
    pub warning: Option<Range>,
    /// The same, for CRITICAL.
    pub critical: Option<Range>,
    /// The whole run's limit.
    pub timeout: Option<Duration>,
    /// What it is when that passes.
    pub timeout_state: State,
    /// Where to connect from.
    pub source: Option<IpAddr>,
    /// Whether to begin with HAProxy's line.
    pub haproxy: bool,
    /// What is printed.
    pub show: Show,
}

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// -4
    V4,
    /// -6
    V6,
}

/// A version of TLS; SSL 2 and 3 are gone for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.0
    V1_0,
    /// TLS 1.1
    V1_1,
    /// TLS 1.2
    V1_2,
    /// TLS 1.3
    V1_3,
}

/// How to speak TLS.
#[derive(Debug, Clone, Default)]
pub struct TlsWish {
    /// The oldest version allowed.
    pub oldest: Option<TlsVersion>,
    /// The newest version allowed.
    pub newest: Option<TlsVersion>,
    /// Whether the handshake names the site.
    pub sni: bool,
    /// Client certificate and key: files in PEM.
    pub client: Option<(OsString, OsString)>,
    /// The file of the authorities that the server's certificate is verified against, if it is.
    pub authorities: Option<PathBuf>,
}

/// What the request says.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// -j
    pub method: Option<Vec<u8>>,
    /// -A, or ours.
    pub useragent: Vec<u8>,
    /// -k
    pub headers: Vec<Vec<u8>>,
    /// -a
    pub authorization: Option<Vec<u8>>,
    /// -b
    pub proxy_authorization: Option<Vec<u8>>,
    /// -P
    pub post: Option<Vec<u8>>,
    /// -T
    pub content_type: Option<Vec<u8>>,
    /// -N
    pub no_body: bool,
    /// The version of HTTP, where it is not to depend on -H.
    pub version: Option<HttpVersion>,
}

/// A version of HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.0
    V1_0,
    /// HTTP/1.1
    V1_1,
}

/// What the page has to be.
#[derive(Debug, Default)]
pub struct PageWish {
    /// -e as typed.
    pub expect: Option<Vec<u8>>,
    /// Whether redirects are followed before -e is looked at.
    pub expect_after_redirects: bool,
    /// --status
    pub codes: Vec<Code>,
    /// -d
    pub header_string: Option<Vec<u8>>,
    /// --header-regex
    pub header_pattern: Option<Pattern>,
    /// -s: the last, or all with --match-all.
    pub strings: Vec<Vec<u8>>,
    /// -r and -R: the last, or all with --match-all.
    pub patterns: Vec<Pattern>,
    /// What a page is that does not satisfy a pattern.
    pub pattern_state: PatternState,
    /// Whether the pattern must not match.
    pub invert_pattern: bool,
    /// -M, in seconds.
    pub max_age: Option<u64>,
    /// -m
    pub size: Size,
}

/// What a status code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The first code it is about.
    pub first: u16,
    /// The last one.
    pub last: u16,
    /// What they are.
    pub state: State,
}

/// The states --state-regex knows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PatternState {
    /// CRITICAL
    #[default]
    Critical,
    /// WARNING
    Warning,
}

/// Bounds of the number of bytes; 0 is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Size {
    /// The least.
    pub min: u64,
    /// The most.
    pub max: u64,
}

/// What becomes of a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRedirect {
    /// It is a result.
    State(State),
    /// It is followed to its host and port.
    Follow,
    /// It is followed, at the same address.
    Sticky,
    /// It is followed, at the same address and port.
    StickyPort,
}

/// Days before a certificate's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days {
    /// WARNING from here on.
    pub warning: u32,
    /// CRITICAL from here on.
    pub critical: u32,
}

/// What is printed beyond the line.
#[derive(Debug, Clone, Copy, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct Show {
    /// -E
    pub extended: bool,
    /// -B
    pub body: bool,
    /// -L
    pub link: bool,
    /// -v
    pub verbose: bool,
    /// --always-perfdata
    pub always_perfdata: bool,
}

const USERAGENT: &str = concat!("check_http/v", env!("CARGO_PKG_VERSION"), " (nagios-selfheal ", env!("CARGO_PKG_VERSION"), ")");

impl Request {
    /// The request as it may be shown to people.
    pub fn without_secrets(&self) -> Request {
        let hidden = |secret: &Option<Vec<u8>>| secret.as_ref().map(|_| b"hidden".to_vec());
        Request {
            authorization: hidden(&self.authorization),
            proxy_authorization: hidden(&self.proxy_authorization),
            ..self.clone()
        }
    }
}

impl Wish {
    /// Checks what was typed.
    pub fn new(typed: Typed) -> Result<Wish, Problem> {
        let place = place(&typed)?;
        let tls = tls(&typed.cli)?;
        let patterns = patterns(&typed)?;
        let cli = typed.cli;
        let critical = range("-c", cli.critical.as_deref())?;
        let redirect = on_redirect(cli.onredirect.as_deref())?;
        Ok(Wish {
            family: match (cli.ipv4, cli.ipv6) {
                (false, false) => None,
                _ if typed.ipv6_last => Some(Family::V6),
                _ => Some(Family::V4),
            },
            certificate: cli.certificate.as_deref().map(days).transpose()?,
            certificate_chain: cli.certificate_chain,
            continue_after_certificate: cli.continue_after_certificate,
            warning: range("-w", cli.warning.as_deref())?,
            timeout: timeout(cli.timeout.as_deref(), critical)?,
            timeout_state: cli.timeout_result.as_deref().map_or(Ok(State::Critical), |text| state("timeout-result", text))?,
            source: cli.source_address.as_deref().map(source).transpose()?,
            haproxy: cli.haproxy_protocol,
            critical,
            redirect,
            max_redirects: match cli.max_redirs.as_deref() {
                None => 15,
                Some(text) => {
                    integer(text).ok_or_else(|| usage("Invalid max_redirs count", text))?.try_into().unwrap_or(u32::MAX)
                }
            },
            show: Show {
                extended: cli.extended_perfdata,
                body: cli.show_body,
                link: cli.link,
                verbose: cli.verbose > 0,
                always_perfdata: cli.always_perfdata,
            },
            page: PageWish {
                expect: cli.expect.map(OsString::into_vec),
                expect_after_redirects: cli.expect_after_redirects,
                codes: cli.status.as_deref().map(codes).transpose()?.unwrap_or_default(),
                header_string: cli.header_string.map(OsString::into_vec).filter(|text| !text.is_empty()),
                header_pattern: cli.header_regex.as_deref().map(header_pattern).transpose()?,
                strings: last_or_all(cli.string, cli.match_all)
                    .into_iter()
                    .map(OsString::into_vec)
                    .filter(|text| !text.is_empty())
                    .collect(),
                patterns,
                pattern_state: pattern_state(cli.state_regex.as_deref())?,
                invert_pattern: cli.invert_regex,
                max_age: cli.max_age.as_deref().map(age).transpose()?,
                size: size(&cli.pagesize)?,
            },
            request: Request {
                method: cli.method.map(|method| match inner_method(&method).filter(|_| place.tunnel) {
                    Some(inner) => inner.to_vec(),
                    None => method.into_vec(),
                }),
                useragent: cli.useragent.map_or_else(|| USERAGENT.into(), OsString::into_vec),
                headers: cli.header.into_iter().map(OsString::into_vec).collect(),
                authorization: credentials(cli.authorization, cli.authorization_file)?,
                proxy_authorization: credentials(cli.proxy_authorization, cli.proxy_authorization_file)?,
                post: cli.post.into_iter().next().map(OsString::into_vec),
                content_type: cli.content_type.map(OsString::into_vec),
                no_body: cli.no_body,
                version: cli.http_version.as_deref().map(http_version).transpose()?,
            },
            place,
            tls,
        })
    }
}

/// A complaint in the words of the original: `what - value`.
fn usage(what: &str, value: &OsStr) -> Problem {
    Problem::Usage(format!("{what} - {}", value.to_string_lossy()))
}

/// A whole number as scripts have always been allowed to write it: blanks around it, nothing else.
fn integer(text: &OsStr) -> Option<u64> {
    let text = text.to_str()?.trim();
    if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// A name or address must be text: neither DNS nor a Host header knows anything else.
fn text(option: &str, value: &OsStr) -> Result<String, Problem> {
    value.to_str().map(str::to_owned).ok_or_else(|| usage(&format!("Invalid {option}, not UTF-8"), value))
}

fn place(typed: &Typed) -> Result<Place, Problem> {
    let cli = &typed.cli;
    let mut operands = cli.operands.iter();
    let address = cli.address.as_ref().or_else(|| operands.next());
    let host = cli.hostname.as_ref().or_else(|| operands.next());
    let host = host.map(|name| text("host name", name)).transpose()?;
    let address = address.map(|name| text("address", name)).transpose()?;
    let port = cli.port.as_deref().map(port).transpose()?;
    let files = [&cli.certificate, &cli.client_cert, &cli.private_key, &cli.ca_cert];
    let is_tls = cli.ssl.is_some() || cli.verify_cert || files.into_iter().any(Option::is_some);
    let (host, host_port) = match host {
        Some(name) if cli.hostname.is_some() => {
            let (name, port) = Place::split_host(&name).ok_or_else(|| Problem::Usage(format!("Invalid port number - {name}")))?;
            (Some(name), port)
        }
        other => (other, None),
    };
    let port = port.or(host_port.filter(|_| !typed.tls_after_hostname)).unwrap_or(if is_tls { 443 } else { 80 });
    let address = match (address, &host) {
        (Some(address), _) => Place::without_brackets(&address).to_owned(),
        (None, Some(host)) => Place::without_brackets(host).to_owned(),
        (None, None) => return Err(Problem::Usage("You must specify a server address or host name".into())),
    };
    // With -S and -H, -j CONNECT asks a proxy for the way and the site for the page.
    let tunnel = is_tls && host.is_some() && cli.method.as_deref().is_some_and(|method| inner_method(method).is_some());
    let virtual_port = host_port.unwrap_or(if tunnel { 443 } else { port });
    Ok(Place { tls: is_tls, host, address, port, virtual_port, url: cli.url.as_bytes().to_vec(), tunnel })
}

/// The method behind `CONNECT` or in `CONNECT:POST`; `None` for other methods.
fn inner_method(method: &OsStr) -> Option<&[u8]> {
    match method.as_bytes().strip_prefix(b"CONNECT")? {
        b"" | b":" => Some(b"GET"),
        rest => rest.strip_prefix(b":"),
    }
}

fn port(text: &OsStr) -> Result<u16, Problem> {
    integer(text).and_then(|port| u16::try_from(port).ok()).ok_or_else(|| usage("Invalid port number", text))
}

fn tls(cli: &Cli) -> Result<TlsWish, Problem> {
    for file in [&cli.client_cert, &cli.private_key, &cli.ca_cert].into_iter().flatten() {
        std::fs::File::open(file).map_err(|_| usage("file does not exist or is not readable", file))?;
    }
    if cli.client_cert.is_some() && cli.private_key.is_none() {
        return Err(Problem::Usage("If you use a client certificate you must also specify a private key file".into()));
    }
    let (oldest, newest) = versions(cli.ssl.as_deref().unwrap_or_default())?;
    let authorities = match &cli.ca_cert {
        Some(file) => Some(PathBuf::from(file)),
        None if cli.verify_cert => {
            let none = "No certificates of authorities are installed: name their file with --ca-cert";
            Some(authorities::bundle().ok_or_else(|| Problem::Usage(none.into()))?)
        }
        None => None,
    };
    let client = cli.client_cert.clone().zip(cli.private_key.clone());
    Ok(TlsWish { oldest, newest, sni: cli.sni || authorities.is_some(), client, authorities })
}

fn versions(text: &OsStr) -> Result<(Option<TlsVersion>, Option<TlsVersion>), Problem> {
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
                "Invalid option - Valid SSL/TLS versions: 1, 1.1, 1.2, 1.3 (with optional '+' suffix)".into(),
            ));
        }
    };
    Ok((Some(exact), Some(exact).filter(|_| !word.ends_with('+'))))
}

fn patterns(typed: &Typed) -> Result<Vec<Pattern>, Problem> {
    let mut patterns = Vec::new();
    for typed in &typed.patterns {
        patterns.push(compiled(typed.text.as_bytes(), typed.ignore_case, typed.linespan)?);
    }
    // Like the original: an empty one, as the last, is none at all.
    if typed.patterns.last().is_some_and(|typed| typed.text.is_empty()) {
        patterns.clear();
    }
    Ok(last_or_all(patterns, typed.cli.match_all))
}

fn header_pattern(text: &OsStr) -> Result<Pattern, Problem> {
    compiled(text.as_bytes(), true, false)
}

fn compiled(text: &[u8], ignore_case: bool, linespan: bool) -> Result<Pattern, Problem> {
    Pattern::new(text, ignore_case, linespan)
        .map_err(|problem| Problem::Usage(format!("Could Not Compile Regular Expression: {problem}")))
}

/// Of repeated options the last counts, unless all were asked for.
fn last_or_all<T>(mut typed: Vec<T>, all: bool) -> Vec<T> {
    if !all {
        typed.drain(..typed.len().saturating_sub(1));
    }
    typed
}

fn pattern_state(text: Option<&OsStr>) -> Result<PatternState, Problem> {
    match text.map(|text| text.to_string_lossy().to_ascii_lowercase()).as_deref() {
        None | Some("critical") => Ok(PatternState::Critical),
        Some("warning") => Ok(PatternState::Warning),
        Some(other) => Err(Problem::Usage(format!("Invalid state-regex option - {other}"))),
    }
}

/// A state by its name or its exit code.
fn state(option: &str, text: &OsStr) -> Result<State, Problem> {
    let word = text.to_string_lossy().to_ascii_uppercase();
    let by_code = || word.parse().ok().and_then(State::from_code);
    word.parse().ok().or_else(by_code).ok_or_else(|| usage(&format!("Invalid {option} option"), text))
}

/// `401=ok,4xx=critical`
fn codes(text: &OsStr) -> Result<Vec<Code>, Problem> {
    let code = |item: &str| {
        let (codes, to) = item.split_once('=')?;
        let (first, last) = match codes.trim().to_ascii_lowercase().strip_suffix("xx") {
            Some(class) => class.parse::<u16>().ok().map(|class| (class * 100, class * 100 + 99))?,
            None => codes.trim().parse().ok().map(|code| (code, code))?,
        };
        let state = state("status", OsStr::new(to.trim())).ok()?;
        (100..600).contains(&first).then_some(Code { first, last, state })
    };
    let typed = text.to_string_lossy();
    typed.split(',').map(|item| code(item).ok_or_else(|| usage("Invalid status option", OsStr::new(item)))).collect()
}

fn http_version(text: &OsStr) -> Result<HttpVersion, Problem> {
    match text.to_str() {
        Some("1.0") => Ok(HttpVersion::V1_0),
        Some("1.1") => Ok(HttpVersion::V1_1),
        _ => Err(usage("Invalid http-version option, this program speaks 1.0 and 1.1", text)),
    }
}

fn source(text: &OsStr) -> Result<IpAddr, Problem> {
    text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| usage("Invalid source address", text))
}

/// What was typed, or the first line of a file; nothing of it in messages.
fn credentials(typed: Option<OsString>, file: Option<OsString>) -> Result<Option<Vec<u8>>, Problem> {
    let pair = match file {
        None => typed.map(OsString::into_vec),
        Some(file) => {
            let content = std::fs::read(&file).map_err(|_| usage("file does not exist or is not readable", &file))?;
            Some(content.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end().to_vec())
        }
    };
    Ok(pair.filter(|pair| !pair.is_empty()))
}

fn on_redirect(text: Option<&OsStr>) -> Result<OnRedirect, Problem> {
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

fn range(option: &str, text: Option<&OsStr>) -> Result<Option<Range>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let range = text.to_string_lossy().parse().map_err(|bad| Problem::Usage(format!("{option}: {bad}")))?;
    Ok(Some(range))
}

/// The time limit; a critical range that ends behind it moves it, or it could never be seen to be passed.
fn timeout(text: Option<&OsStr>, critical: Option<Range>) -> Result<Option<Duration>, Problem> {
    let seconds = match text {
        None => 10,
        Some(text) => integer(text)
            .filter(|seconds| *seconds <= u64::from(u32::MAX))
            .ok_or_else(|| usage("Timeout interval must be a positive integer", text))?,
    };
    let end = critical.map(|range| range.end()).filter(|end| end.is_finite() && *end > seconds as f64 && *end < 1e9);
    let seconds = end.map_or(seconds, |end| end as u64 + 1);
    Ok((seconds > 0).then(|| Duration::from_secs(seconds)))
}

fn days(text: &OsStr) -> Result<Days, Problem> {
    let number = |word: &str| {
        let days = integer(OsStr::new(word)).and_then(|days| u32::try_from(days).ok());
        days.ok_or_else(|| usage("Invalid certificate expiration period", OsStr::new(word)))
    };
    let typed = text.to_string_lossy();
    let (warning, critical) = typed.split_once(',').unwrap_or((&typed, ""));
    let critical = if critical.is_empty() { "0" } else { critical };
    Ok(Days { warning: number(warning)?, critical: number(critical)? })
}

/// `90`, `90s`, `10m`, `10h`, `10d`.
fn age(text: &OsStr) -> Result<u64, Problem> {
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
fn size(typed: &[OsString]) -> Result<Size, Problem> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    fn wish(words: &str) -> Result<Wish, String> {
        let typed = cli::read(&words.split(' ').map(OsString::from).collect::<Vec<_>>()).map_err(|p| p.to_string())?;
        Wish::new(typed).map_err(|problem| problem.to_string())
    }

    fn address_and_ports(words: &str) -> (String, u16, u16) {
        let place = wish(words).unwrap().place;
        (place.address, place.port, place.virtual_port)
    }

    #[test]
    fn ports_follow_the_order_of_the_line() {
        assert_eq!(address_and_ports("-H h"), ("h".into(), 80, 80));
        assert_eq!(address_and_ports("-H h:8080"), ("h".into(), 8080, 8080));
        assert_eq!(address_and_ports("-H h:8080 -p 90"), ("h".into(), 90, 8080));
        assert_eq!(address_and_ports("-p 90 -H h:8080"), ("h".into(), 90, 8080));
        assert_eq!(address_and_ports("-H h:8080 -S"), ("h".into(), 443, 8080));
        assert_eq!(address_and_ports("-S -H h:8443"), ("h".into(), 8443, 8443));
        assert_eq!(address_and_ports("-H [::1]:8080"), ("::1".into(), 8080, 8080));
        assert_eq!(address_and_ports("-I [::1] -H h"), ("::1".into(), 80, 80));
        assert_eq!(address_and_ports("-H h extra"), ("extra".into(), 80, 80));
        assert_eq!(address_and_ports("addr name"), ("addr".into(), 80, 80));
    }

    #[test]
    fn what_is_wrong_is_said_in_the_originals_words() {
        for (words, complaint) in [
            ("-H h -p abc", "Invalid port number - abc"),
            ("-H h -p 99999", "Invalid port number - 99999"),
            ("-H h -t 5.5", "Timeout interval must be a positive integer - 5.5"),
            ("-H h -C abc", "Invalid certificate expiration period - abc"),
            ("-H h -C 1,2,3", "Invalid certificate expiration period - 2,3"),
            ("-H h -f foo", "Invalid onredirect option - foo"),
            ("-H h --max-redirs x", "Invalid max_redirs count - x"),
            ("-H h -J /nope", "file does not exist or is not readable - /nope"),
            ("-H h -M x", "unparsable max-age - x"),
            ("-H h -m :", "Bad format: try \"-m min:max\" - :"),
        ] {
            assert_eq!(wish(words).err().as_deref(), Some(complaint), "{words}");
        }
    }

    #[test]
    fn tls_versions_are_exact() {
        use TlsVersion::{V1_0, V1_2, V1_3};
        for (words, expected) in [
            ("-H h -S", (None, None)),
            ("-H h -S1", (Some(V1_0), Some(V1_0))),
            ("-H h -S1.2+", (Some(V1_2), None)),
            ("-H h -S1.3", (Some(V1_3), Some(V1_3))),
        ] {
            let tls = wish(words).unwrap().tls;
            assert_eq!((tls.oldest, tls.newest), expected, "{words}");
        }
        for words in ["-H h -S1.4", "-H h -S2", "-H h -S3+", "-H h -S+", "-H h -Sx"] {
            assert!(wish(words).is_err(), "{words}");
        }
    }

    #[test]
    fn a_critical_range_beyond_the_timeout_moves_it() {
        let seconds = |words: &str| wish(words).unwrap().timeout.map(|limit| limit.as_secs());
        assert_eq!(seconds("-H h"), Some(10));
        assert_eq!(seconds("-H h -c 20"), Some(21));
        assert_eq!(seconds("-H h -c @5:30"), Some(31));
        assert_eq!(seconds("-H h -c 10:"), Some(10));
        assert_eq!(seconds("-H h -t 0"), None);
    }

    #[test]
    fn codes_and_states_are_read() {
        let read = wish("-H h --status 401=ok,4xx=CRITICAL,503=1 --timeout-result unknown").unwrap();
        let expected = [(401, 401, State::Ok), (400, 499, State::Critical), (503, 503, State::Warning)];
        assert_eq!(read.page.codes, expected.map(|(first, last, state)| Code { first, last, state }));
        assert_eq!(read.timeout_state, State::Unknown);
        for words in
            ["--status 4x=ok", "--status 99=ok", "--status 200", "--timeout-result x", "--state-regex ok", "--http-version 2"]
        {
            assert!(wish(&format!("-H h {words}")).is_err(), "{words}");
        }
    }

    #[test]
    fn the_last_text_counts_or_all_do() {
        assert_eq!(wish("-H h -s a -s b").unwrap().page.strings, [b"b".to_vec()]);
        let all = wish("-H h -s a -s b -r c -R d --match-all").unwrap().page;
        assert_eq!((all.strings.len(), all.patterns.len()), (2, 2));
    }

    #[test]
    fn credentials_come_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "user:secret\nrest").unwrap();
        let read = wish(&format!("-H h --authorization-file {}", file.path().display())).unwrap();
        assert_eq!(read.request.authorization.as_deref(), Some(&b"user:secret"[..]));
        assert!(wish("-H h --authorization-file /no/such/file").is_err());
    }

    #[test]
    fn a_plain_minimum_keeps_the_maximum_before_it() {
        assert_eq!(size(&["10:20".into(), "5".into()]).unwrap(), Size { min: 5, max: 20 });
        assert_eq!(size(&["5".into(), "10:20".into()]).unwrap(), Size { min: 10, max: 20 });
    }
}
