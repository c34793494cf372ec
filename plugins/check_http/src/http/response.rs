//! A response as it comes in the field: where its head ends, what it says, how long its body is.
//! Pure.

use super::framing::{Chunk, Framing};

/// The head of a response, as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Head {
    /// The first line, without blanks at its end.
    pub status_line: Vec<u8>,
    /// What follows up to the blank line.
    pub header: Vec<u8>,
}

/// Where the head in `bytes` ends, its blank line included; lines may end in a bare newline. `from`
/// bytes are known not to hold the end.
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
    /// Takes a head apart. What comes without a blank line at its end, or without any line, is
    /// taken as it is.
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

    /// An interim answer: the real one follows (RFC 9110, section 15.2). 101 is final: the protocol
    /// changes.
    pub fn is_interim(&self) -> bool {
        self.status_line.starts_with(b"HTTP/")
            && self.code().is_some_and(|code| (100..200).contains(&code) && code != 101)
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
            inside =
                this.trim_ascii_end().eq_ignore_ascii_case(name.as_bytes()) && !value.is_empty();
            if inside {
                found.push(value.get(1..).unwrap_or_default().trim_ascii().to_vec());
            }
        }
        found
    }

    /// How the body is delimited (RFC 9112, section 6.3).
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
                assert_eq!(
                    head_end(text.as_bytes(), from).filter(|_| from < 3),
                    end.filter(|_| from < 3),
                    "{text:?} {from}"
                );
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
        let head = Head::new(
            b"HTTP/1.1 200 OK\r\nlocation:\r\n /a\r\nX: y\r\n z\r\nLOCATION : /b\r\nnocolon\r\n",
        );
        assert_eq!(head.values("Location"), [b"/a".to_vec(), b"/b".to_vec()]);
        assert_eq!(head.values("x"), [b"y z".to_vec()]);
        assert!(head.values("nocolon").is_empty());
    }

    #[test]
    fn bodies_are_delimited_as_the_rfc_says() {
        let framing =
            |head: &str, method: &str| Head::new(head.as_bytes()).framing(method.as_bytes());
        assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "GET"), Framing::Length(5));
        assert_eq!(framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", "HEAD"), Framing::Length(0));
        assert_eq!(framing("HTTP/1.1 304 NM\r\nContent-Length: 5\r\n", "GET"), Framing::Length(0));
        assert_eq!(
            framing("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n", "GET"),
            Framing::UntilClose
        );
        assert_eq!(
            framing("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n", "GET"),
            Framing::UntilClose
        );
        assert_eq!(
            framing("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n", "GET"),
            Framing::UntilClose
        );
        assert!(matches!(
            framing(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: CHUNKED\r\nContent-Length: 5\r\n",
                "GET"
            ),
            Framing::Chunked(_)
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            let _ = (head_end(&bytes, 0), Head::new(&bytes).framing(b"GET"), Head::new(&bytes).values("a"));
        }
    }
}
