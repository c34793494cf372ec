//! One request and its page: ureq is the client, over a transport of ours.
//!
//! Users search the status line, the header block and the byte count as they came, and have requests sent as they were
//! always sent. So the transport writes our request, keeps the raw head and the raw count, takes the body out of its
//! framing (more tolerantly than ureq would) and hands ureq a head it cannot mistake.

use std::fmt;
use std::io::{ErrorKind, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};

use crate::fault::Fault;
use crate::inflate;
use crate::response::{self, Framing, Head, head_end};
use crate::wire::Stream;

/// What is asked over a connection.
#[derive(Debug)]
pub struct Question {
    /// The request, all of it.
    pub bytes: Vec<u8>,
    /// Its method: HEAD has no body.
    pub method: Vec<u8>,
    /// Stop behind the head (-N).
    pub head_only: bool,
    /// Whether the body is looked at, or only counted.
    pub keep_body: bool,
    /// Whether it is taken out of its compression.
    pub inflated: bool,
}

/// What came.
#[derive(Debug, Default, Clone)]
pub struct Page {
    /// Status line and header block.
    pub head: Head,
    /// The body, out of its chunks; no more than [`MAX_BODY`] of it.
    pub body: Vec<u8>,
    /// More came than is kept.
    pub body_cut: bool,
    /// It was compressed, and cannot be read.
    pub damaged: bool,
    /// Every byte that came, framing included.
    pub received: u64,
    /// How it ended.
    pub end: End,
    /// From the request being sent to the first byte.
    pub first_byte: Duration,
    /// From the request being sent to the last byte.
    pub transfer: Duration,
    /// How long sending took.
    pub sending: Duration,
}

/// How a page ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As it should.
    #[default]
    Complete,
    /// So many bytes of the announced length never came.
    Short(u64),
    /// In the middle of its chunks, or they make no sense.
    BadChunks,
}

/// As much of a body is kept and searched; what comes behind it is counted.
pub const MAX_BODY: usize = 16 << 20;
/// No server needs a larger head.
const MAX_HEAD: usize = 1 << 20;
/// Nor more interim answers.
const MAX_INTERIM: u32 = 100;
/// Read at once, first. Most answers are small, and touching a page of memory costs as much as a read.
const PIECE: usize = 4 << 10;
/// Read at once when the first piece was full.
const LARGE_PIECE: usize = 64 << 10;

/// Sends the question and reads the answer.
pub fn ask(stream: Box<dyn Stream>, question: Question) -> Result<Page, Fault> {
    let (keep_body, inflated) = (question.keep_body, question.inflated);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let line = Line::new(stream, question, Arc::clone(&seen));
    let page = run(line, keep_body);
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(fault) = seen.fault.take() {
        return Err(fault);
    }
    let mut page = page.map_err(|why| Fault::Receive(why.to_string()))?;
    page.head = std::mem::take(&mut seen.head);
    page.received = seen.received;
    page.end = seen.end;
    page.first_byte = seen.first_byte;
    page.sending = seen.sending;
    page.transfer = seen.last_byte;
    if inflated {
        page.damaged = inflate::inflate(&mut page).is_err() && page.end == End::Complete;
    }
    response::blank_nuls(&mut page.body);
    Ok(page)
}

fn run(line: Line, keep_body: bool) -> Result<Page, ureq::Error> {
    let config = Config::builder().http_status_as_error(false).max_redirects(0).proxy(None).max_idle_connections(0).build();
    let agent = Agent::with_parts(config, Ready(Mutex::new(Some(line))), Nowhere);
    // Where it goes and what it asks for is settled: the transport sends our own bytes.
    let response = agent.get("http://peer/").call()?;
    let mut body = response.into_body().into_reader();
    let mut page = Page::default();
    let mut piece = vec![0; PIECE];
    loop {
        let count = body.read(&mut piece)?;
        if count == 0 {
            return Ok(page);
        }
        if keep_body {
            let room = MAX_BODY.saturating_sub(page.body.len());
            page.body_cut |= count > room;
            page.body.extend_from_slice(piece.get(..count.min(room)).unwrap_or_default());
        }
    }
}

/// Whether `bytes` can be how an answer begins.
fn may_be_head(bytes: &[u8]) -> bool {
    bytes.iter().zip(b"HTTP/").all(|(byte, expected)| byte == expected)
}

/// What the transport saw below ureq.
#[derive(Debug, Default)]
struct Seen {
    head: Head,
    received: u64,
    end: End,
    sending: Duration,
    first_byte: Duration,
    last_byte: Duration,
    fault: Option<Fault>,
}

/// The transport: an open connection, and how far the answer on it has come.
struct Line {
    stream: Box<dyn Stream>,
    question: Question,
    seen: Arc<Mutex<Seen>>,
    buffers: LazyBuffers,
    /// What was read and is no body yet.
    raw: Vec<u8>,
    /// The head as it comes.
    head: Vec<u8>,
    interim: u32,
    framing: Option<Framing>,
    /// What is ready for ureq, and how much of it it has taken.
    ready: Vec<u8>,
    taken: usize,
    ended: bool,
    asked: Option<Instant>,
}

impl Line {
    fn new(stream: Box<dyn Stream>, question: Question, seen: Arc<Mutex<Seen>>) -> Line {
        Line {
            stream,
            question,
            seen,
            buffers: LazyBuffers::new(PIECE, 1 << 10),
            raw: vec![0; PIECE],
            head: Vec::new(),
            interim: 0,
            framing: None,
            ready: Vec::new(),
            taken: 0,
            ended: false,
            asked: None,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until there is something for ureq, or nothing more will come.
    fn advance(&mut self) -> Result<(), Fault> {
        while self.taken == self.ready.len() && !self.ended {
            self.ready.clear();
            self.taken = 0;
            let count = self.receive()?;
            let raw = std::mem::take(&mut self.raw);
            let bytes = raw.get(..count).unwrap_or_default();
            match self.framing {
                None => self.take_head(bytes)?,
                Some(_) => self.take_body(bytes),
            }
            self.raw = raw;
            if count == PIECE {
                self.raw.resize(LARGE_PIECE, 0);
            }
        }
        Ok(())
    }

    /// Bytes from the peer; none at the end.
    fn receive(&mut self) -> Result<usize, Fault> {
        let result = self.stream.read(&mut self.raw);
        let since = self.asked.map(|asked| asked.elapsed()).unwrap_or_default();
        let mut seen = self.seen();
        if seen.received == 0 {
            seen.first_byte = since;
        }
        seen.last_byte = since;
        match result {
            Ok(0) if seen.received == 0 => Err(Fault::NoData),
            Ok(count) => {
                seen.received += count as u64;
                Ok(count)
            }
            Err(why) if why.kind() == ErrorKind::TimedOut => Err(Fault::Timeout),
            // A connection that breaks behind the answer is its end; whether that was complete, the framing knows.
            Err(_) if seen.received > 0 => Ok(0),
            Err(why) if matches!(why.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => Err(Fault::NoData),
            // A peer that refuses us after the handshake, as TLS 1.3 does for want of a client certificate.
            Err(why) if matches!(why.kind(), ErrorKind::InvalidData | ErrorKind::Other) => Err(Fault::NoData),
            Err(why) => Err(Fault::Receive(crate::text::plain(&why))),
        }
    }

    fn take_head(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut known = self.head.len();
        self.head.extend_from_slice(bytes);
        self.ended = bytes.is_empty();
        if self.interim > 0 && !may_be_head(&self.head) {
            // Something else follows the interim answer, so that one was the answer: wherever the network cut it.
            let rest = std::mem::take(&mut self.head);
            let head = self.seen().head.clone();
            self.begin_body(head, &rest);
            return Ok(());
        }
        loop {
            let end = match head_end(&self.head, known) {
                Some(end) => end,
                None if self.ended => self.head.len(),
                None if self.head.len() > MAX_HEAD => return Err(Fault::Endless("Header of the response is larger than 1 MiB")),
                None => return Ok(()),
            };
            let rest = self.head.split_off(end);
            let head = Head::new(&self.head);
            if !head.is_interim() || self.ended || !may_be_head(&rest) {
                self.begin_body(head, &rest);
                return Ok(());
            }
            // The answer proper follows; should the peer close instead, or say something else, this one was it.
            self.seen().head = head;
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(Fault::Endless("More than 100 interim answers (1xx) came before the answer"));
            }
            self.head = rest;
            known = 0;
        }
    }

    fn begin_body(&mut self, head: Head, rest: &[u8]) {
        self.framing = Some(head.framing(&self.question.method));
        let mut seen = self.seen();
        if !seen.head.is_interim() || may_be_head(&head.status_line) && !head.status_line.is_empty() {
            seen.head = head;
        }
        drop(seen);
        self.ready.extend_from_slice(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        if self.question.head_only {
            self.ended = true;
        } else if !self.ended {
            self.take_body_bytes(rest);
        }
    }

    fn take_body(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.ended = true;
            let end = match &self.framing {
                Some(framing) if framing.may_end() => End::Complete,
                Some(Framing::Length(left)) => End::Short(*left),
                _ => End::BadChunks,
            };
            self.seen().end = end;
        } else {
            self.take_body_bytes(bytes);
        }
    }

    fn take_body_bytes(&mut self, bytes: &[u8]) {
        let Some(framing) = &mut self.framing else { return };
        let taken = framing.take(bytes, &mut self.ready);
        let done = framing.is_done();
        if taken.is_err() {
            self.seen().end = End::BadChunks;
        }
        self.ended = done || taken.is_err();
    }
}

impl Transport for Line {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        if self.asked.is_some() {
            return Ok(());
        }
        let start = Instant::now();
        // A peer may answer and close before it has read everything: what it said tells more than this error.
        match self.stream.write_all(&self.question.bytes).and_then(|()| self.stream.flush()) {
            Err(why) if why.kind() == ErrorKind::TimedOut => {
                self.seen().fault = Some(Fault::Timeout);
                return Err(why.into());
            }
            _ => {}
        }
        self.seen().sending = start.elapsed();
        self.asked = Some(Instant::now());
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        if let Err(fault) = self.advance() {
            self.seen().fault = Some(fault);
            // ureq wants an error; ours, the real one, is noted already.
            return Err(ureq::Error::Io(ErrorKind::Other.into()));
        }
        let space = self.buffers.input_append_buf();
        let ready = self.ready.get(self.taken..).unwrap_or_default();
        let count = space.len().min(ready.len());
        if let (Some(to), Some(from)) = (space.get_mut(..count), ready.get(..count)) {
            to.copy_from_slice(from);
        }
        self.taken += count;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        false
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.stream.close();
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// The connector: the connection is open already.
struct Ready(Mutex<Option<Line>>);

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ready")
    }
}

impl Connector<()> for Ready {
    type Out = Line;

    fn connect(&self, _: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Line>, ureq::Error> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).take())
    }
}

/// The resolver: there is nothing to look up.
#[derive(Debug)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(&self, _: &ureq::http::Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}
