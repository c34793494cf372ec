//! Reads a response piece by piece, and measures when its bytes arrive.

use std::io::ErrorKind;
use std::time::Instant;

use super::stream::ByteStream;
use crate::fault::Fault;
use crate::http::framing::{BodyEnd, Framing};
use crate::http::response::{ResponseHead, ResponseMeta, head_end, leading_newlines};
use crate::text;

/// Size of the first read, in bytes. It is small because most responses are small, and touching a
/// new page of memory costs as much as another read.
const PIECE: usize = 4 << 10;
/// Maximum size of a read, in bytes. The size doubles whenever a read fills the buffer.
const LARGE_PIECE: usize = 32 << 10;
/// Maximum size of a response head, in bytes. Real heads are far smaller.
const MAX_HEAD: usize = 1 << 20;
/// Maximum number of interim responses (1xx) before the final one.
const MAX_INTERIM: u32 = 100;

/// Whether `bytes` can be the start of a response.
fn may_be_head(bytes: &[u8]) -> bool {
    bytes.iter().zip(b"HTTP/").all(|(byte, expected)| byte == expected)
}

/// A response that is being read from an open connection.
pub(super) struct ResponseReader<'a> {
    stream: &'a mut dyn ByteStream,
    /// When the last byte of the request was sent.
    sent: Instant,
    buffer: Vec<u8>,
    /// Size of the last read, in bytes.
    count: usize,
    /// Whether the stream has ended.
    ended: bool,
    /// Head of the response, with the size and the times measured so far.
    pub(super) meta: ResponseMeta,
}

impl<'a> ResponseReader<'a> {
    /// Creates a reader for the response to a request whose last byte was sent at `sent`.
    pub(super) fn new(stream: &'a mut dyn ByteStream, sent: Instant) -> ResponseReader<'a> {
        let meta = ResponseMeta::default();
        ResponseReader { stream, sent, buffer: vec![0; PIECE], count: 0, ended: false, meta }
    }

    /// Reads the head of the final response. Returns the part of the body that arrived together
    /// with the head.
    ///
    /// If no final response follows an interim one, the interim response counts as the final one.
    ///
    /// # Errors
    /// Fails if there is no response, or if its head or the number of interim responses exceeds a
    /// limit.
    pub(super) fn read_head(&mut self) -> Result<Vec<u8>, Fault> {
        let mut bytes: Vec<u8> = Vec::new();
        let (mut known, mut interim) = (0, 0);
        loop {
            bytes.extend_from_slice(self.receive()?);
            let ended = self.ended;
            if interim > 0 {
                bytes.drain(..leading_newlines(&bytes));
                if !may_be_head(&bytes) || (ended && bytes.is_empty()) {
                    return Ok(bytes);
                }
            }
            while let Some(end) = head_end(&bytes, known).or(ended.then_some(bytes.len())) {
                let mut rest = bytes.split_off(end);
                self.meta.head = ResponseHead::new(&bytes);
                if !self.meta.head.is_interim() {
                    return Ok(rest);
                }
                // Some servers send a blank line between responses.
                rest.drain(..leading_newlines(&rest));
                if ended || !may_be_head(&rest) {
                    return Ok(rest);
                }
                interim += 1;
                if interim > MAX_INTERIM {
                    return Err(Fault::LimitExceeded(
                        "The server sent more than 100 interim responses (1xx) before the final \
                         one",
                    ));
                }
                (bytes, known) = (rest, 0);
            }
            if bytes.len() > MAX_HEAD {
                return Err(Fault::LimitExceeded(
                    "The header of the response is larger than 1 MiB",
                ));
            }
            known = bytes.len();
        }
    }

    /// Reads the body, removes its framing and passes it to `take` piece by piece. `start` is the
    /// part of the body that has already arrived.
    ///
    /// # Errors
    /// Fails if the time limit is reached. A body that is cut off is not an error.
    pub(super) fn read_body(
        &mut self,
        framing: &mut Framing,
        mut start: Vec<u8>,
        mut take: impl FnMut(&mut [u8]),
    ) -> Result<(), Fault> {
        let mut unframed = Vec::new();
        let mut piece = start.as_mut_slice();
        loop {
            if let Framing::Chunked(chunks) = framing {
                unframed.clear();
                let taken = chunks.take(piece, &mut |data| unframed.extend_from_slice(data));
                take(&mut unframed);
                if taken.is_err() {
                    self.meta.end = BodyEnd::BadChunks;
                    return Ok(());
                }
            } else {
                framing.count(piece.len());
                take(piece);
            }
            if framing.is_done() {
                return Ok(());
            }
            piece = self.receive()?;
            if piece.is_empty() {
                self.meta.end = framing.end();
                return Ok(());
            }
        }
    }

    /// Reads the next piece of the response. The piece is empty if the stream has ended.
    fn receive(&mut self) -> Result<&mut [u8], Fault> {
        if self.count == self.buffer.len() {
            let size = (2 * self.buffer.len()).min(LARGE_PIECE);
            self.buffer.resize(size, 0);
        }
        self.count = if self.ended { 0 } else { self.read()? };
        self.ended = self.count == 0;
        Ok(self.buffer.get_mut(..self.count).unwrap_or_default())
    }

    fn read(&mut self) -> Result<usize, Fault> {
        let result = self.stream.read(&mut self.buffer);
        let since = self.sent.elapsed();
        let meta = &mut self.meta;
        if meta.received == 0 {
            meta.first_byte = since;
        }
        meta.last_byte = since;
        match result {
            Ok(0) if meta.received == 0 => Err(self.stream.no_data()),
            Ok(count) => {
                meta.received += count as u64;
                Ok(count)
            }
            Err(why) if why.kind() == ErrorKind::TimedOut => Err(Fault::Timeout),
            // A broken connection ends the response. The framing shows whether the response is
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
                Err(self.stream.no_data())
            }
            Err(why) => Err(Fault::Receive(text::io_error(&why))),
        }
    }
}
