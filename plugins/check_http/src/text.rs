//! Bytes from the net as text for a person. What is dangerous in them is cleaned later, when they
//! are printed.

/// `bytes` as text: as UTF-8 where they are UTF-8, else as latin-1, so that no byte is lost or
/// refused.
pub fn of(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes)
        .map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
}

/// Whether `needle` stands in `hay`. An empty needle stands everywhere.
pub fn contains(hay: &[u8], needle: &[u8]) -> bool {
    find(hay, needle).is_some()
}

/// Where `needle` first stands in `hay`.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(hay, needle)
}

/// The system's word for an error, without the number std appends.
pub fn plain(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// The system's word for why a file cannot be used, or our own, which names the file.
pub fn reason(error: safe_file::Error) -> String {
    match error {
        safe_file::Error::Io { why, .. } => plain(&why),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_utf8_or_as_latin1() {
        assert_eq!(of("é".as_bytes()), "é");
        assert_eq!(of(b"caf\xe9"), "café");
    }

    #[test]
    fn needles_are_found() {
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
