//! How the body of a response is delimited, and how that is undone. Pure.

/// How a body is delimited, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    /// In chunks (RFC 9112, section 7.1).
    Chunked(Chunk),
    /// Up to the end of the connection.
    UntilClose,
}

/// Where in a chunked body we are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// In the line that says the size; what of it has come.
    Size(Vec<u8>),
    /// In the data; so many bytes are still to come.
    Data(u64),
    /// In the line end behind the data.
    DataEnd,
    /// Behind the last chunk, in the lines of the trailer; so many bytes of this line have come,
    /// and of all.
    Trailer(usize, usize),
    /// Behind it all.
    Done,
}

/// The chunks make no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadChunk;

/// Neither a size line with its extensions nor a trailer is longer in earnest.
const MAX_CHUNK_LINE: usize = 64 << 10;

impl Framing {
    /// Takes what has come and gives the body that is in it to `body`.
    ///
    /// What comes with the body beyond its announced length is kept: servers count wrong, and users
    /// look for what they see.
    pub fn take(&mut self, bytes: &[u8], body: &mut impl FnMut(&[u8])) -> Result<(), BadChunk> {
        match self {
            Framing::Chunked(chunk) => chunk.take(bytes, body),
            _ => {
                self.count(bytes.len());
                body(bytes);
                Ok(())
            }
        }
    }

    /// So many bytes of a body that is not chunked have come.
    pub fn count(&mut self, bytes: usize) {
        if let Framing::Length(left) = self {
            *left = left.saturating_sub(bytes as u64);
        }
    }

    /// Whether all of it has come.
    pub fn is_done(&self) -> bool {
        matches!(self, Framing::Length(0) | Framing::Chunked(Chunk::Done))
    }

    /// Whether the connection may end here: all has come that was announced, save the blank line
    /// behind the last chunk.
    pub fn may_end(&self) -> bool {
        match self {
            Framing::Length(left) => *left == 0,
            Framing::UntilClose => true,
            Framing::Chunked(Chunk::Size(line)) => {
                !line.is_empty() && line.iter().all(|byte| matches!(byte, b'0' | b'\r'))
            }
            Framing::Chunked(chunk) => matches!(chunk, Chunk::Trailer(..) | Chunk::Done),
        }
    }
}

impl Chunk {
    fn take(&mut self, bytes: &[u8], body: &mut impl FnMut(&[u8])) -> Result<(), BadChunk> {
        let mut rest = bytes;
        while let Some((&first, behind)) = rest.split_first() {
            rest = match self {
                Chunk::Data(left) => {
                    let here = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    let (data, after) = rest.split_at(here);
                    body(data);
                    *left -= here as u64;
                    if *left == 0 {
                        *self = Chunk::DataEnd;
                    }
                    after
                }
                Chunk::Done => return Ok(()),
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
            Chunk::Size(line) if byte != b'\n' => {
                line.push(byte);
                if line.len() > MAX_CHUNK_LINE {
                    return Err(BadChunk);
                }
            }
            // A blank line too many, before the first chunk or between two.
            Chunk::Size(line) if line.trim_ascii().is_empty() => line.clear(),
            Chunk::Size(line) => {
                *self = match size(line)? {
                    0 => Chunk::Trailer(0, 0),
                    size => Chunk::Data(size),
                }
            }
            Chunk::DataEnd => match byte {
                b'\r' => {}
                b'\n' => *self = Chunk::Size(Vec::new()),
                _ => return Err(BadChunk),
            },
            Chunk::Trailer(0, _) if byte == b'\n' => *self = Chunk::Done,
            Chunk::Trailer(line, all) => {
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
            Chunk::Data(_) | Chunk::Done => {}
        }
        Ok(())
    }
}

/// The size at the start of a chunk's line; behind it stand extensions that nobody reads.
fn size(line: &[u8]) -> Result<u64, BadChunk> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(BadChunk);
    }
    u64::from_str_radix(&crate::text::of(digits), 16).map_err(|_| BadChunk)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unchunk(text: &str) -> (Result<String, BadChunk>, bool) {
        let mut framing = Framing::Chunked(Chunk::Size(Vec::new()));
        let mut body = Vec::new();
        let taken = framing.take(text.as_bytes(), &mut |data| body.extend_from_slice(data));
        (taken.map(|()| crate::text::of(&body)), framing.may_end())
    }

    #[test]
    fn chunks_as_servers_send_them() {
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
            let (taken, may_end) = unchunk(text);
            assert!(taken.is_ok() && !may_end, "{text:?}");
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
    fn endless_chunk_lines_end() {
        assert_eq!(unchunk(&"1".repeat(MAX_CHUNK_LINE + 1)).0, Err(BadChunk));
        assert_eq!(
            unchunk(&format!("0\r\n{}", "X: y\r\n".repeat(MAX_CHUNK_LINE))).0,
            Err(BadChunk)
        );
    }

    proptest! {
        #[test]
        fn pieces_make_the_same_whole(bytes in any::<Vec<u8>>(), cut in 0usize..50) {
            let text: Vec<u8> = [b"3\r\nabc\r\n", bytes.as_slice()].concat();
            let new = || Framing::Chunked(Chunk::Size(Vec::new()));
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
