//! The specification of a check. Its types cannot hold an invalid value.

pub mod json_assertion;
pub mod parse;
pub mod proxy;
pub mod secrets;

use std::net::IpAddr;
use std::time::Duration;

use plugin_kit::{Range, State};

use crate::http::cookies::jar::CookieJar;
use crate::http::redirect::OnRedirect;
use crate::http::request::RequestSpec;
use crate::http::target::HttpTarget;
use crate::net::resolve::Family;
use crate::net::tls::TlsSpec;
use crate::pattern::posix::Pattern;
use json_assertion::JsonAssertion;
use proxy::Proxy;

/// Specification of a check, built from the command line.
#[derive(Debug)]
pub struct CheckSpec {
    /// Target of the first request.
    pub target: HttpTarget,
    /// Address family to use (-4, -6), or `None` for both.
    pub family: Option<Family>,
    /// TLS settings. They apply to targets that use TLS.
    pub tls: TlsSpec,
    /// What to send in each request.
    pub request: RequestSpec,
    /// What to require of the response.
    pub response: ResponseSpec,
    /// How to treat a redirect.
    pub redirect: OnRedirect,
    /// Maximum number of redirects to follow.
    pub max_redirects: u32,
    /// Checks of the certificate (-C), if requested.
    pub certificate: Option<CertificateSpec>,
    /// Range for the run time in seconds. If the run time is outside this range, the result is
    /// WARNING.
    pub warning: Option<Range>,
    /// Range for the run time in seconds. If the run time is outside this range, the result is
    /// CRITICAL.
    pub critical: Option<Range>,
    /// Longest allowed run time, or `None` for no limit.
    pub timeout: Option<Duration>,
    /// State to return after a timeout.
    pub timeout_state: State,
    /// Local address to connect from, or `None` for the system's choice.
    pub source: Option<IpAddr>,
    /// Whether to send HAProxy's PROXY line first.
    pub haproxy: bool,
    /// Whether to check every address of the name.
    pub all_addresses: bool,
    /// Cookie jar, or `None` if no cookies are kept.
    pub cookie_jar: Option<CookieJar>,
    /// HTTP proxy (-x).
    pub proxy: Option<Proxy>,
    /// What to print in addition to the result.
    pub output: OutputSpec,
}

/// What to require of the response.
#[derive(Debug)]
pub struct ResponseSpec {
    /// Comma-separated strings (-e), one of which the status line must contain.
    pub expect: Option<Vec<u8>>,
    /// Whether `expect` applies only to the response after the last redirect.
    pub expect_after_redirects: bool,
    /// States for status codes (--status). The first matching rule applies.
    pub status_rules: Vec<StatusRule>,
    /// String that the header must contain (-d).
    pub header_string: Option<Vec<u8>>,
    /// Pattern that must match the header (--header-regex).
    pub header_pattern: Option<Pattern>,
    /// Strings that the body must contain (-s): the last one, or all with --match-all.
    pub strings: Vec<Vec<u8>>,
    /// Patterns for the body (-r, -R): the last one, or all with --match-all.
    pub patterns: Vec<Pattern>,
    /// State to return if the check of a pattern fails (--state-regex).
    pub pattern_state: State,
    /// Whether the body must match none of the patterns (--invert-regex).
    pub invert_pattern: bool,
    /// Conditions on a JSON body (--json).
    pub json: Vec<JsonAssertion>,
    /// JSON pointers to numbers for the performance data (--json-perfdata).
    pub json_perfdata: Vec<String>,
    /// Maximum age of the page in seconds (-M).
    pub max_age: Option<u64>,
    /// Limits for the size of the response (-m).
    pub size: SizeLimits,
}

/// The state for a range of status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRule {
    /// First code of the range.
    pub first: u16,
    /// Last code of the range, inclusive.
    pub last: u16,
    /// State for the codes in the range.
    pub state: State,
}

/// Limits for the size of a response in bytes, including its headers. 0 means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SizeLimits {
    /// Smallest size that is OK.
    pub min: u64,
    /// Largest size that is OK.
    pub max: u64,
    /// Whether to alert if the size is within the limits instead of outside them. If this is set,
    /// `max` is not 0.
    pub alert_inside: bool,
}

/// Checks of the server's certificate (-C).
#[derive(Debug, Clone, Copy)]
pub struct CertificateSpec {
    /// Thresholds in days until the certificate expires.
    pub days: CertificateDays,
    /// Whether to check all certificates in the chain, not only the server's own.
    pub whole_chain: bool,
    /// Whether to check the response as well.
    pub then_response: bool,
    /// Whether to print the number of days until the certificate expires as performance data.
    pub perfdata: bool,
}

/// Thresholds in days until a certificate expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateDays {
    /// The result is WARNING if at most this many days are left.
    pub warning: u32,
    /// The result is CRITICAL if at most this many days are left.
    pub critical: u32,
}

/// Output options: what to print in addition to the result.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each bool is a command line flag")]
pub struct OutputSpec {
    /// Whether to print the duration of each phase as performance data (-E).
    pub extended: bool,
    /// Whether to print the body (-B).
    pub body: bool,
    /// Whether to add the performance data in the body to that of the check (-o).
    pub body_perfdata: bool,
    /// Whether to add the URL to the message (-U).
    pub url: bool,
    /// Whether to print the result as an HTML link (-L).
    pub link: bool,
    /// Whether to print the request and the response (-v).
    pub verbose: bool,
    /// Whether to print performance data even without a response (--always-perfdata).
    pub always_perfdata: bool,
}
