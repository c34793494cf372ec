//! Splits a command line into words and macros. Follows Nagios' rules and, for command lines that
//! Nagios runs in a shell, the shell's rules.

use policy::{spell, unspell};

use super::macros::{self, Dollar};

/// The quotes around a part of a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// No quotes.
    None,
    /// `'...'`: only macros are expanded.
    Single,
    /// `"..."`: macros are expanded, and a shell also expands `$(...)` and backticks.
    Double,
}

/// One word of a command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandWord {
    /// The word without its quotes and with unexpanded macros. Bytes that are not UTF-8 are encoded
    /// by [`spell`].
    pub text: String,
    /// Whether the word contains an unquoted shell operator: `|`, `&`, `;`, `<` or `>`.
    pub is_operator: bool,
}

/// A command line, split into words and macros.
#[derive(Debug, Default)]
pub struct CommandLine {
    pub words: Vec<CommandWord>,
    /// The byte offset of each `$` that opens a pair of `$`, and how Nagios interprets the pair.
    pub dollars: Vec<(usize, Dollar)>,
    /// The name of each macro, without `$`, and the quotes around the macro.
    pub macros: Vec<(String, Quote)>,
    /// Whether a closing quote is missing.
    pub unclosed: bool,
    /// Whether the line contains shell syntax, so Nagios runs it in a shell.
    pub needs_shell: bool,
}

/// Splits a command line. `line` must be encoded by [`spell`], as all strings from the
/// configuration are.
pub fn split(line: &str) -> CommandLine {
    let line = unspell(line);
    let mut found = CommandLine { dollars: macros::find(&line), ..CommandLine::default() };
    let mut macros = found.dollars.clone().into_iter().peekable();
    let mut word: Option<RawWord> = None;
    let mut quote = Quote::None;
    let mut bytes = line.iter().copied().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (byte, quote) {
            (b'\'', Quote::None) => quote = Quote::Single,
            (b'"', Quote::None) => quote = Quote::Double,
            (b'\'', Quote::Single) | (b'"', Quote::Double) => quote = Quote::None,
            (b' ' | b'\t', Quote::None) => {
                found.words.extend(word.take().map(RawWord::spelled));
                continue;
            }
            (b'\\', Quote::None | Quote::Double) => {
                word.get_or_insert_default().bytes.extend(bytes.next().map(|(_, escaped)| escaped));
                continue;
            }
            _ => {
                while macros.next_if(|(place, _)| *place < at).is_some() {}
                if let Some((_, Dollar::Macro(name))) = macros.next_if(|(place, _)| *place == at) {
                    found.macros.push((name, quote));
                }
                let own = word.get_or_insert_default();
                let is_shell = |these: &[u8]| quote == Quote::None && these.contains(&byte);
                own.is_operator |= is_shell(b"|&;<>");
                found.needs_shell |=
                    is_shell(b"|&;<>`()*?~{}[]!#") || quote == Quote::Double && byte == b'`';
                own.bytes.push(byte);
                continue;
            }
        }
        word.get_or_insert_default();
    }
    found.words.extend(word.map(RawWord::spelled));
    found.unclosed = quote != Quote::None;
    found
}

/// A word that is still being read.
#[derive(Default)]
struct RawWord {
    bytes: Vec<u8>,
    is_operator: bool,
}

impl RawWord {
    fn spelled(self) -> CommandWord {
        CommandWord { text: spell(&self.bytes), is_operator: self.is_operator }
    }
}

/// Expands macros and returns the bytes that Nagios passes to the program. A macro stays unexpanded
/// if `value` returns `None` for its name. `text` and the values must be encoded by [`spell`].
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> Vec<u8> {
    let text = unspell(text);
    let (mut filled, mut done) = (Vec::new(), 0);
    for (at, dollar) in macros::find(&text) {
        let (value, length) = match dollar {
            Dollar::Escaped => (b"$".to_vec(), 2),
            Dollar::Macro(name) => match value(&name) {
                Some(value) => (unspell(&value), unspell(&name).len() + 2),
                None => continue,
            },
            Dollar::Text(_) | Dollar::Last => continue,
        };
        filled.extend_from_slice(text.get(done..at).unwrap_or_default());
        filled.extend_from_slice(&value);
        done = at + length;
    }
    filled.extend_from_slice(text.get(done..).unwrap_or_default());
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_words_as_nagios_does() {
        let line =
            split(r#"$USER1$/x  '$HOSTNAME$ a' "b $X:y$ $SERVICEDESC$"\ c '' >> /tmp/log 2>&1"#);
        let texts: Vec<&str> = line.words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(
            texts,
            ["$USER1$/x", "$HOSTNAME$ a", "b $X:y$ $SERVICEDESC$ c", "", ">>", "/tmp/log", "2>&1"]
        );
        assert_eq!(line.words.iter().filter(|word| word.is_operator).count(), 2);
        let macros: Vec<(&str, Quote)> =
            line.macros.iter().map(|(name, quote)| (name.as_str(), *quote)).collect();
        assert_eq!(
            macros,
            [("USER1", Quote::None), ("HOSTNAME", Quote::Single), ("SERVICEDESC", Quote::Double)]
        );
        assert!(line.needs_shell && !line.unclosed);
        assert!(split("a 'b c").unclosed);
        assert!(!split("a 'b (c)' $X$").needs_shell);
    }

    #[test]
    fn splits_bytes_that_are_not_utf_8() {
        let line = split(r"-p Gr\xF6\xDFe.json '\x5Cx41' \x5Cx41");
        let texts: Vec<&str> = line.words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["-p", r"Gr\xF6\xDFe.json", r"\x5Cx41", "x41"]);
    }

    #[test]
    fn leaves_unknown_macros_unexpanded() {
        let value = |name: &str| (name == "ARG1").then(|| r"$ARG1$\xF6".to_owned());
        assert_eq!(fill("x$ARG1$$ARG2$ $$", value), b"x$ARG1$\xf6$ARG2$ $");
        assert_eq!(fill("a$b $ARG1$", value), b"a$b $ARG1$");
    }
}
