//! The look at a server: connect, shake hands, ask, follow redirects, and judge what came.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plugin_kit::{Outcome, State};

use super::all_addresses;
use crate::checks::certificate::Certificate;
use crate::checks::failure;
use crate::checks::response as judge;
use crate::checks::response::{Times, Verdict};
use crate::deadline::Clock;
use crate::fault::Fault;
use crate::http::connection::exchange as client;
use crate::http::connection::exchange::{Page, Question};
use crate::http::cookies::jar::Jar;
use crate::http::redirect;
use crate::http::request;
use crate::http::response::Head;
use crate::http::target::Place;
use crate::net::tls::Handshake;
use crate::pattern::body_search::Search;
use crate::spec::{Days, OnRedirect, Request, Wish};
use crate::text;

/// Another program's try at a peer this one's TLS does not get along with. It comes back only with
/// the reason why there is none.
pub type HandOver<'a> = dyn Fn(Duration) -> String + 'a;

/// What every look has in common.
#[derive(Clone, Copy)]
pub struct How<'a> {
    /// What is wished.
    pub wish: &'a Wish,
    /// The time there is.
    pub clock: &'a Clock,
    /// The TLS to speak.
    pub handshake: Handshake,
}

/// Looks and judges.
pub fn look(how: How<'_>, hand_over: &HandOver<'_>) -> Outcome {
    if how.wish.all_addresses
        && let Some(outcome) = all_addresses::look(how, hand_over)
    {
        return outcome;
    }
    Looker::new(how, None).go().verdict(hand_over)
}

/// One look, from the first connection to the last answer.
pub(super) struct Looker<'a> {
    pub(super) wish: &'a Wish,
    pub(super) clock: &'a Clock,
    pub(super) handshake: Handshake,
    /// The one address that stands for a name.
    pub(super) pinned: Option<(String, IpAddr)>,
    /// What was found of the certificates on the way.
    pub(super) certificates: Vec<(State, String)>,
    /// The days of the one that ends first.
    pub(super) days: Option<i64>,
    pub(super) jar: Option<Jar>,
    /// What -v tells.
    pub(super) tale: String,
}

/// What a look came to.
pub(super) struct Looked<'a> {
    looker: Looker<'a>,
    /// Where it ended.
    place: Place,
    result: Result<Outcome, Fault>,
    pub(super) elapsed: Duration,
}

impl Looked<'_> {
    /// The verdict; of another program, where that may get on better with the peer.
    pub(super) fn verdict(self, hand_over: &HandOver<'_>) -> Outcome {
        let outcome = self.result.unwrap_or_else(|fault| {
            let fault = fault.openssl_missing(|| hand_over(self.looker.clock.spent()));
            failure::fault(self.looker.wish, &self.place, &fault, self.elapsed)
        });
        self.looker.complete(outcome)
    }
}

/// One step on the way to the answer.
enum Step {
    Done(Outcome),
    /// To where the head says; whether a cookie came with it.
    Redirected(Head, bool),
}

impl<'a> Looker<'a> {
    pub(super) fn new(how: How<'a>, pinned: Option<(String, IpAddr)>) -> Looker<'a> {
        let How { wish, clock, handshake } = how;
        let jar = wish.jar.clone();
        Looker {
            wish,
            clock,
            handshake,
            pinned,
            certificates: Vec::new(),
            days: None,
            jar,
            tale: String::new(),
        }
    }

    pub(super) fn go(mut self) -> Looked<'a> {
        let (place, result) = self.follow();
        Looked { place, result, elapsed: self.clock.elapsed(), looker: self }
    }

    /// Asks place after place until one has the answer. Tells which was the last.
    fn follow(&mut self) -> (Place, Result<Outcome, Fault>) {
        let mut place = self.wish.place.clone();
        let mut depth = 0;
        loop {
            let (head, news) = match self.visit(&place) {
                Ok(Step::Redirected(head, news)) => (head, news),
                Ok(Step::Done(outcome)) => return (place, Ok(outcome)),
                Err(fault) => return (place, Err(fault)),
            };
            place = match redirect::next(&place, &head, self.wish.redirect, news) {
                Ok(next) => next,
                Err(nowhere) => {
                    let outcome = failure::nowhere(self.wish, &nowhere);
                    return (place, Ok(outcome));
                }
            };
            self.tell(|| format!("Redirection to {}", place.shown()));
            depth += 1;
            if depth > self.wish.max_redirects {
                let outcome = failure::too_deep(self.wish, &place);
                return (place, Ok(outcome));
            }
        }
    }

    fn visit(&mut self, place: &Place) -> Result<Step, Fault> {
        let opened = self.open(place)?;
        if let Some(days) = self.wish.certificate.filter(|_| place.tls) {
            self.judge_certificate(&opened.chain, days);
            if !self.wish.continue_after_certificate {
                let mut stream = opened.stream;
                stream.close();
                return Ok(Step::Done(self.certificates_alone()));
            }
        }
        let cookies = self.jar.as_ref().map(|jar| jar.header(place, now())).unwrap_or_default();
        let shown = self.request(
            &self.wish.request.without_secrets(),
            place,
            if cookies.is_empty() { "" } else { "hidden" },
        );
        self.tell(|| text::of(&shown));
        let question = self.question(place, &cookies);
        let search = Search::new(&self.wish.page.strings, &self.wish.page.patterns);
        let page = client::ask(opened.stream, question, search)?;
        self.tell_page(&page);
        let news = self
            .jar
            .as_mut()
            .is_some_and(|jar| jar.take(&page.head.values("Set-Cookie"), place, now()));
        let times = Times { total: self.clock.elapsed(), ..opened.times };
        Ok(match judge::page(self.wish, place, &page, times, self.worst_certificate()) {
            Verdict::Done(outcome) => Step::Done(outcome),
            Verdict::Follow => Step::Redirected(page.head, news),
        })
    }

    fn judge_certificate(&mut self, chain: &[Vec<u8>], days: Days) {
        let now = now();
        match Certificate::read_of(chain, self.wish.certificate_chain) {
            Ok(certificate) => {
                let left = certificate.days_left(now);
                self.days = Some(self.days.map_or(left, |least| least.min(left)));
                self.certificates.push(certificate.judge(days, now));
            }
            Err(why) => {
                let line = format!("CRITICAL - Cannot read the server's certificate: {why}");
                self.certificates.push((State::Critical, line));
            }
        }
    }

    fn request(&self, request: &Request, place: &Place, cookies: &str) -> Vec<u8> {
        request::bytes(request, place, self.reader(place), self.is_trusted(place), cookies)
    }

    fn question(&self, place: &Place, cookies: &str) -> Question {
        let want = &self.wish.page;
        let show = &self.wish.show;
        // Looks that run side by side share the memory of one.
        let limit =
            client::MAX_INFLATED / if self.pinned.is_some() { all_addresses::AT_A_TIME } else { 1 };
        let json = !want.json.is_empty() || !want.json_perfdata.is_empty();
        let keep_body = json || show.body || show.verbose;
        let looked_at = keep_body || !want.strings.is_empty() || !want.patterns.is_empty();
        Question {
            bytes: self.request(&self.wish.request, place, cookies),
            method: request::method(&self.wish.request).to_vec(),
            head_only: self.wish.request.no_body,
            keep_body,
            inflated: Some(limit).filter(|_| looked_at && self.wish.request.compressed),
        }
    }

    /// Credentials go where the user sent them, not where a server sends us: not to another host,
    /// not from TLS to plain text.
    fn is_trusted(&self, place: &Place) -> bool {
        let origin = &self.wish.place;
        let pinned = matches!(self.wish.redirect, OnRedirect::Sticky | OnRedirect::StickyPort);
        let same = place.name().eq_ignore_ascii_case(origin.name())
            || (pinned && place.address == origin.address);
        same && (place.tls || !origin.tls)
    }

    fn worst_certificate(&self) -> State {
        self.certificates.iter().fold(State::Ok, |worst, (state, _)| worst.worst(*state))
    }

    fn certificates_alone(&mut self) -> Outcome {
        let mut verdicts = std::mem::take(&mut self.certificates).into_iter();
        let (state, mut line) = verdicts.next().unwrap_or((State::Unknown, String::new()));
        if self.wish.certificate_perfdata {
            line.push(' ');
        }
        verdicts
            .fold(Outcome::new(state, judge::linked(self.wish, line)), |outcome, (state, line)| {
                outcome.line(line).at_least(state)
            })
    }

    /// The verdict with those on the certificates above it, and the tale of -v below.
    fn complete(self, outcome: Outcome) -> Outcome {
        let worst = self.worst_certificate();
        let days = self.days.zip(self.wish.certificate).filter(|_| self.wish.certificate_perfdata);
        let outcome = days
            .into_iter()
            .fold(outcome, |outcome, (left, days)| outcome.perfdata(judge::days(left, days)));
        let above = self
            .certificates
            .into_iter()
            .rev()
            .fold(outcome, |outcome, (_, line)| outcome.above(line));
        let outcome = above.at_least(worst);
        let outcome = if self.tale.is_empty() {
            outcome
        } else {
            outcome.long(self.tale.strip_suffix('\n').unwrap_or(&self.tale))
        };
        match self.jar.map_or(Ok(()), |jar| jar.save(now())) {
            Ok(()) => outcome,
            Err(why) => outcome
                .at_least(State::Unknown)
                .long(format!("the cookie jar cannot be written: {}", text::plain(&why))),
        }
    }

    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.wish.show.verbose {
            let text = what();
            self.tale.push_str(text.strip_suffix('\n').unwrap_or(&text));
            self.tale.push('\n');
        }
    }

    fn tell_page(&mut self, page: &Page) {
        self.tell(|| {
            let [status, header, body] =
                [&page.head.status_line, &page.head.header, &page.body].map(|part| text::of(part));
            format!("STATUS: {status}\n**** HEADER ****\n{header}\n**** CONTENT ****\n{body}")
        });
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
