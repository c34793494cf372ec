//! Makes a host's output safe to log and to print.

/// How many characters of a host's output a message shows.
const SHOWN: usize = 160;

/// Makes text from a host safe to log and to print on a terminal. Replaces control characters,
/// which can end lines or start escape sequences, and characters that reorder text.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c == '\t' {
                ' '
            } else if is_unsafe(c) {
                '?'
            } else {
                c
            }
        })
        .collect()
}

pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

/// Returns the beginning of a host's output for a message, without unsafe characters.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let head = bytes.get(..SHOWN * 4).unwrap_or(bytes);
    let text = String::from_utf8_lossy(head);
    let mut shown: String = clean(text.trim()).chars().take(SHOWN).collect();
    if text.trim().chars().count() > SHOWN || head.len() < bytes.len() {
        shown.push('…');
    }
    shown
}

/// Quotes untrusted text. Unsafe characters and double quotes in the text are replaced, so that the
/// text cannot close the quotes.
pub fn in_quotes(text: &str) -> String {
    format!("\"{}\"", clean(text).replace('"', "'"))
}

/// Returns the beginning of a host's output, quoted by [`in_quotes`].
pub(crate) fn quoted(bytes: &[u8]) -> String {
    in_quotes(&excerpt(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makes_text_safe_to_print() {
        assert_eq!(clean("a\x1b[31m\n\u{202e}b\tc\u{9b}"), "a?[31m??b c?");
        assert!(excerpt(&[b'x'; 5000]).chars().count() <= SHOWN + 1);
        assert_eq!(quoted(b"it's\"; run \n"), "\"it's'; run\"");
    }
}
