//! What the command line asks for, in values that cannot be wrong any more. `read` makes them of
//! what was typed.

pub mod parse;
pub mod typed;

use std::net::IpAddr;
use std::time::Duration;

use plugin_kit::{Range, State};

use crate::checks::json::Assertion;
use crate::http::cookies::jar::Jar;
use crate::http::target::Place;
use crate::net::tls::pem::Pem;
use crate::pattern::posix::Pattern;

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
    /// Whether its days become performance data.
    pub certificate_perfdata: bool,
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
    /// Whether every address of the name is looked at.
    pub all_addresses: bool,
    /// Where cookies are kept, if they are.
    pub jar: Option<Jar>,
    /// -x
    pub proxy: Option<Proxy>,
    /// What is printed.
    pub show: Show,
}

/// A proxy to ask through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxy {
    /// Its name or address.
    pub address: String,
    /// Its port.
    pub port: u16,
    /// Name and password, if they stood in its URL.
    pub authorization: Option<Vec<u8>>,
    /// Hosts and domains that are asked without it; `*` is all.
    pub spared: Vec<String>,
}

impl Proxy {
    /// Whether this host is asked without the proxy.
    pub fn spares(&self, host: &str) -> bool {
        self.spared.iter().any(|name| {
            let domain =
                host.len().checked_sub(name.len()).and_then(|at| host.split_at_checked(at));
            name == "*"
                || domain.is_some_and(|(before, end)| {
                    end.eq_ignore_ascii_case(name) && (before.is_empty() || before.ends_with('.'))
                })
        })
    }
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
#[derive(Debug, Default)]
pub struct TlsWish {
    /// The oldest version allowed.
    pub oldest: Option<TlsVersion>,
    /// The newest version allowed.
    pub newest: Option<TlsVersion>,
    /// Whether the handshake names the site.
    pub sni: bool,
    /// Client certificate and key.
    pub client: Option<(Pem, Pem)>,
    /// The authorities that the server's certificate is verified against, if it is.
    pub authorities: Option<Pem>,
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
    /// Whether compressed bodies are taken and read.
    pub compressed: bool,
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
    /// --json
    pub json: Vec<Assertion>,
    /// --json-perfdata
    pub json_perfdata: Vec<String>,
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
