//! Cleans untrusted text before it is printed.

/// Makes `text` safe for a line of plugin output. `|`, which would start perfdata, becomes `/`.
/// Newlines, which would start another line, become spaces. Control characters and bidirectional
/// marks, which could disguise the output, become spaces as well.
pub fn clean(text: &str) -> String {
    text.chars().map(clean_char).collect()
}

/// Makes `text` safe for a terminal or for JSON. Works like [`clean`], but keeps `|`.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c == '|' { c } else { clean_char(c) }).collect()
}

/// Wraps cleaned text for a terminal with `columns` columns. The text starts in column `margin`,
/// and every further row is indented by `margin`. Untrusted text therefore never appears at the
/// left edge, where it could look like our own output.
pub fn wrapped(text: &str, columns: usize, margin: usize) -> String {
    let room = columns.saturating_sub(margin + 1).max(20);
    let (mut rows, mut used) = (String::new(), 0);
    for c in text.chars() {
        // Count every character outside ASCII as two columns, which is the maximum width.
        let width = if c.is_ascii() { 1 } else { 2 };
        if used + width > room {
            rows.push('\n');
            rows.extend(std::iter::repeat_n(' ', margin));
            used = 0;
        }
        used += width;
        rows.push(c);
    }
    rows
}

/// Cleans `text` like [`clean`], but keeps tabs, newlines and carriage returns before a newline.
pub(crate) fn clean_lines(text: &str) -> String {
    let clean_line = |line: &str| {
        line.chars().map(|c| if matches!(c, '\n' | '\t') { c } else { clean_char(c) }).collect()
    };
    text.split("\r\n").map(clean_line).collect::<Vec<String>>().join("\r\n")
}

fn clean_char(c: char) -> char {
    match c {
        '|' => '/',
        c if c.is_control() || is_bidi_mark(c) || matches!(c, '\u{2028}' | '\u{2029}') => ' ',
        c => c,
    }
}

/// Whether `c` is a mark of Unicode's bidirectional algorithm (UAX #9), which reorders text.
fn is_bidi_mark(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}')
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn replaces_pipes_newlines_and_escape_codes() {
        assert_eq!(clean("200 OK|time=9\n\x1b[31mCRITICAL"), "200 OK/time=9  [31mCRITICAL");
    }

    proptest! {
        #[test]
        fn replaces_dangerous_characters_only(text in any::<String>()) {
            let cleaned = clean(&text);
            prop_assert!(!cleaned.chars().any(|c| c == '|' || c.is_control()));
            prop_assert_eq!(cleaned.chars().count(), text.chars().count());
            prop_assert_eq!(clean(&cleaned), cleaned.clone());
            for (before, after) in text.chars().zip(cleaned.chars()) {
                prop_assert!(before == after || after == ' ' || after == '/');
            }
        }
    }
}
