//! Escapes text for HTML.

use super::super::format::cut;

/// Escapes untrusted text for HTML. Also removes characters that could disguise the text.
pub fn escape(text: &str) -> String {
    let text = plugin_kit::clean(text).replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// Cuts a string to at most `length` characters, and escapes it for HTML.
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
