//! Parses response heads and determines how a body is delimited. Tolerates deviations from the RFCs
//! that occur on real servers.

use std::time::Duration;

use super::decompression::UndecodableBody;
use super::framing::{BodyEnd, ChunkState, Framing};
use crate::pattern::body_search::BodyMatches;
use crate::text;

/// Maximum number of body bytes to keep if the body is printed or parsed as JSON. The limit for
/// such bodies is 1 MiB. One more byte is kept so that a longer body can be recognized.
pub const MAX_KEPT: usize = (1 << 20) + 1;
/// Maximum number of bytes of a compressed body to keep. The same limit applies to its decompressed
/// content.
pub const MAX_DECOMPRESSED: usize = 16 << 20;

/// A response, and the results of searching its body.
#[derive(Debug, Default)]
pub struct Response {
    /// Head of the response, with its size and its times.
    pub meta: ResponseMeta,
    /// Body without its framing, or empty if it is not kept. Holds at most [`MAX_KEPT`] bytes or,
    /// with decompression, as many as the decompression limit allows.
    pub body: Vec<u8>,
    /// Which strings and patterns the body contains.
    pub matches: BodyMatches,
    /// If the body was cut at the decompression limit, the number of bytes that were searched;
    /// otherwise `None`.
    pub searched: Option<usize>,
    /// Why decompression failed, or `None` if it succeeded or was not needed.
    pub undecodable: Option<UndecodableBody>,
}

/// Head of a response, with the size and the times that were measured.
#[derive(Debug, Default)]
pub struct ResponseMeta {
    /// Status line and header.
    pub head: ResponseHead,
    /// Number of bytes received, including head and framing.
    pub received: u64,
    /// How the body ended.
    pub end: BodyEnd,
    /// How long sending the request took.
    pub sending: Duration,
    /// Time from the end of sending to the first byte of the response.
    pub first_byte: Duration,
    /// Time from the end of sending to the last byte of the response.
    pub last_byte: Duration,
}

/// The head of a response, as received.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseHead {
    /// First line, without trailing spaces.
    pub status_line: Vec<u8>,
    /// Lines between the status line and the blank line.
    pub header: Vec<u8>,
}

/// Returns the length of the head at the start of `bytes`, including the blank line, or `None` if
/// the head is incomplete. Lines can end in a newline without a carriage return. `from` is the
/// number of bytes that were already searched for the end of the head.
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

/// Returns how many carriage returns and newlines `bytes` start with.
pub fn leading_newlines(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

impl ResponseHead {
    /// Splits a head into status line and header. The blank line at its end may be missing.
    pub fn new(bytes: &[u8]) -> ResponseHead {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let (status_line, header) = bytes.split_at(end);
        let mut status_line = status_line.trim_ascii_end().to_vec();
        let mut header = header.get(1..).unwrap_or_default().trim_ascii_end().to_vec();
        blank_nuls(&mut status_line);
        blank_nuls(&mut header);
        ResponseHead { status_line, header }
    }

    /// Returns the status code, or `None` if the second word of the status line is not a
    /// three-digit number.
    pub fn code(&self) -> Option<u16> {
        let after = self.status_line.split(|byte| *byte == b' ').nth(1)?;
        let digits = after.split(|byte| !byte.is_ascii_digit()).next()?;
        if digits.len() == 3 { text::decode(digits).parse().ok() } else { None }
    }

    /// Whether this is an interim response, that is, whether another response follows it (RFC 9110,
    /// section 15.2). 101 is final, because the protocol changes after it.
    pub fn is_interim(&self) -> bool {
        self.status_line.starts_with(b"HTTP/")
            && self.code().is_some_and(|code| (100..200).contains(&code) && code != 101)
    }

    /// Returns all values of the header field `name`. Ignores case in names, and joins folded
    /// lines.
    pub fn values(&self, name: &str) -> Vec<Vec<u8>> {
        let mut found: Vec<Vec<u8>> = Vec::new();
        let mut inside = false;
        for line in self.header.split(|byte| *byte == b'\n') {
            if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
                // A line that starts with a space or a tab continues the previous one. Such folding
                // is obsolete (RFC 9112, section 5.2).
                if let Some(value) = found.last_mut().filter(|_| inside) {
                    value.extend_from_slice(b" ");
                    value.extend_from_slice(line.trim_ascii());
                    *value = value.trim_ascii().to_vec();
                }
                continue;
            }
            let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
            let (this, value) = line.split_at(colon);
            inside =
                this.trim_ascii_end().eq_ignore_ascii_case(name.as_bytes()) && !value.is_empty();
            if inside {
                found.push(value.get(1..).unwrap_or_default().trim_ascii().to_vec());
            }
        }
        found
    }

    /// Returns how the body is delimited (RFC 9112, section 6.3).
    pub fn framing(&self, method: &[u8]) -> Framing {
        if method == b"HEAD"
            || self
                .code()
                .is_some_and(|code| code == 204 || code == 304 || (100..200).contains(&code))
        {
            return Framing::Length(0);
        }
        let codings = self.values("Transfer-Encoding").join(&b","[..]).to_ascii_lowercase();
        if codings
            .split(|byte| *byte == b',')
            .any(|coding| coding.trim_ascii_start().starts_with(b"chunked"))
        {
            return Framing::Chunked(ChunkState::Size(Vec::new()));
        }
        let mut lengths = self.values("Content-Length");
        lengths.dedup();
        match lengths.as_slice() {
            [one] if !one.is_empty() && one.iter().all(u8::is_ascii_digit) => {
                text::decode(one).parse().map_or(Framing::UntilClose, Framing::Length)
            }
            // If the length is missing, invalid or contradictory, the body ends when the connection
            // ends.
            _ => Framing::UntilClose,
        }
    }
}

/// Replaces every NUL with a space, as monitoring-plugins does. A string on the command line cannot
/// contain NUL, so users search for a space in its place.
pub fn blank_nuls(bytes: &mut [u8]) {
    // Most data contains no NUL, and `contains` is many times faster than the loop.
    if bytes.contains(&0) {
        bytes.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_end_of_head_with_either_line_ending() {
        for (text, end) in [
            ("a\r\n\r\nb", Some(5)),
            ("a\n\nb", Some(3)),
            ("a\nb\n\r\nc", Some(6)),
            ("a\r\nb", None),
            ("\r\nx", None),
            ("a\r\n\r", None),
        ] {
            for from in 0..text.len().saturating_sub(2) {
                assert_eq!(
                    head_end(text.as_bytes(), from).filter(|_| from < 3),
                    end.filter(|_| from < 3),
                    "{text:?} {from}"
                );
            }
        }
    }

    #[test]
    fn parses_status_code() {
        for (line, code) in [
            ("HTTP/1.1 200 OK", Some(200)),
            ("HTTP/1.1 200OK", Some(200)),
            ("HTTP/1.1", None),
            ("HTTP/1.1  200", None),
            ("HTTP/1.1 20 OK", None),
        ] {
            assert_eq!(ResponseHead::new(line.as_bytes()).code(), code, "{line}");
        }
    }

    #[test]
    fn finds_header_values_in_any_case_and_joins_folded_lines() {
        let head = ResponseHead::new(
            b"HTTP/1.1 200 OK\r\nlocation:\r\n /a\r\nX: y\r\n z\r\nLOCATION : /b\r\nnocolon\r\n",
        );
        assert_eq!(head.values("Location"), [b"/a".to_vec(), b"/b".to_vec()]);
        assert_eq!(head.values("x"), [b"y z".to_vec()]);
        assert!(head.values("nocolon").is_empty());
    }

    #[test]
    fn determines_framing_as_in_rfc_9112() {
        let chunked = Framing::Chunked(ChunkState::Size(Vec::new()));
        for (status, method, header, framing) in [
            (200, "GET", "Content-Length: 5", Framing::Length(5)),
            (200, "HEAD", "Content-Length: 5", Framing::Length(0)),
            (304, "GET", "Content-Length: 5", Framing::Length(0)),
            (200, "GET", "Content-Length: 5\r\nContent-Length: 6", Framing::UntilClose),
            (200, "GET", "Content-Length: -1", Framing::UntilClose),
            (200, "GET", "Content-Length: 99999999999999999999", Framing::UntilClose),
            (200, "GET", "transfer-encoding: CHUNKED\r\nContent-Length: 5", chunked),
        ] {
            let head = ResponseHead::new(format!("HTTP/1.1 {status} X\r\n{header}\r\n").as_bytes());
            assert_eq!(head.framing(method.as_bytes()), framing, "{method} {header}");
        }
    }

    proptest! {
        #[test]
        fn parses_any_bytes_without_panic(bytes in any::<Vec<u8>>()) {
            let head = ResponseHead::new(&bytes);
            let _ = (head_end(&bytes, 0), head.framing(b"GET"), head.values("a"));
        }
    }
}
