//! Splits a configuration file into lines in the same way as Nagios (`mmap_fgets_multiline` and
//! `xodtemplate_process_config_file` in Nagios Core 4.4.6). Lines are kept in the spelling of
//! names, so no byte is lost.

use policy::spell;

/// Returns the logical lines of a file, each with the number of its first physical line, from 1. A
/// backslash at the end of a line joins it with the next line, without the leading blanks of that
/// line. Two backslashes at the end stand for one backslash.
pub fn logical(bytes: &[u8]) -> Vec<(u32, String)> {
    let mut all = Vec::new();
    let mut open: Option<(u32, String)> = None;
    for (number, physical) in physical(bytes) {
        let (first, mut line) = match open.take() {
            Some((first, line)) => (first, line + physical.trim_start_matches([' ', '\t'])),
            None => (number, physical),
        };
        if line.ends_with(r"\\") {
            line.pop();
        } else if line.len() > 1 && line.ends_with('\\') {
            line.pop();
            open = Some((first, line));
            continue;
        }
        all.push((first, line));
    }
    all.extend(open);
    all
}

/// Returns the physical lines of a file, numbered from 1.
pub fn physical(bytes: &[u8]) -> impl Iterator<Item = (u32, String)> {
    let lines = bytes.split(|byte| *byte == b'\n');
    (1..).zip(lines.map(|line| spell(line.strip_suffix(b"\r").unwrap_or(line))))
}

/// Splits a line of an object file into its text and its comment. A comment begins at the first `;`
/// without a backslash before it.
pub fn without_comment(line: &str) -> (String, Option<String>) {
    let mut before = None;
    for (at, c) in line.char_indices() {
        if c == ';' && before != Some('\\') {
            let (kept, cut) = line.split_at(at);
            return (unescaped(kept), Some(cut.to_owned()));
        }
        before = Some(c);
    }
    (unescaped(line), None)
}

fn unescaped(text: &str) -> String {
    stripped(text).replace(r"\;", ";")
}

/// Removes the blanks around a text that Nagios removes. A no-break space is part of a name and
/// stays.
pub fn stripped(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_byte_of_a_line() {
        let bytes = b"Gr\xf6\xdfe C:\\xfade \\\n\xa0;x\n";
        let lines = logical(bytes);
        assert_eq!(lines[0], (1, r"Gr\xF6\xDFe C:\x5Cxfade \xA0;x".to_owned()));
        assert_eq!(without_comment(&lines[0].1).0, r"Gr\xF6\xDFe C:\x5Cxfade \xA0");
        assert_eq!(stripped(" HTTP\u{a0}\t"), "HTTP\u{a0}");
    }

    #[test]
    fn joins_lines_at_a_backslash() {
        let lines = logical(b"a \\\n   b\\\r\n\tc\r\nd\\\\\n\\\ne");
        let texts: Vec<(u32, &str)> =
            lines.iter().map(|(number, text)| (*number, text.as_str())).collect();
        assert_eq!(texts, [(1, "a bc"), (4, "d\\"), (5, "\\"), (6, "e")]);
        assert_eq!(logical(b"x \\"), [(1, "x ".to_owned())]);
    }

    #[test]
    fn begins_a_comment_at_an_unescaped_semicolon() {
        assert_eq!(without_comment(r" a\; b ; c; d"), ("a; b".into(), Some("; c; d".into())));
        assert_eq!(without_comment(";x"), (String::new(), Some(";x".into())));
        assert_eq!(without_comment("a b"), ("a b".into(), None));
    }
}
