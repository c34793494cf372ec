//! The words of a command line, as Nagios (or the shell, which it asks when it must) splits them,
//! and the macros in them.

/// How a piece of a command line is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quote {
    /// Not at all.
    None,
    /// `'...'`: nothing is expanded but macros.
    Single,
    /// `"..."`: a shell expands `$(...)` and backticks in it.
    Double,
}

/// One word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word {
    /// Without its quotes, macros as they are.
    pub text: String,
    /// Whether it begins a redirection, pipe or list: a shell's, not the program's.
    pub is_operator: bool,
}

/// A command line.
#[derive(Debug, Default)]
pub struct Words {
    /// Its words.
    pub words: Vec<Word>,
    /// Each macro, without its `$`, and how it is quoted.
    pub macros: Vec<(String, Quote)>,
    /// A quote that is opened is never closed.
    pub unclosed: bool,
    /// It holds what only a shell understands.
    pub needs_shell: bool,
}

/// Splits a command line.
pub fn split(line: &str) -> Words {
    let mut found = Words::default();
    let mut word: Option<Word> = None;
    let mut quote = Quote::None;
    let mut chars = line.chars().peekable();
    let mut rest = line;
    while let Some(c) = chars.next() {
        let before = rest;
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
        match (c, quote) {
            ('\'', Quote::None) => quote = Quote::Single,
            ('"', Quote::None) => quote = Quote::Double,
            ('\'', Quote::Single) | ('"', Quote::Double) => quote = Quote::None,
            (' ' | '\t', Quote::None) => {
                found.words.extend(word.take());
                continue;
            }
            ('\\', Quote::None | Quote::Double) => {
                if let Some(escaped) = chars.next() {
                    rest = rest.get(escaped.len_utf8()..).unwrap_or_default();
                    word.get_or_insert_default().text.push(escaped);
                }
                continue;
            }
            _ => {
                if let Some(name) = macro_at(before) {
                    found.macros.push((name.to_owned(), quote));
                }
                let own = word.get_or_insert_default();
                if quote == Quote::None && "|&;<>".contains(c) {
                    own.is_operator = true;
                }
                found.needs_shell |= quote == Quote::None && "|&;<>`()*?~{}[]!#".contains(c)
                    || quote == Quote::Double && c == '`';
                own.text.push(c);
                continue;
            }
        }
        word.get_or_insert_default();
    }
    found.words.extend(word);
    found.unclosed = quote != Quote::None;
    found
}

/// The name of the macro that begins here: `$NAME$`.
fn macro_at(text: &str) -> Option<&str> {
    let (name, _) = text.strip_prefix('$')?.split_once('$')?;
    let is_name = |c: char| {
        c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '_' | ':' | '-' | '.')
    };
    (!name.is_empty() && name.chars().all(is_name)).then_some(name)
}

/// Fills macros in; what `value` does not know stays as it is, as in Nagios.
pub fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some(dollar) = rest.find('$') {
        let (before, at) = rest.split_at(dollar);
        filled.push_str(before);
        let known = macro_at(at).and_then(|name| Some((value(name)?, name.len() + 2)));
        let (text, length) = known.unwrap_or_else(|| ("$".to_owned(), 1));
        filled.push_str(&text);
        rest = at.get(length..).unwrap_or_default();
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_nagios_does() {
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
    fn unknown_macros_stay() {
        let value = |name: &str| (name == "A").then(|| "$B$".to_owned());
        assert_eq!(fill("x$A$$B$ $ $$A$", value), "x$B$$B$ $ $$B$");
    }
}
