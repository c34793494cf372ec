//! Converts bytes and system errors to text. The text may contain unsafe characters, which are
//! replaced when it is printed.

/// Decodes `bytes` as UTF-8 or, if they are not valid UTF-8, as Latin-1, in which every byte is
/// valid.
pub fn decode(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes)
        .map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}

/// Whether `hay` contains `needle`. Always true for an empty needle.
pub fn contains(hay: &[u8], needle: &[u8]) -> bool {
    find(hay, needle).is_some()
}

/// Returns the position of the first occurrence of `needle` in `hay`.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(hay, needle)
}

/// Returns the system's message for an error, without the error number that std appends.
pub fn io_error(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// Returns the message for an unusable file. For an I/O error, this is the system's message, which
/// does not name the file. For other errors, it is safe_file's message, which names the file.
pub fn file_error(error: &safe_file::Error) -> String {
    match error {
        safe_file::Error::Io { why, .. } => io_error(why),
        other => other.to_string(),
    }
}

/// Encodes `bytes` in base64 (RFC 4648, section 4).
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter =
        |bits: u32| LETTERS.get(bits as usize & 63).map_or('=', |letter| char::from(*letter));
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for position in 0..4 {
            text.push(if position <= group.len() {
                letter(bits >> (18 - 6 * position))
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_utf8_or_latin1() {
        assert_eq!(decode("é".as_bytes()), "é");
        assert_eq!(decode(b"caf\xe9"), "café");
    }

    #[test]
    fn finds_needles() {
        for (hay, needle, expected) in [
            ("abcabd", "abd", Some(3)),
            ("ab", "abc", None),
            ("", "", Some(0)),
            ("aab", "ab", Some(1)),
            ("x", "x", Some(0)),
            ("xy", "z", None),
        ] {
            assert_eq!(find(hay.as_bytes(), needle.as_bytes()), expected, "{hay} {needle}");
        }
    }

    #[test]
    fn encodes_base64_as_in_rfc_4648() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
            ("\u{ff}~", "w79+"),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }
}
