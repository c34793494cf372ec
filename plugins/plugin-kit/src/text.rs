//! Cleans untrusted text for a line of plugin output.

/// Makes `text` safe in a line for Nagios: `|` would start perfdata, a newline another line, and
/// control characters or bidirectional marks could disguise the output. `|` becomes `/`, the others
/// become blanks.
pub fn clean(text: &str) -> String {
    text.chars().map(clean_char).collect()
}

/// Makes `text` safe in a line for people or in JSON: like [`clean`], but keeps `|`.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c == '|' { c } else { clean_char(c) }).collect()
}

/// Wraps a cleaned text that starts in column `margin` for a terminal with this many columns, and
/// indents every row by `margin`. So the terminal wraps no row itself, and no text gets to the
/// start of a row, where it could look like our own output.
pub fn wrapped(text: &str, columns: usize, margin: usize) -> String {
    let room = columns.saturating_sub(margin + 1).max(20);
    let (mut rows, mut used) = (String::new(), 0);
    for c in text.chars() {
        // At most two columns for any other character.
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

/// Like [`clean`], but keeps tabs and newlines, with or without a carriage return.
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
    fn removes_perfdata_lines_and_colours() {
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
