//! The transport that ureq runs on. It sends our request unchanged and keeps the response as it
//! arrived.

use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use super::buffers::ConnectionBuffers;
use super::stream::ByteStream;
use crate::fault::Fault;
use crate::http::framing::Framing;
use crate::http::request::HttpRequest;
use crate::http::response::{BodyEnd, ResponseHead, ResponseMeta, head_end};
use crate::text;

/// Size of the first read, in bytes. It is small because most responses are small, and touching a
/// new page of memory costs as much as another read.
pub(super) const PIECE: usize = 4 << 10;
/// Size of every further read, in bytes, after a read has filled [`PIECE`].
pub(super) const LARGE_PIECE: usize = 32 << 10;
/// Largest response head, in bytes. Servers need far less.
const MAX_HEAD: usize = 1 << 20;
/// How many interim responses (1xx) are accepted before the final one.
const MAX_INTERIM: u32 = 100;

/// Whether `bytes` can be the start of a response.
fn may_be_head(bytes: &[u8]) -> bool {
    bytes.iter().zip(b"HTTP/").all(|(byte, expected)| byte == expected)
}

/// An open connection and the progress of its response.
#[derive(Debug)]
pub(super) struct RawTransport {
    stream: Box<dyn ByteStream>,
    request: HttpRequest,
    meta: Arc<Mutex<ResponseMeta>>,
    buffers: ConnectionBuffers,
    /// Buffer for heads and chunks, which we convert before ureq sees them.
    raw: Vec<u8>,
    /// The part of the current head that has arrived.
    head: Vec<u8>,
    /// How many interim responses have arrived.
    interim: u32,
    framing: Option<Framing>,
    /// Size of the next read, in bytes.
    piece: usize,
    ended: bool,
    /// When the last byte of the request was sent.
    sent: Option<Instant>,
}

impl RawTransport {
    pub(super) fn new(
        stream: Box<dyn ByteStream>,
        request: HttpRequest,
        meta: Arc<Mutex<ResponseMeta>>,
    ) -> RawTransport {
        RawTransport {
            stream,
            request,
            meta,
            buffers: ConnectionBuffers::new(),
            raw: vec![0; PIECE],
            head: Vec::new(),
            interim: 0,
            framing: None,
            piece: PIECE,
            ended: false,
            sent: None,
        }
    }

    fn meta(&self) -> MutexGuard<'_, ResponseMeta> {
        self.meta.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until there is input for ureq or the response ends. Returns whether there is input.
    ///
    /// # Errors
    ///
    /// Fails if the response cannot be read or exceeds a limit.
    fn advance(&mut self) -> Result<bool, Fault> {
        let before = self.buffers.total_input;
        while self.buffers.total_input == before && !self.ended {
            // A body without chunks is read directly into ureq's buffer.
            let direct = matches!(self.framing, Some(Framing::Length(_) | Framing::UntilClose));
            let count = self.receive(direct)?;
            let raw = std::mem::take(&mut self.raw);
            let bytes = raw.get(..count).unwrap_or_default();
            match &mut self.framing {
                None => self.take_head(bytes)?,
                Some(_) if count == 0 => self.end_body(),
                Some(framing) if direct => {
                    framing.count(count);
                    self.ended = framing.is_done();
                    self.buffers.input_appended(count);
                }
                Some(_) => self.take_body(bytes),
            }
            self.raw = raw;
            if count >= self.piece {
                self.piece = LARGE_PIECE;
            }
        }
        Ok(self.buffers.total_input > before)
    }

    /// Reads from the peer into ureq's buffer or, if `direct` is not set, into `raw`. Returns the
    /// number of bytes, which is 0 at the end of the stream.
    fn receive(&mut self, direct: bool) -> Result<usize, Fault> {
        let result = if direct {
            self.stream.read(self.buffers.room(self.piece))
        } else {
            self.raw.resize(self.piece, 0);
            self.stream.read(&mut self.raw)
        };
        let since = self.sent.map(|sent| sent.elapsed()).unwrap_or_default();
        let mut meta = self.meta();
        if meta.received == 0 {
            meta.first_byte = since;
        }
        meta.last_byte = since;
        match result {
            Ok(0) if meta.received == 0 => Err(Fault::NoData),
            Ok(count) => {
                meta.received += count as u64;
                Ok(count)
            }
            Err(why) if why.kind() == ErrorKind::TimedOut => Err(Fault::Timeout),
            // A broken connection ends the response. Its framing shows whether the response is
            // complete.
            Err(_) if meta.received > 0 => Ok(0),
            // The peer either closed the connection without a response or rejected us after the
            // handshake. In TLS 1.3, a missing client certificate is rejected only after the
            // handshake.
            Err(why)
                if matches!(
                    why.kind(),
                    ErrorKind::ConnectionReset
                        | ErrorKind::UnexpectedEof
                        | ErrorKind::InvalidData
                        | ErrorKind::Other
                ) =>
            {
                Err(Fault::NoData)
            }
            Err(why) => Err(Fault::Receive(text::io_error(&why))),
        }
    }

    fn take_head(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let mut known = self.head.len();
        self.head.extend_from_slice(bytes);
        self.ended = bytes.is_empty();
        if self.interim > 0 && !may_be_head(&self.head) {
            // The bytes after the interim response are not another response. The interim response
            // was therefore the final one, and these bytes are its body.
            let rest = std::mem::take(&mut self.head);
            let head = self.meta().head.clone();
            self.begin_body(head, &rest);
            return Ok(());
        }
        loop {
            let end = match head_end(&self.head, known) {
                Some(end) => end,
                None if self.ended => self.head.len(),
                None if self.head.len() > MAX_HEAD => {
                    return Err(Fault::LimitExceeded(
                        "The header of the response is larger than 1 MiB",
                    ));
                }
                None => return Ok(()),
            };
            let rest = self.head.split_off(end);
            let head = ResponseHead::new(&self.head);
            if !head.is_interim() || self.ended || !may_be_head(&rest) {
                self.begin_body(head, &rest);
                return Ok(());
            }
            // Keep this interim response. If no other response follows it, it counts as the final
            // one.
            self.meta().head = head;
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(Fault::LimitExceeded(
                    "The server sent more than 100 interim responses (1xx) before the final one",
                ));
            }
            self.head = rest;
            known = 0;
        }
    }

    fn begin_body(&mut self, head: ResponseHead, rest: &[u8]) {
        self.framing = Some(head.framing(&self.request.method));
        let chunked = matches!(self.framing, Some(Framing::Chunked(_)));
        let mut meta = self.meta();
        meta.chunked = chunked;
        if !meta.head.is_interim() || may_be_head(&head.status_line) && !head.status_line.is_empty()
        {
            meta.head = head;
        }
        drop(meta);
        self.buffers.put(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        if self.request.head_only {
            self.ended = true;
        } else if self.ended {
            self.end_body();
        } else {
            self.take_body(rest);
        }
    }

    fn take_body(&mut self, bytes: &[u8]) {
        let Some(framing) = &mut self.framing else { return };
        let taken = framing.take(bytes, &mut |data| self.buffers.put(data));
        self.ended = framing.is_done() || taken.is_err();
        if taken.is_err() {
            self.meta().end = BodyEnd::BadChunks;
        }
    }

    fn end_body(&mut self) {
        self.ended = true;
        let end = match &self.framing {
            Some(framing) if framing.may_end() => BodyEnd::Complete,
            Some(Framing::Length(left)) => BodyEnd::Short(*left),
            _ => BodyEnd::BadChunks,
        };
        self.meta().end = end;
    }
}

impl Transport for RawTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        if self.sent.is_some() {
            return Ok(());
        }
        let start = Instant::now();
        // Ignore errors other than a timeout. A peer can respond and close the connection before it
        // has read the whole request, and its response explains more than the error.
        match self.stream.write_all(&self.request.bytes).and_then(|()| self.stream.flush()) {
            Err(why) if why.kind() == ErrorKind::TimedOut => {
                self.meta().fault = Some(Fault::Timeout);
                return Err(why.into());
            }
            _ => {}
        }
        self.meta().sending = start.elapsed();
        self.sent = Some(Instant::now());
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        self.advance().map_err(|fault| {
            self.meta().fault = Some(fault);
            // ureq requires an error here. `exchange` ignores it and reports the fault.
            ureq::Error::Io(ErrorKind::Other.into())
        })
    }

    fn is_open(&mut self) -> bool {
        false
    }
}

impl Drop for RawTransport {
    fn drop(&mut self) {
        self.stream.close();
    }
}
