//! Runs one check: connects, sends the request, follows redirects and judges the response.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plugin_kit::{Outcome, State};
use rustix::rand::{GetRandomFlags, getrandom};

use super::connect::{CheckContext, OpenConnection};
use crate::checks::certificate::PeerCertificate;
use crate::checks::failure;
use crate::checks::link::linked;
use crate::checks::perfdata::{PhaseTimes, certificate_days};
use crate::checks::response::{ResponseVerdict, judge};
use crate::fault::Fault;
use crate::http::connection::exchange::exchange;
use crate::http::cookies::jar::CookieJar;
use crate::http::digest;
use crate::http::redirect::{self, BadRedirect};
use crate::http::request::{self, HttpRequest, RequestSpec, SiteCredentials};
use crate::http::response::{MAX_DECOMPRESSED, Response, ResponseHead};
use crate::http::target::HttpTarget;
use crate::pattern::body_search::BodySearch;
use crate::spec::CertificateSpec;
use crate::text;

/// Maximum number of addresses that are checked in parallel.
pub(super) const MAX_PARALLEL: usize = 16;

/// Function that replaces this process with check_http_openssl. Its argument is the time spent so
/// far. The function returns only if it fails, and then returns the reason.
pub type OpensslFallback<'a> = dyn Fn(Duration) -> String + 'a;

/// A check in progress, from the first connection to the last response.
pub(super) struct CheckRun<'a> {
    context: CheckContext<'a>,
    /// Results for the certificates checked so far.
    certificates: Vec<(State, String)>,
    /// Number of days until the earliest expiry date among the certificates checked so far.
    days: Option<i64>,
    cookie_jar: Option<CookieJar>,
    /// The text that -v prints.
    log: String,
}

/// A finished check and its result.
pub(super) struct FinishedRun<'a> {
    check: CheckRun<'a>,
    /// Target of the last request.
    target: HttpTarget,
    result: Result<Outcome, Fault>,
    /// How long the check took.
    pub(super) elapsed: Duration,
}

impl FinishedRun<'_> {
    /// Returns the outcome of the check. If the check failed but check_http_openssl may be able to
    /// connect to the peer, executes that program instead.
    pub(super) fn outcome(self, fallback: &OpensslFallback<'_>) -> Outcome {
        let context = self.check.context;
        let outcome = self.result.unwrap_or_else(|fault| {
            let fault = fault.retry_with_openssl(|| fallback(context.deadline.spent()));
            failure::fault(context.spec, &self.target, &fault, self.elapsed)
        });
        self.check.complete(outcome)
    }
}

/// What to do after a request: end the check or follow a redirect.
enum Visit {
    Done(Outcome),
    /// The response is a redirect. Holds its head, and whether it set a new cookie.
    Redirected(ResponseHead, bool),
}

impl<'a> CheckRun<'a> {
    pub(super) fn new(context: CheckContext<'a>) -> CheckRun<'a> {
        let cookie_jar = context.spec.cookie_jar.clone();
        CheckRun { context, certificates: Vec::new(), days: None, cookie_jar, log: String::new() }
    }

    /// Runs the check to completion.
    pub(super) fn run(mut self) -> FinishedRun<'a> {
        let (target, result) = self.follow();
        FinishedRun { target, result, elapsed: self.context.deadline.elapsed(), check: self }
    }

    /// Follows redirects to the final response. Returns the last target and the result.
    fn follow(&mut self) -> (HttpTarget, Result<Outcome, Fault>) {
        let spec = self.context.spec;
        let mut target = spec.target.clone();
        let mut depth = 0;
        loop {
            let (head, new_cookie) = match self.visit(&target) {
                Ok(Visit::Redirected(head, new_cookie)) => (head, new_cookie),
                Ok(Visit::Done(outcome)) => return (target, Ok(outcome)),
                Err(fault) => return (target, Err(fault)),
            };
            target = match redirect::next(&target, &head, spec.redirect, new_cookie) {
                Ok(next) => next,
                Err(why) => return (target, Ok(failure::redirect(spec, &why))),
            };
            self.log(|| format!("Redirection to {}", target.display_url()));
            depth += 1;
            if depth > spec.max_redirects {
                let why = BadRedirect::TooMany(spec.max_redirects, target.display_url());
                return (target, Ok(failure::redirect(spec, &why)));
            }
        }
    }

    /// Requests a page and judges the response. If the server sends a Digest challenge, repeats the
    /// request with the answer to the challenge and judges the second response instead.
    fn visit(&mut self, target: &HttpTarget) -> Result<Visit, Fault> {
        let spec = self.context.spec;
        let connection = self.context.connect(target)?;
        if let Some(agreed) = &connection.agreed {
            self.log(|| format!("TLS: {agreed}"));
        }
        if let Some(certificate) = spec.certificate.filter(|_| target.tls) {
            self.judge_certificate(&connection.chain, certificate);
            if !certificate.then_response {
                let mut stream = connection.stream;
                stream.close();
                return Ok(Visit::Done(self.certificates_only(certificate)));
            }
        }
        let trusted = self.is_trusted(target);
        let first = if trusted { SiteCredentials::First } else { SiteCredentials::Withheld };
        let (mut page, mut new_cookie) = self.fetch(connection, target, first)?;
        if let Some(answer) = self.answer(target, &page.0).filter(|_| trusted) {
            let connection = self.context.connect(target)?;
            let (next, set) = self.fetch(connection, target, SiteCredentials::Answer(&answer))?;
            (page, new_cookie) = (next, new_cookie || set);
        }
        let (response, times) = page;
        Ok(match judge(spec, target, &response, times, self.worst_certificate()) {
            ResponseVerdict::Done(outcome) => Visit::Done(outcome),
            ResponseVerdict::Follow => Visit::Redirected(response.meta.head, new_cookie),
        })
    }

    /// Sends one request. Returns the response, the times so far, and whether it set a new cookie.
    fn fetch(
        &mut self,
        connection: OpenConnection,
        target: &HttpTarget,
        credentials: SiteCredentials<'_>,
    ) -> Result<((Response, PhaseTimes), bool), Fault> {
        let spec = self.context.spec;
        let OpenConnection { stream, times, .. } = connection;
        let jar = self.cookie_jar.as_ref();
        let cookies = jar.map(|jar| jar.header(target, now())).unwrap_or_default();
        if spec.output.verbose {
            let hidden = if cookies.is_empty() { "" } else { "hidden" };
            let shown = match credentials {
                SiteCredentials::Answer(_) => SiteCredentials::Answer(b"Digest hidden"),
                other => other,
            };
            let shown = self.request(&spec.request.without_secrets(), target, shown, hidden);
            self.log(|| text::decode(&shown));
        }
        let request = self.http_request(target, credentials, &cookies);
        let search = BodySearch::new(&spec.response.strings, &spec.response.patterns);
        let response = exchange(stream, &request, search)?;
        self.log_response(&response);
        let new_cookie = self
            .cookie_jar
            .as_mut()
            .is_some_and(|jar| jar.store(&response.meta.head.values("Set-Cookie"), target, now()));
        let times = PhaseTimes { total: self.context.deadline.elapsed(), ..times };
        Ok(((response, times), new_cookie))
    }

    /// Returns the answer to a Digest challenge, if the response contains one that can be answered.
    fn answer(&self, target: &HttpTarget, response: &Response) -> Option<Vec<u8>> {
        let request = &self.context.spec.request;
        let credentials = request.authorization.as_ref()?;
        let head = Some(&response.meta.head).filter(|head| head.code() == Some(401))?;
        let challenge = digest::challenge(&head.values("WWW-Authenticate"), request.auth_scheme)?;
        let mut random = [0; 16];
        // Ignore errors, because authentication also works without randomness. A random nonce only
        // makes attacks by a malicious server harder.
        let _ = getrandom(&mut random, GetRandomFlags::empty());
        let cnonce = text::base64(&random);
        Some(challenge.answer(credentials, request.method(), &target.url, &cnonce))
    }

    fn judge_certificate(&mut self, chain: &[Vec<u8>], spec: CertificateSpec) {
        let now = now();
        match PeerCertificate::parse_chain(chain, spec.whole_chain) {
            Ok(certificate) => {
                let left = certificate.days_left(now);
                self.days = Some(self.days.map_or(left, |least| least.min(left)));
                self.certificates.push(certificate.judge(spec.days, now));
            }
            Err(why) => {
                let line = format!("CRITICAL - Cannot read the server's certificate: {why}");
                self.certificates.push((State::Critical, line));
            }
        }
    }

    fn request(
        &self,
        request: &RequestSpec,
        target: &HttpTarget,
        credentials: SiteCredentials<'_>,
        cookies: &str,
    ) -> Vec<u8> {
        request::build(request, target, self.context.route(target), credentials, cookies)
    }

    fn http_request(
        &self,
        target: &HttpTarget,
        credentials: SiteCredentials<'_>,
        cookies: &str,
    ) -> HttpRequest {
        let spec = self.context.spec;
        let (want, output) = (&spec.response, &spec.output);
        // Divide the memory limit of a single check among the parallel checks.
        let limit = MAX_DECOMPRESSED / self.context.pinned.map_or(1, |_| MAX_PARALLEL);
        let json = !want.json.is_empty() || !want.json_perfdata.is_empty();
        let keep_body = json || output.body || output.body_perfdata || output.verbose;
        let searched = keep_body || !want.strings.is_empty() || !want.patterns.is_empty();
        HttpRequest {
            bytes: self.request(&spec.request, target, credentials, cookies),
            method: spec.request.method().to_vec(),
            head_only: spec.request.no_body,
            keep_body,
            decompress: Some(limit).filter(|_| searched && spec.request.compressed),
        }
    }

    /// Whether credentials may be sent to `target`. They are sent only to the host for which the
    /// user gave them. If the first request uses TLS, the credentials are never sent over plain
    /// HTTP.
    fn is_trusted(&self, target: &HttpTarget) -> bool {
        self.context.is_origin(target) && (target.tls || !self.context.spec.target.tls)
    }

    fn worst_certificate(&self) -> State {
        self.certificates.iter().fold(State::Ok, |worst, (state, _)| worst.worst(*state))
    }

    /// Returns the result of a check that sends no request and judges only the certificates.
    fn certificates_only(&mut self, spec: CertificateSpec) -> Outcome {
        let mut results = std::mem::take(&mut self.certificates).into_iter();
        let (state, mut line) = results.next().unwrap_or((State::Unknown, String::new()));
        if spec.perfdata {
            line.push(' ');
        }
        let outcome = Outcome::new(state, linked(self.context.spec, line));
        results.fold(outcome, |outcome, (state, line)| outcome.line(line).at_least(state))
    }

    /// Adds the certificate results above the outcome and the -v log below the outcome, and saves
    /// the cookie jar.
    fn complete(self, outcome: Outcome) -> Outcome {
        let worst = self.worst_certificate();
        let certificate = self.context.spec.certificate.filter(|spec| spec.perfdata);
        let days = self.days.zip(certificate).map(|(left, spec)| certificate_days(left, spec.days));
        let outcome = days.into_iter().fold(outcome, Outcome::perfdata);
        let lines = self.certificates.into_iter().rev().map(|(_, line)| line);
        let outcome = lines.fold(outcome, Outcome::above).at_least(worst);
        let outcome = if self.log.is_empty() {
            outcome
        } else {
            outcome.long(self.log.strip_suffix('\n').unwrap_or(&self.log))
        };
        match self.cookie_jar.map_or(Ok(()), |jar| jar.save(now())) {
            Ok(()) => outcome,
            Err(why) => outcome
                .at_least(State::Unknown)
                .long(format!("the cookie jar cannot be written: {}", text::io_error(&why))),
        }
    }

    /// Adds an entry to the -v log.
    fn log(&mut self, entry: impl FnOnce() -> String) {
        if self.context.spec.output.verbose {
            let text = entry();
            self.log.push_str(text.strip_suffix('\n').unwrap_or(&text));
            self.log.push('\n');
        }
    }

    fn log_response(&mut self, response: &Response) {
        self.log(|| {
            let head = &response.meta.head;
            let [status, header, body] =
                [&head.status_line, &head.header, &response.body].map(|part| text::decode(part));
            format!("STATUS: {status}\n**** HEADER ****\n{header}\n**** CONTENT ****\n{body}")
        });
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
