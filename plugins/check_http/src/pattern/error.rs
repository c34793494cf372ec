//! Messages about invalid patterns.

/// Why a pattern is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant describes it")]
pub enum BadPattern {
    #[error("( without )")]
    OpenGroup,
    #[error("[ without ]")]
    OpenBracket,
    #[error("{{ without }}")]
    OpenCount,
    #[error("no count between {{ and }}")]
    BadCount,
    #[error("nothing to repeat before *, +, ? or {{")]
    NothingToRepeat,
    #[error("no such [:class:]")]
    BadClass,
    #[error("no such [.element.]")]
    BadElement,
    #[error("a range ends before it starts")]
    BadRange,
    #[error("backslash at the end")]
    OpenEscape,
    #[error("back-references such as \\1 are not supported")]
    BackReference,
    #[error("pattern is too large")]
    TooBig,
}
