//! Bytes and system errors as text. What is unsafe in a text is cleaned when it is printed.

/// Decodes UTF-8, or latin-1 if `bytes` are not valid UTF-8, so that no byte is lost.
pub fn decode(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes)
        .map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}

/// Whether `hay` contains `needle`; always true for an empty needle.
pub fn contains(hay: &[u8], needle: &[u8]) -> bool {
    find(hay, needle).is_some()
}

/// Position of the first `needle` in `hay`.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(hay, needle)
}

/// The system's text for an error, without the number that std appends.
pub fn io_error(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// The system's text for an unusable file, or that of `safe_file`, which names the file.
pub fn file_error(error: &safe_file::Error) -> String {
    match error {
        safe_file::Error::Io { why, .. } => io_error(why),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_utf8_and_latin1() {
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
}
