//! Invariants of printed and logged text that contains untrusted bytes.

/// Whether `text` is a single line that is safe to print. It must contain neither control
/// characters, which can end lines and start escape sequences, nor marks of Unicode's bidirectional
/// algorithm (UAX #9), which reorder text.
pub(crate) fn is_harmless(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || reorders(c))
}

fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether `hay` contains `needle`.
pub(crate) fn holds(hay: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || hay.windows(needle.len()).any(|window| window == needle)
}

/// Splits `bytes` after the first line. The newline itself is dropped.
pub(crate) fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(end);
    (line, rest.get(1..).unwrap_or_default())
}
