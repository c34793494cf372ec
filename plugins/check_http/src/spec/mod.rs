//! What a check has to do, as types that cannot hold an invalid value.

pub mod json_assertion;
pub mod parse;
pub mod proxy;

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

/// Everything about one run.
#[derive(Debug)]
pub struct CheckSpec {
    /// First target.
    pub target: HttpTarget,
    /// Family of addresses, if limited.
    pub family: Option<Family>,
    /// How to use TLS, if the target does.
    pub tls: TlsSpec,
    /// What the request contains.
    pub request: RequestSpec,
    /// What the response must be.
    pub response: ResponseSpec,
    /// How to treat a redirect.
    pub redirect: OnRedirect,
    /// Limit of redirects.
    pub max_redirects: u32,
    /// What to check about certificates (-C).
    pub certificate: Option<CertificateSpec>,
    /// Range of the run time in seconds; outside is WARNING.
    pub warning: Option<Range>,
    /// Range of the run time in seconds; outside is CRITICAL.
    pub critical: Option<Range>,
    /// Limit of the run time; `None`: no limit.
    pub timeout: Option<Duration>,
    /// State after the timeout.
    pub timeout_state: State,
    /// Address to connect from, if not the system's choice.
    pub source: Option<IpAddr>,
    /// Whether to send HAProxy's PROXY line first.
    pub haproxy: bool,
    /// Whether to check every address of the name.
    pub all_addresses: bool,
    /// Cookies, if they are kept.
    pub cookie_jar: Option<CookieJar>,
    /// HTTP proxy (-x).
    pub proxy: Option<Proxy>,
    /// What to print.
    pub output: OutputSpec,
}

/// What the response must be.
#[derive(Debug)]
pub struct ResponseSpec {
    /// Strings of which the status line must contain one, separated by commas (-e).
    pub expect: Option<Vec<u8>>,
    /// Whether redirects are followed before `expect` applies.
    pub expect_after_redirects: bool,
    /// States of status codes; the first rule that matches applies (--status).
    pub status_rules: Vec<StatusRule>,
    /// Text that the header must contain (-d).
    pub header_string: Option<Vec<u8>>,
    /// Pattern that must match the header (--header-regex).
    pub header_pattern: Option<Pattern>,
    /// Texts that the body must contain (-s): the last, or all with --match-all.
    pub strings: Vec<Vec<u8>>,
    /// Patterns for the body (-r, -R): the last, or all with --match-all.
    pub patterns: Vec<Pattern>,
    /// State if the body does not satisfy a pattern.
    pub pattern_state: State,
    /// Whether the patterns must not match.
    pub invert_pattern: bool,
    /// Conditions on a JSON body (--json).
    pub json: Vec<JsonAssertion>,
    /// JSON pointers to numbers for performance data (--json-perfdata).
    pub json_perfdata: Vec<String>,
    /// Limit of the age in seconds (-M).
    pub max_age: Option<u64>,
    /// Limits of the size (-m).
    pub size: SizeLimits,
}

/// The state of a range of status codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRule {
    /// First code.
    pub first: u16,
    /// Last code.
    pub last: u16,
    /// Their state.
    pub state: State,
}

/// Limits of the number of bytes; 0 means no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SizeLimits {
    /// Minimum.
    pub min: u64,
    /// Maximum.
    pub max: u64,
}

/// What to check about certificates.
#[derive(Debug, Clone, Copy)]
pub struct CertificateSpec {
    /// Days until a certificate expires.
    pub days: CertificateDays,
    /// Whether to check the whole chain instead of the server's own certificate.
    pub whole_chain: bool,
    /// Whether to check the response, too.
    pub then_response: bool,
    /// Whether to print the days as performance data.
    pub perfdata: bool,
}

/// Thresholds in days until a certificate expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateDays {
    /// WARNING from this number of days on.
    pub warning: u32,
    /// CRITICAL from this number of days on.
    pub critical: u32,
}

/// What to print besides the result.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub struct OutputSpec {
    /// Performance data of each phase (-E).
    pub extended: bool,
    /// The body (-B).
    pub body: bool,
    /// The result as a link (-L).
    pub link: bool,
    /// The conversation (-v).
    pub verbose: bool,
    /// Performance data without a response, too.
    pub always_perfdata: bool,
}
