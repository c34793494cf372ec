//! Text that was made of foreign bytes and will be printed or logged.

/// Whether `text` is one line that does nothing but stand there: no control characters (which end
/// lines and begin escape sequences), nothing that reorders what is read (the marks of Unicode's
/// bidirectional algorithm, UAX #9).
pub(crate) fn is_harmless(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() || reorders(c))
}

fn reorders(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether `needle` stands in `hay`.
pub(crate) fn holds(hay: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || hay.windows(needle.len()).any(|window| window == needle)
}

/// The first line of `bytes`, and what follows it.
pub(crate) fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at(end);
    (line, rest.get(1..).unwrap_or_default())
}
