//! Texts as HTML.

/// Returns a text from outside as HTML, cleaned of characters that could disguise it.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in plugin_kit::clean(text).chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Returns the same, cut to at most `length` characters.
pub fn shorten(text: &str, length: usize) -> String {
    match text.chars().count() > length {
        true => escape(&text.chars().take(length - 1).chain(['…']).collect::<String>()),
        false => escape(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_markup() {
        assert_eq!(escape("<script>\"'&\n\u{202e}"), "&lt;script&gt;&quot;&#39;&amp;  ");
        assert_eq!(shorten("<<<<", 3), "&lt;&lt;…");
    }
}
