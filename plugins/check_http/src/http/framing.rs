//! Extracts a response body from its framing.

/// How a body is delimited, and how much of it has not arrived yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framing {
    /// The header specified the length. Holds the number of bytes that have not arrived yet.
    Length(u64),
    /// The body is sent in chunks (RFC 9112, section 7.1).
    Chunked(ChunkState),
    /// The body ends when the connection ends.
    UntilClose,
}

/// The progress of reading a chunked body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChunkState {
    /// Reading the line that contains a chunk's size. Holds the part of the line that has arrived.
    Size(Vec<u8>),
    /// Reading the data of a chunk. Holds the number of bytes that have not arrived yet.
    Data(u64),
    /// Reading the line break after the data of a chunk.
    DataEnd,
    /// Reading the trailer after the last chunk. Holds how many bytes of the current line and of
    /// the whole trailer have arrived.
    Trailer(usize, usize),
    /// The whole trailer has been read.
    Done,
}

/// How a body ended.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum BodyEnd {
    /// The body is complete.
    #[default]
    Complete,
    /// This many bytes of the announced length are missing.
    Short(u64),
    /// The chunks are invalid, or the body ended within a chunk.
    BadChunks,
}

/// The body is not a valid sequence of chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the chunks are invalid")]
pub struct BadChunk;

/// Maximum length of a chunk's size line, including its extensions, and of the whole trailer, in
/// bytes.
const MAX_CHUNK_LINE: usize = 64 << 10;

impl Framing {
    /// Counts `bytes` more bytes of the body as received. Has no effect on a chunked body.
    ///
    /// More bytes may arrive than the header announced, because some servers announce a length that
    /// is too small. The excess is searched only if it arrives in the same read as the end of the
    /// announced body. No further read follows, because the connection may stay open.
    pub fn count(&mut self, bytes: usize) {
        if let Framing::Length(left) = self {
            *left = left.saturating_sub(bytes as u64);
        }
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        matches!(self, Framing::Length(0) | Framing::Chunked(ChunkState::Done))
    }

    /// Returns how the body ends if the connection ends now. A chunked body is complete even if the
    /// trailer and the blank line after the last chunk are missing.
    pub fn end(&self) -> BodyEnd {
        match self {
            Framing::Length(0) | Framing::UntilClose => BodyEnd::Complete,
            Framing::Length(left) => BodyEnd::Short(*left),
            Framing::Chunked(ChunkState::Trailer(..) | ChunkState::Done) => BodyEnd::Complete,
            Framing::Chunked(ChunkState::Size(line))
                if line.contains(&b'0') && line.iter().all(|byte| matches!(byte, b'0' | b'\r')) =>
            {
                BodyEnd::Complete
            }
            Framing::Chunked(_) => BodyEnd::BadChunks,
        }
    }
}

impl ChunkState {
    /// Removes the framing from `bytes` and passes the rest to `body`.
    ///
    /// # Errors
    /// Fails if the chunks are invalid. Even in this case, the data before the invalid bytes has
    /// been passed to `body`.
    pub fn take(&mut self, bytes: &[u8], body: &mut impl FnMut(&[u8])) -> Result<(), BadChunk> {
        let mut rest = bytes;
        while let Some((&first, behind)) = rest.split_first() {
            rest = match self {
                ChunkState::Data(left) => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    let (data, after) = rest.split_at(here);
                    body(data);
                    *left -= here as u64;
                    if *left == 0 {
                        *self = ChunkState::DataEnd;
                    }
                    after
                }
                ChunkState::Done => return Ok(()),
                _ => {
                    self.line_byte(first)?;
                    behind
                }
            };
        }
        Ok(())
    }

    fn line_byte(&mut self, byte: u8) -> Result<(), BadChunk> {
        match self {
            ChunkState::Size(line) if byte != b'\n' => {
                line.push(byte);
                if line.len() > MAX_CHUNK_LINE {
                    return Err(BadChunk);
                }
            }
            // Ignore an extra blank line before a chunk.
            ChunkState::Size(line) if line.trim_ascii().is_empty() => line.clear(),
            ChunkState::Size(line) => {
                *self = match size(line)? {
                    0 => ChunkState::Trailer(0, 0),
                    size => ChunkState::Data(size),
                }
            }
            ChunkState::DataEnd => match byte {
                b'\r' => {}
                b'\n' => *self = ChunkState::Size(Vec::new()),
                _ => return Err(BadChunk),
            },
            ChunkState::Trailer(0, _) if byte == b'\n' => *self = ChunkState::Done,
            ChunkState::Trailer(line, all) => {
                *all += 1;
                match byte {
                    b'\n' => *line = 0,
                    b'\r' => {}
                    _ => *line += 1,
                }
                if *all > MAX_CHUNK_LINE {
                    return Err(BadChunk);
                }
            }
            ChunkState::Data(_) | ChunkState::Done => {}
        }
        Ok(())
    }
}

/// Parses the size of a chunk from its size line, which can also contain extensions.
fn size(line: &[u8]) -> Result<u64, BadChunk> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(BadChunk);
    }
    u64::from_str_radix(&crate::text::decode(digits), 16).map_err(|_| BadChunk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unchunk(text: &str) -> (Result<String, BadChunk>, bool) {
        let mut chunks = ChunkState::Size(Vec::new());
        let mut body = Vec::new();
        let taken = chunks.take(text.as_bytes(), &mut |data| body.extend_from_slice(data));
        let is_complete = Framing::Chunked(chunks).end() == BodyEnd::Complete;
        (taken.map(|()| crate::text::decode(&body)), is_complete)
    }

    #[test]
    fn reads_chunks_and_rejects_invalid_ones() {
        for text in [
            "5\r\nhello\r\n0\r\n\r\n",
            "5;name=value\r\nhello\r\n0\r\n\r\n",
            "5 \r\nhello\r\n0\r\n\r\n",
            "0005\r\nhello\r\n00\r\n\r\n",
            "2\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n",
            "\r\n2\r\nhe\r\n\r\n3\r\nllo\r\n0\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\nextra",
            "5\r\nhello\r\n0\r\n",
            "5\r\nhello\r\n0",
            "5\nhello\n0\n\n",
        ] {
            assert_eq!(unchunk(text), (Ok("hello".into()), true), "{text:?}");
        }
        for text in ["5\r\nhello\r\n", "5\r\nhel", "", "5"] {
            let (taken, is_complete) = unchunk(text);
            assert!(taken.is_ok() && !is_complete, "{text:?}");
        }
        for text in [
            "zz\r\nhello",
            "-5\r\nhello",
            "\r\nhello\r\n",
            "5\r\nhelloXX0\r\n",
            "fffffffffffffffff\r\nhello",
        ] {
            assert_eq!(unchunk(text).0, Err(BadChunk), "{text:?}");
        }
    }

    #[test]
    fn limits_size_line_and_trailer() {
        assert_eq!(unchunk(&"1".repeat(MAX_CHUNK_LINE + 1)).0, Err(BadChunk));
        let trailer = "X: y\r\n".repeat(MAX_CHUNK_LINE);
        assert_eq!(unchunk(&format!("0\r\n{trailer}")).0, Err(BadChunk));
    }

    proptest! {
        #[test]
        fn reads_same_body_from_pieces(bytes in any::<Vec<u8>>(), cut in 0usize..50) {
            let text: Vec<u8> = [b"3\r\nabc\r\n", bytes.as_slice()].concat();
            let new = || ChunkState::Size(Vec::new());
            let (mut whole, mut parts) = ((new(), Vec::new()), (new(), Vec::new()));
            let one = whole.0.take(&text, &mut |data| whole.1.extend_from_slice(data));
            let (first, second) = text.split_at(cut.min(text.len()));
            let mut keep = |data: &[u8]| parts.1.extend_from_slice(data);
            let two = parts.0.take(first, &mut keep).and_then(|()| parts.0.take(second, &mut keep));
            prop_assert_eq!(one, two);
            prop_assert_eq!(whole.1, parts.1);
        }
    }
}
