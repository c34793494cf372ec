//! The look at a server: connect, shake hands, ask, follow redirects, and judge what came.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plugin_kit::{Outcome, State};

use crate::cert::Certificate;
use crate::client::{self, Page, Question};
use crate::clock::Clock;
use crate::fault::Fault;
use crate::judge::{self, Times, Verdict};
use crate::place::Place;
use crate::request::Reader;
use crate::response::Head;
use crate::tls::Handshake;
use crate::wire::{Socket, Stream};
use crate::wish::{OnRedirect, Proxy, Wish};
use crate::{redirect, request, resolve, text, tunnel};

/// Another program's try at a peer this one's TLS does not get along with. It comes back only with the reason why there
/// is none.
pub type HandOver<'a> = dyn Fn(Duration) -> String + 'a;

/// Looks and judges.
pub fn look(wish: &Wish, clock: &Clock, handshake: Handshake, hand_over: &HandOver<'_>) -> Outcome {
    let mut looker = Looker { wish, clock, handshake, certificates: Vec::new(), tale: String::new() };
    let (place, result) = looker.follow();
    let outcome = match result {
        Ok(outcome) => outcome,
        Err(fault) => {
            let fault = fault.openssl_missing(|| hand_over(clock.elapsed()));
            judge::fault(wish, &place, &fault, clock.elapsed())
        }
    };
    looker.complete(outcome)
}

struct Looker<'a> {
    wish: &'a Wish,
    clock: &'a Clock,
    handshake: Handshake,
    /// What was found of the certificates on the way.
    certificates: Vec<(State, String)>,
    /// What -v tells.
    tale: String,
}

/// An open connection.
struct Opened {
    stream: Box<dyn Stream>,
    chain: Vec<Vec<u8>>,
    times: Times,
}

/// One step on the way to the answer.
enum Step {
    Done(Outcome),
    Redirected(Head),
}

impl Looker<'_> {
    /// Asks place after place until one has the answer. Tells which was the last.
    fn follow(&mut self) -> (Place, Result<Outcome, Fault>) {
        let mut place = self.wish.place.clone();
        let mut depth = 0;
        loop {
            let head = match self.visit(&place) {
                Ok(Step::Redirected(head)) => head,
                Ok(Step::Done(outcome)) => return (place, Ok(outcome)),
                Err(fault) => return (place, Err(fault)),
            };
            place = match redirect::next(&place, &head, self.wish.redirect) {
                Ok(next) => next,
                Err(nowhere) => {
                    let outcome = judge::nowhere(self.wish, &place, &nowhere);
                    return (place, Ok(outcome));
                }
            };
            self.tell(|| format!("Redirection to {}", place.shown()));
            depth += 1;
            if depth > self.wish.max_redirects {
                let outcome = judge::too_deep(self.wish, &place);
                return (place, Ok(outcome));
            }
        }
    }

    fn visit(&mut self, place: &Place) -> Result<Step, Fault> {
        let opened = self.open(place)?;
        if let Some(days) = self.wish.certificate.filter(|_| place.tls) {
            let verdict = Certificate::read_of(&opened.chain, self.wish.certificate_chain).map_or_else(
                |why| (State::Critical, format!("CRITICAL - Cannot read the server's certificate: {why}")),
                |certificate| certificate.judge(days, now()),
            );
            self.certificates.push(verdict);
            if !self.wish.continue_after_certificate {
                let mut stream = opened.stream;
                stream.close();
                return Ok(Step::Done(self.certificates_alone()));
            }
        }
        let question = self.question(place);
        let shown = request::bytes(&self.wish.request.without_secrets(), place, self.reader(place), self.is_trusted(place));
        self.tell(|| text::of(&shown));
        let page = client::ask(opened.stream, question)?;
        self.tell_page(&page);
        let times = Times { total: self.clock.elapsed(), ..opened.times };
        Ok(match judge::page(self.wish, place, &page, times, self.worst_certificate()) {
            Verdict::Done(outcome) => Step::Done(outcome),
            Verdict::Follow => Step::Redirected(page.head),
        })
    }

    fn open(&mut self, place: &Place) -> Result<Opened, Fault> {
        let start = self.clock.elapsed();
        let mut socket = match place.socket_path() {
            Some(path) => Socket::to_path(path, self.clock)?,
            None => {
                let (name, port) = match self.proxy(place) {
                    Some(proxy) => (&proxy.address, proxy.port),
                    None => (&place.address, place.port),
                };
                let addresses = resolve::addresses(name, port, self.wish.family, self.clock)?;
                Socket::to_any(&addresses, self.wish.source, self.clock).map_err(|fault| match (fault, self.proxy(place)) {
                    (Fault::Connect(why), Some(_)) => Fault::Connect(format!("{why} (at the proxy {name}:{port})")),
                    (fault, _) => fault,
                })?
            }
        };
        let connected = self.clock.elapsed();
        let mut times = Times { connect: connected.saturating_sub(start), ..Times::default() };
        if self.wish.haproxy {
            socket.write_all(socket.haproxy_line().as_bytes()).map_err(|why| Fault::Connect(text::plain(&why)))?;
        }
        if self.reader(place) == Reader::SiteBehindTunnel {
            tunnel::open(&mut socket, &self.wish.request, place)?;
        }
        if !place.tls {
            return Ok(Opened { stream: Box::new(socket), chain: Vec::new(), times });
        }
        let name = Some(Place::without_brackets(place.name())).filter(|_| self.wish.tls.sni && place.host.is_some());
        let name = name.or(Some(place.address.as_str()).filter(|_| self.wish.tls.authorities.is_some()));
        let secured = (self.handshake)(socket, &self.wish.tls, name)?;
        times.tls = Some(self.clock.elapsed().saturating_sub(connected));
        self.tell(|| format!("TLS: {}", secured.agreed));
        Ok(Opened { stream: secured.stream, chain: secured.chain, times })
    }

    /// The proxy on the way to a place.
    fn proxy(&self, place: &Place) -> Option<&Proxy> {
        self.wish.proxy.as_ref().filter(|proxy| !place.tunnel && !proxy.spares(place.name()))
    }

    fn reader(&self, place: &Place) -> Reader {
        match self.proxy(place) {
            Some(_) if place.tls => Reader::SiteBehindTunnel,
            Some(_) => Reader::Proxy,
            None if place.tunnel => Reader::SiteBehindTunnel,
            None => Reader::Site,
        }
    }

    fn question(&self, place: &Place) -> Question {
        let want = &self.wish.page;
        let show = &self.wish.show;
        let json = !want.json.is_empty() || !want.json_perfdata.is_empty();
        let looked_at = json || !want.strings.is_empty() || !want.patterns.is_empty() || show.body || show.verbose;
        Question {
            bytes: request::bytes(&self.wish.request, place, self.reader(place), self.is_trusted(place)),
            method: request::method(&self.wish.request).to_vec(),
            head_only: self.wish.request.no_body,
            keep_body: looked_at,
            inflated: looked_at && self.wish.request.compressed,
        }
    }

    /// Credentials go where the user sent them, not where a server sends us: not to another host, not from TLS to plain text.
    fn is_trusted(&self, place: &Place) -> bool {
        let origin = &self.wish.place;
        let pinned = matches!(self.wish.redirect, OnRedirect::Sticky | OnRedirect::StickyPort);
        let same = place.name().eq_ignore_ascii_case(origin.name()) || (pinned && place.address == origin.address);
        same && (place.tls || !origin.tls)
    }

    fn worst_certificate(&self) -> State {
        self.certificates.iter().fold(State::Ok, |worst, (state, _)| worst.worst(*state))
    }

    fn certificates_alone(&mut self) -> Outcome {
        let mut verdicts = std::mem::take(&mut self.certificates).into_iter();
        let (state, line) = verdicts.next().unwrap_or((State::Unknown, String::new()));
        verdicts.fold(Outcome::new(state, line), |outcome, (state, line)| outcome.line(line).at_least(state))
    }

    /// The verdict with those on the certificates above it, and the tale of -v below.
    fn complete(self, outcome: Outcome) -> Outcome {
        let worst = self.worst_certificate();
        let above = self.certificates.into_iter().rev().fold(outcome, |outcome, (_, line)| outcome.above(line));
        let outcome = above.at_least(worst);
        if self.tale.is_empty() { outcome } else { outcome.long(self.tale.trim_end()) }
    }

    fn tell(&mut self, what: impl FnOnce() -> String) {
        if self.wish.show.verbose {
            self.tale.push_str(what().trim_end());
            self.tale.push('\n');
        }
    }

    fn tell_page(&mut self, page: &Page) {
        self.tell(|| {
            let [status, header, body] = [&page.head.status_line, &page.head.header, &page.body].map(|part| text::of(part));
            format!("STATUS: {status}\n**** HEADER ****\n{header}\n**** CONTENT ****\n{body}")
        });
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
