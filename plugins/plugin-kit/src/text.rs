//! What hostile text may not do to a line of plugin output.

/// `text` as it may stand in a line for Nagios: `|` would begin perfdata, a newline another line,
/// and control characters or bidirectional marks could disguise what is shown. `|` becomes `/`, the
/// others a blank.
pub fn clean(text: &str) -> String {
    text.chars().map(clean_char).collect()
}

/// `text` as it may stand in a line for people or in JSON: as [`clean`] leaves it, but `|` stays.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c == '|' { c } else { clean_char(c) }).collect()
}

/// Breaks a cleaned text that begins in column `margin` into rows for a terminal with this many
/// columns, each of them indented by `margin`. The terminal itself breaks none, so no text gets to
/// the beginning of a row, where it could pass for ours.
pub fn wrapped(text: &str, columns: usize, margin: usize) -> String {
    let room = columns.saturating_sub(margin + 1).max(20);
    let (mut rows, mut used) = (String::new(), 0);
    for c in text.chars() {
        // No character is wider than two columns.
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

/// As [`clean`], but newlines (of either kind) and tabs stay.
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

/// The marks of Unicode's bidirectional algorithm (UAX #9), which reorder what a person reads.
fn is_bidi_mark(c: char) -> bool {
    matches!(c, '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_server_says_cannot_add_perfdata_lines_or_colours() {
        assert_eq!(clean("200 OK|time=9\n\x1b[31mCRITICAL"), "200 OK/time=9  [31mCRITICAL");
    }

    proptest! {
        #[test]
        fn nothing_dangerous_survives_and_nothing_else_changes(text in any::<String>()) {
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
