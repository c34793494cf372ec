//! Splits a command line into words and macros, as Nagios does, or the shell that it starts if it
//! must.

/// The quotes around a part of a command line.
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
pub struct CommandWord {
    /// Without its quotes, macros as they are.
    pub text: String,
    /// Whether it begins a redirection, pipe or list, which is the shell's.
    pub is_operator: bool,
}

/// A command line.
#[derive(Debug, Default)]
pub struct CommandLine {
    /// Its words.
    pub words: Vec<CommandWord>,
    /// Each macro, without its `$`, and its quotes.
    pub macros: Vec<(String, Quote)>,
    /// Whether a quote is not closed.
    pub unclosed: bool,
    /// Whether only a shell understands it.
    pub needs_shell: bool,
}

/// Splits a command line.
pub fn split(line: &str) -> CommandLine {
    let mut found = CommandLine::default();
    let mut word: Option<CommandWord> = None;
    let mut quote = Quote::None;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        match (c, quote) {
            ('\'', Quote::None) => quote = Quote::Single,
            ('"', Quote::None) => quote = Quote::Double,
            ('\'', Quote::Single) | ('"', Quote::Double) => quote = Quote::None,
            (' ' | '\t', Quote::None) => {
                found.words.extend(word.take());
                continue;
            }
            ('\\', Quote::None | Quote::Double) => {
                if let Some((_, escaped)) = chars.next() {
                    word.get_or_insert_default().text.push(escaped);
                }
                continue;
            }
            _ => {
                if let Some(name) = line.get(at..).and_then(macro_at) {
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

/// Fills in macros; those that `value` does not know stay as they are, as in Nagios.
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
    fn keeps_unknown_macros() {
        let value = |name: &str| (name == "A").then(|| "$B$".to_owned());
        assert_eq!(fill("x$A$$B$ $ $$A$", value), "x$B$$B$ $ $$B$");
    }
}
