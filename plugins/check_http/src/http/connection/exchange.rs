//! One request and its page: ureq is the client, over a transport of ours.
//!
//! Users search the status line, the header block and the byte count as they came, and have
//! requests sent as they were always sent. So the transport writes our request, keeps the raw head
//! and the raw count, takes the body out of its framing (more tolerantly than ureq would) and hands
//! ureq a head it cannot mistake.

use std::fmt;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, NextTimeout};

use super::transport::{Line, Seen};
use crate::fault::Fault;
use crate::http::decompression::{Damaged, inflate};
use crate::http::response::{Head, blank_nuls};
use crate::net::socket::Stream;
use crate::pattern::body_search::{Found, Search};

/// What is asked over a connection.
#[derive(Debug)]
pub struct Question {
    /// The request, all of it.
    pub bytes: Vec<u8>,
    /// Its method: HEAD has no body.
    pub method: Vec<u8>,
    /// Stop behind the head (-N).
    pub head_only: bool,
    /// Whether the body is kept, or only searched and counted.
    pub keep_body: bool,
    /// Whether it is taken out of its compression, and how much of it then at most.
    pub inflated: Option<usize>,
}

/// What came.
#[derive(Debug, Default, Clone)]
pub struct Page {
    /// Status line and header block.
    pub head: Head,
    /// The body, out of its chunks, where it is kept; no more than [`MAX_KEPT`] of it, or of an
    /// inflated one its limit.
    pub body: Vec<u8>,
    /// What was found in the body.
    pub found: Found,
    /// Only so much of the body, which was compressed, was searched.
    pub searched: Option<usize>,
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

/// As much of a body is kept to be shown or read as JSON, and a byte more, which tells that there
/// is more.
pub const MAX_KEPT: usize = (1 << 20) + 1;
/// As much of a compressed body is kept, and as much of what is in it.
pub const MAX_INFLATED: usize = 16 << 20;
/// Read at once, first. Most answers are small, and touching a page of memory costs as much as a
/// read.
pub const PIECE: usize = 4 << 10;
/// Read at once when the first piece was full.
pub const LARGE_PIECE: usize = 32 << 10;

/// Sends the question and reads the answer, in which is searched while it comes.
pub fn ask(
    stream: Box<dyn Stream>,
    question: Question,
    mut search: Search<'_>,
) -> Result<Page, Fault> {
    let (keep_body, inflated) = (question.keep_body, question.inflated);
    let seen = Arc::new(Mutex::new(Seen::default()));
    let line = Line::new(stream, question, Arc::clone(&seen));
    let mut page = Page::default();
    let mut at_the_start = true;
    let result = run(line, |piece| {
        let mut piece = piece;
        if at_the_start && !seen.lock().unwrap_or_else(PoisonError::into_inner).chunked {
            piece = without_newlines_in_front(piece);
            at_the_start = piece.is_empty();
        }
        match inflated {
            Some(limit) => {
                page.searched = Some(limit).filter(|limit| page.body.len() + piece.len() > *limit);
                page.keep(piece, limit);
            }
            None => {
                blank_nuls(piece);
                search.feed(piece);
                if keep_body {
                    page.keep(piece, MAX_KEPT);
                }
            }
        }
    });
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(fault) = seen.fault.take() {
        return Err(fault);
    }
    result.map_err(|why| Fault::Receive(why.to_string()))?;
    page.head = std::mem::take(&mut seen.head);
    page.received = seen.received;
    page.end = seen.end;
    page.first_byte = seen.first_byte;
    page.sending = seen.sending;
    page.transfer = seen.last_byte;
    if let Some(limit) = inflated {
        match inflate(&page.head, &page.body, limit) {
            Ok(None) => {}
            Ok(Some(plain)) => {
                page.searched = plain.cut.then_some(limit).or(page.searched);
                page.body = plain.body;
            }
            Err(Damaged) => page.damaged = page.end == End::Complete,
        }
        blank_nuls(&mut page.body);
        search.feed(&page.body);
    }
    page.found = search.end();
    Ok(page)
}

/// Blank lines in front of a body are no part of what is searched and shown, and never were; `-l -r
/// '^<'` relies on it.
fn without_newlines_in_front(piece: &mut [u8]) -> &mut [u8] {
    let newlines = piece.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    piece.get_mut(newlines..).unwrap_or_default()
}

impl Page {
    fn keep(&mut self, piece: &[u8], limit: usize) {
        let room = limit.saturating_sub(self.body.len());
        self.body.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }
}

/// Has ureq ask, and takes the body piece by piece.
fn run(line: Line, mut take: impl FnMut(&mut [u8])) -> Result<(), ureq::Error> {
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .max_idle_connections(0)
        .build();
    let agent = Agent::with_parts(config, Ready(Mutex::new(Some(line))), Nowhere);
    // Where it goes and what it asks for is settled: the transport sends our own bytes.
    let response = agent.get("http://peer/").call()?;
    let mut body = response.into_body().into_reader();
    let mut piece = vec![0; PIECE];
    loop {
        let count = body.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        take(piece.get_mut(..count).unwrap_or_default());
        if count == piece.len() {
            piece.resize(LARGE_PIECE, 0);
        }
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

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Line>, ureq::Error> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).take())
    }
}

/// The resolver: there is nothing to look up.
#[derive(Debug)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(
        &self,
        _: &ureq::http::Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}
