//! The transport below ureq: an open connection, the request as we send it, the answer as it came.

use std::fmt;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use super::buffers::Inbox;
use super::exchange::{End, LARGE_PIECE, PIECE, Question};
use crate::fault::Fault;
use crate::http::framing::Framing;
use crate::http::response::{Head, head_end};
use crate::net::socket::Stream;

/// No server needs a larger head.
const MAX_HEAD: usize = 1 << 20;
/// Nor more interim answers.
const MAX_INTERIM: u32 = 100;

/// Whether `bytes` can be how an answer begins.
fn may_be_head(bytes: &[u8]) -> bool {
    bytes.iter().zip(b"HTTP/").all(|(byte, expected)| byte == expected)
}

/// What the transport saw below ureq.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub head: Head,
    pub received: u64,
    pub end: End,
    pub chunked: bool,
    pub sending: Duration,
    pub first_byte: Duration,
    pub last_byte: Duration,
    pub fault: Option<Fault>,
}

/// The transport: an open connection, and how far the answer on it has come.
pub(super) struct Line {
    stream: Box<dyn Stream>,
    question: Question,
    seen: Arc<Mutex<Seen>>,
    inbox: Inbox,
    /// What was read and is not for ureq as it is: heads and chunks.
    raw: Vec<u8>,
    /// The head as it comes.
    head: Vec<u8>,
    interim: u32,
    framing: Option<Framing>,
    /// Read at once.
    piece: usize,
    ended: bool,
    asked: Option<Instant>,
}

impl Line {
    pub(super) fn new(stream: Box<dyn Stream>, question: Question, seen: Arc<Mutex<Seen>>) -> Line {
        Line {
            stream,
            question,
            seen,
            inbox: Inbox::new(),
            raw: vec![0; PIECE],
            head: Vec::new(),
            interim: 0,
            framing: None,
            piece: PIECE,
            ended: false,
            asked: None,
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until there is something for ureq, or nothing more will come. Tells whether there is.
    fn advance(&mut self) -> Result<bool, Fault> {
        let before = self.inbox.put_in;
        while self.inbox.put_in == before && !self.ended {
            // A body that is framed by nothing but its length lies right where ureq reads it.
            let as_it_is = matches!(self.framing, Some(Framing::Length(_) | Framing::UntilClose));
            let count = self.receive(as_it_is)?;
            let raw = std::mem::take(&mut self.raw);
            let bytes = raw.get(..count).unwrap_or_default();
            match &mut self.framing {
                None => self.take_head(bytes)?,
                Some(_) if count == 0 => self.end_body(),
                Some(framing) if as_it_is => {
                    framing.count(count);
                    self.ended = framing.is_done();
                    self.inbox.input_appended(count);
                }
                Some(_) => self.take_body(bytes),
            }
            self.raw = raw;
            if count >= self.piece {
                self.piece = LARGE_PIECE;
            }
        }
        Ok(self.inbox.put_in > before)
    }

    /// Bytes from the peer, into the inbox or to us; none at the end.
    fn receive(&mut self, as_it_is: bool) -> Result<usize, Fault> {
        let result = if as_it_is {
            self.stream.read(self.inbox.room(self.piece))
        } else {
            self.raw.resize(self.piece, 0);
            self.stream.read(&mut self.raw)
        };
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
            // A connection that breaks behind the answer is its end; whether that was complete, the
            // framing knows.
            Err(_) if seen.received > 0 => Ok(0),
            Err(why)
                if matches!(why.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) =>
            {
                Err(Fault::NoData)
            }
            // A peer that refuses us after the handshake, as TLS 1.3 does for want of a client
            // certificate.
            Err(why) if matches!(why.kind(), ErrorKind::InvalidData | ErrorKind::Other) => {
                Err(Fault::NoData)
            }
            Err(why) => Err(Fault::Receive(crate::text::plain(&why))),
        }
    }

    fn take_head(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut known = self.head.len();
        self.head.extend_from_slice(bytes);
        self.ended = bytes.is_empty();
        if self.interim > 0 && !may_be_head(&self.head) {
            // Something else follows the interim answer, so that one was the answer: wherever the
            // network cut it.
            let rest = std::mem::take(&mut self.head);
            let head = self.seen().head.clone();
            self.begin_body(head, &rest);
            return Ok(());
        }
        loop {
            let end = match head_end(&self.head, known) {
                Some(end) => end,
                None if self.ended => self.head.len(),
                None if self.head.len() > MAX_HEAD => {
                    return Err(Fault::Endless("Header of the response is larger than 1 MiB"));
                }
                None => return Ok(()),
            };
            let rest = self.head.split_off(end);
            let head = Head::new(&self.head);
            if !head.is_interim() || self.ended || !may_be_head(&rest) {
                self.begin_body(head, &rest);
                return Ok(());
            }
            // The answer proper follows; should the peer close instead, or say something else, this
            // one was it.
            self.seen().head = head;
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(Fault::Endless(
                    "More than 100 interim answers (1xx) came before the answer",
                ));
            }
            self.head = rest;
            known = 0;
        }
    }

    fn begin_body(&mut self, head: Head, rest: &[u8]) {
        self.framing = Some(head.framing(&self.question.method));
        let chunked = matches!(self.framing, Some(Framing::Chunked(_)));
        let mut seen = self.seen();
        seen.chunked = chunked;
        if !seen.head.is_interim() || may_be_head(&head.status_line) && !head.status_line.is_empty()
        {
            seen.head = head;
        }
        drop(seen);
        self.inbox.put(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        if self.question.head_only {
            self.ended = true;
        } else if self.ended {
            self.end_body();
        } else {
            self.take_body(rest);
        }
    }

    fn take_body(&mut self, bytes: &[u8]) {
        let Some(framing) = &mut self.framing else { return };
        let taken = framing.take(bytes, &mut |data| self.inbox.put(data));
        self.ended = framing.is_done() || taken.is_err();
        if taken.is_err() {
            self.seen().end = End::BadChunks;
        }
    }

    fn end_body(&mut self) {
        self.ended = true;
        let end = match &self.framing {
            Some(framing) if framing.may_end() => End::Complete,
            Some(Framing::Length(left)) => End::Short(*left),
            _ => End::BadChunks,
        };
        self.seen().end = end;
    }
}

impl Transport for Line {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.inbox
    }

    fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        if self.asked.is_some() {
            return Ok(());
        }
        let start = Instant::now();
        // A peer may answer and close before it has read everything: what it said tells more than
        // this error.
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
        self.advance().map_err(|fault| {
            self.seen().fault = Some(fault);
            // ureq wants an error; ours, the real one, is noted already.
            ureq::Error::Io(ErrorKind::Other.into())
        })
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
