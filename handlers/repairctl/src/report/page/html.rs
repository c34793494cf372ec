//! Texts as HTML.

use super::super::format::cut;

/// Returns a text from outside as HTML, cleaned of characters that could disguise it.
pub fn escape(text: &str) -> String {
    let text = plugin_kit::clean(text).replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// Returns the same, cut to at most `length` characters.
pub fn shorten(text: &str, length: usize) -> String {
    escape(&cut(text, length, '…'))
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
