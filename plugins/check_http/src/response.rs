//! A response as it comes in the field: where its head ends, how long its body is, what is left of it undone. Pure.

/// The head of a response, as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The first line, without blanks at its end.
    pub status_line: Vec<u8>,
    /// What follows up to the blank line.
    pub header: Vec<u8>,
}

/// Where the head in `bytes` ends, its blank line included; lines may end in a bare newline. `from` bytes are known not
/// to hold the end.
pub fn head_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from.saturating_sub(2);
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == b'\n')? + 1;
        match bytes.get(at..)? {
            [b'\n', ..] => return Some(at + 1),
            [b'\r', b'\n', ..] => return Some(at + 2),
            _ => {}
        }
    }
}

impl Head {
    /// Takes a head apart. What comes without a blank line at its end, or without any line, is taken as it is.
    pub fn new(bytes: &[u8]) -> Head {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let (status_line, header) = bytes.split_at(end);
        let mut status_line = status_line.trim_ascii_end().to_vec();
        let mut header = header.get(1..).unwrap_or_default().trim_ascii_end().to_vec();
        blank_nuls(&mut status_line);
        blank_nuls(&mut header);
        Head { status_line, header }
    }

    /// The status code, where the line has one at its place.
    pub fn code(&self) -> Option<u16> {
        let after = self.status_line.split(|byte| *byte == b' ').nth(1)?;
        let digits = after.split(|byte| !byte.is_ascii_digit()).next()?;
        if digits.len() == 3 { crate::text::of(digits).parse().ok() } else { None }
    }

    /// An interim answer: the real one follows (RFC 9110, section 15.2). 101 is final: the protocol changes.
    pub fn is_interim(&self) -> bool {
        self.status_line.starts_with(b"HTTP/") && self.code().is_some_and(|code| (100..200).contains(&code) && code != 101)
    }

    /// The values of a header, without regard to the case of its name; folded lines are joined.
    pub fn values(&self, name: &str) -> Vec<Vec<u8>> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        let mut inside = false;
        for line in self.header.split(|byte| *byte == b'\n') {
            if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
                // RFC 9112, section 5.2: an obsolete fold continues the line before.
                if let Some(value) = found.last_mut().filter(|_| inside) {
                    value.extend_from_slice(b" ");
                    value.extend_from_slice(line.trim_ascii());
                    *value = value.trim_ascii().to_vec();
                }
                continue;
            }
            let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            let (this, value) = line.split_at(colon);
            inside = this.trim_ascii_end().eq_ignore_ascii_case(name.as_bytes()) && !value.is_empty();
            if inside {
                found.push(value.get(1..).unwrap_or_default().trim_ascii().to_vec());
            }
        }
        found
    }

    /// How the body is delimited (RFC 9112, section 6.3).
    pub fn framing(&self, method: &[u8]) -> Framing {
        if method == b"HEAD" || self.code().is_some_and(|code| code == 204 || code == 304 || (100..200).contains(&code)) {
            return Framing::Length(0);
        }
        let codings = self.values("Transfer-Encoding").join(&b","[..]).to_ascii_lowercase();
        if crate::text::contains(&codings, b"chunked") {
            return Framing::Chunked(Chunk::Size(Vec::new()));
        }
        let mut lengths = self.values("Content-Length");
        lengths.dedup();
        match lengths.as_slice() {
            [one] if !one.is_empty() && one.iter().all(u8::is_ascii_digit) => {
                crate::text::of(one).parse().map_or(Framing::UntilClose, Framing::Length)
            }
            // None, or several that contradict each other: the end of the connection tells.
            _ => Framing::UntilClose,
        }
    }
}

/// NUL is searched as a blank, as it always was: no argument could name it.
pub fn blank_nuls(bytes: &mut [u8]) {
    // To look for one is many times faster than to look at each.
    if bytes.contains(&0) {
        bytes.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
    }
}

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
    /// Behind the last chunk, in the lines of the trailer; so many bytes of this line have come, and of all.
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
    /// What comes with the body beyond its announced length is kept: servers count wrong, and users look for what they see.
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

    /// Whether the connection may end here: all has come that was announced, save the blank line behind the last chunk.
    pub fn may_end(&self) -> bool {
        match self {
            Framing::Length(left) => *left == 0,
            Framing::UntilClose => true,
            Framing::Chunked(Chunk::Size(line)) => !line.is_empty() && line.iter().all(|byte| matches!(byte, b'0' | b'\r')),
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
    fn heads_end_at_a_blank_line_of_either_kind() {
        for (text, end) in [
            ("a\r\n\r\nb", Some(5)),
            ("a\n\nb", Some(3)),
            ("a\nb\n\r\nc", Some(6)),
            ("a\r\nb", None),
            ("\r\nx", None),
            ("a\r\n\r", None),
        ] {
            for from in 0..text.len().saturating_sub(2) {
                assert_eq!(head_end(text.as_bytes(), from).filter(|_| from < 3), end.filter(|_| from < 3), "{text:?} {from}");
            }
        }
    }

    #[test]
    fn status_codes_stand_behind_the_first_blank() {
        for (line, code) in [
            ("HTTP/1.1 200 OK", Some(200)),
            ("HTTP/1.1 200OK", Some(200)),
            ("HTTP/1.1", None),
            ("HTTP/1.1  200", None),
            ("HTTP/1.1 20 OK", None),
        ] {
            assert_eq!(Head::new(line.as_bytes()).code(), code, "{line}");
        }
    }

    #[test]
    fn header_values_are_found_in_any_case_and_fold() {
        let head = Head::new(b"HTTP/1.1 200 OK\r\nlocation:\r\n /a\r\nX: y\r\n z\r\nLOCATION : /b\r\nnocolon\r\n");
        assert_eq!(head.values("Location"), [b"/a".to_vec(), b"/b".to_vec()]);
        assert_eq!(head.values("x"), [b"y z".to_vec()]);
        assert!(head.values("nocolon").is_empty());
    }

    #[test]
    fn bodies_are_delimited_as_the_rfc_says() {
        let framing = |head: &str, method: &str| Head::new(head.as_bytes()).framing(method.as_bytes());
        assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "GET"), Framing::Length(5));
        assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "HEAD"), Framing::Length(0));
        assert_eq!(framing("HTTP/1.1 304 NM\r\nContent-Length: 5\r\n", "GET"), Framing::Length(0));
        assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n", "GET"), Framing::UntilClose);
        assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", "GET"), Framing::UntilClose);
        assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n", "GET"), Framing::UntilClose);
        assert!(matches!(
            framing("HTTP/1.1 200 OK\r\ntransfer-encoding: CHUNKED\r\nContent-Length: 5\r\n", "GET"),
            Framing::Chunked(_)
        ));
    }

    #[test]
    fn chunks_as_servers_send_them() {
        for text in [
            "5\r\nhello\r\n0\r\n\r\n",
            "5;name=value\r\nhello\r\n0\r\n\r\n",
            "5 \r\nhello\r\n0\r\n\r\n",
            "0005\r\nhello\r\n00\r\n\r\n",
            "2\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n",
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
        for text in ["zz\r\nhello", "-5\r\nhello", "\r\nhello", "5\r\nhelloXX0\r\n", "fffffffffffffffff\r\nhello"] {
            assert_eq!(unchunk(text).0, Err(BadChunk), "{text:?}");
        }
    }

    #[test]
    fn endless_chunk_lines_end() {
        assert_eq!(unchunk(&"1".repeat(MAX_CHUNK_LINE + 1)).0, Err(BadChunk));
        assert_eq!(unchunk(&format!("0\r\n{}", "X: y\r\n".repeat(MAX_CHUNK_LINE))).0, Err(BadChunk));
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_pieces_make_the_same_whole(bytes in any::<Vec<u8>>(), cut in 0usize..50) {
            let _ = (head_end(&bytes, 0), Head::new(&bytes).framing(b"GET"), Head::new(&bytes).values("a"));
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
