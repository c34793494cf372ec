//! Splits a configuration file into lines as Nagios does (`mmap_fgets_multiline` and
//! `xodtemplate_process_config_file` in Nagios Core 4.4.6). Lines are bytes, because the file can
//! have any encoding.

use std::borrow::Cow;
use std::io::{self, BufRead};

use memchr::{memchr_iter, memmem};
use policy::spell;

/// Reads the lines of a configuration file one at a time, so that a file of hundreds of megabytes
/// takes no more memory than its longest line.
pub struct ConfigurationLines<R> {
    file: R,
    /// Whether a backslash at the end of a line joins it with the next line.
    pub joins: bool,
    line: Vec<u8>,
    /// Line number, counted from 1, of the first physical line in `line`.
    number: u32,
    /// Number of physical lines read so far.
    read: u32,
    is_unread: bool,
}

impl<R: BufRead> ConfigurationLines<R> {
    /// Creates a reader for `file`, with `joins` set.
    pub fn new(file: R) -> ConfigurationLines<R> {
        let line = Vec::new();
        ConfigurationLines { file, joins: true, line, number: 0, read: 0, is_unread: false }
    }

    /// Returns the next line with the number of its first physical line, counted from 1. A
    /// backslash at the end of a line joins it with the next line, whose leading blanks are
    /// removed. Two backslashes at the end stand for one backslash.
    ///
    /// # Errors
    /// Fails if the file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<(u32, &[u8])>> {
        if !std::mem::take(&mut self.is_unread) {
            self.line.clear();
            self.number = self.read + 1;
            if !self.physical()? {
                return Ok(None);
            }
            while self.joins && self.goes_on() && self.physical()? {}
        }
        Ok(Some((self.number, &self.line)))
    }

    /// Makes the next call to [`ConfigurationLines::next_line`] return the same line again.
    pub fn unread(&mut self) {
        self.is_unread = true;
    }

    /// Appends the next physical line to `line`. Leaves out leading blanks if the physical line
    /// continues the previous one. Returns false at the end of the file.
    fn physical(&mut self) -> io::Result<bool> {
        let start = self.line.len();
        let is_first = self.read + 1 == self.number;
        if self.file.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(false);
        }
        self.read += 1;
        for end in [b"\n", b"\r"] {
            if self.line.get(start..).is_some_and(|added| added.ends_with(end)) {
                self.line.pop();
            }
        }
        if !is_first {
            let added = self.line.get(start..).unwrap_or_default();
            let blanks = added.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
            self.line.drain(start..start + blanks);
        }
        Ok(true)
    }

    /// Removes a trailing backslash from the line. Returns whether the backslash joins the line
    /// with the next one.
    fn goes_on(&mut self) -> bool {
        let is_escaped = self.line.ends_with(br"\\");
        let is_marked = self.line.len() > 1 && self.line.ends_with(br"\");
        if is_marked {
            self.line.pop();
        }
        is_marked && !is_escaped
    }
}

/// Returns the lines of `text`, each encoded with [`policy::spell`] so that no byte is lost.
pub fn logical(text: &[u8]) -> impl Iterator<Item = (u32, String)> {
    let mut lines = ConfigurationLines::new(text);
    std::iter::from_fn(move || {
        let (number, line) = lines.next_line().ok()??;
        Some((number, spell(line)))
    })
}

/// Splits a line of an object file into its text and its comment. A comment begins at the first `;`
/// without a backslash before it.
pub fn without_comment(line: &[u8]) -> (Cow<'_, [u8]>, Option<&[u8]>) {
    let is_escaped = |at: usize| at.checked_sub(1).and_then(|at| line.get(at)) == Some(&b'\\');
    let comment = memchr_iter(b';', line).find(|at| !is_escaped(*at));
    match comment.and_then(|at| line.split_at_checked(at)) {
        Some((kept, cut)) => (unescaped(kept), Some(cut)),
        None => (unescaped(line), None),
    }
}

fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    const ESCAPE: &[u8] = br"\;";
    let text = stripped(text);
    let (mut whole, mut done) = (Vec::new(), 0);
    for at in memmem::find_iter(text, ESCAPE) {
        whole.extend_from_slice(text.get(done..at).unwrap_or_default());
        done = at + 1;
    }
    match done {
        0 => text.into(),
        _ => [whole.as_slice(), text.get(done..).unwrap_or_default()].concat().into(),
    }
}

/// Removes leading and trailing blanks as Nagios does. A no-break space is kept, because Nagios
/// treats it as part of a name.
pub fn stripped(text: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let begin = text.iter().position(|byte| !is_blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_blank(byte)).map_or(begin, |last| last + 1);
    text.get(begin..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_every_byte_of_a_line() {
        let bytes = b"Gr\xf6\xdfe C:\\xfade \\\n\xa0;x\n";
        let lines: Vec<_> = logical(bytes).collect();
        assert_eq!(lines, [(1, r"Gr\xF6\xDFe C:\x5Cxfade \xA0;x".to_owned())]);
        assert_eq!(stripped(b" HTTP\xc2\xa0\t"), b"HTTP\xc2\xa0");
    }

    #[test]
    fn joins_lines_at_a_backslash() {
        let lines = |text: &'static [u8]| logical(text).collect::<Vec<_>>();
        let wanted = [(1, "a bc"), (4, "d\\"), (5, "\\"), (6, "e")];
        let wanted = wanted.map(|(number, text)| (number, text.to_owned()));
        assert_eq!(lines(b"a \\\n   b\\\r\n\tc\r\nd\\\\\n\\\ne"), wanted);
        assert_eq!(lines(b"x \\"), [(1, "x ".to_owned())]);
        assert_eq!(lines(b"\\x\\\n41"), [(1, r"\x5Cx41".to_owned())]);
    }

    #[test]
    fn begins_a_comment_at_an_unescaped_semicolon() {
        let split = |line: &'static [u8]| {
            let (text, cut) = without_comment(line);
            (spell(&text), cut.map(spell))
        };
        assert_eq!(split(br" a\; b ; c; d"), ("a; b".into(), Some("; c; d".into())));
        assert_eq!(split(br"a\;\;b\;"), ("a;;b;".into(), None));
        assert_eq!(split(b";x"), (String::new(), Some(";x".into())));
        assert_eq!(split(b"a b"), ("a b".into(), None));
    }

    proptest! {
        #[test]
        fn finds_the_same_lines_in_small_reads(text in r"[a\\\n\r ;]{0,60}", size in 1_usize..9) {
            let mut lines =
                ConfigurationLines::new(BufReader::with_capacity(size, text.as_bytes()));
            let mut found = Vec::new();
            while let Some((number, line)) = lines.next_line().unwrap() {
                found.push((number, spell(line)));
            }
            prop_assert_eq!(found, logical(text.as_bytes()).collect::<Vec<_>>());
        }

        #[test]
        fn reads_all_physical_lines_of_an_object_cache(text in r"[a\\\n\r ;]{0,60}") {
            let mut lines = ConfigurationLines::new(text.as_bytes());
            lines.joins = false;
            for (number, wanted) in (1..).zip(text.split_terminator('\n')) {
                let wanted = wanted.strip_suffix('\r').unwrap_or(wanted);
                prop_assert_eq!(lines.next_line().unwrap(), Some((number, wanted.as_bytes())));
            }
            prop_assert_eq!(lines.next_line().unwrap(), None);
        }
    }
}
