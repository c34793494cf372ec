//! Messages about invalid patterns.

/// Why a pattern is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the message of each variant describes it")]
pub enum BadPattern {
    #[error("a ( has no matching )")]
    OpenGroup,
    #[error("a [ has no matching ]")]
    OpenBracket,
    #[error("a {{ has no matching }}")]
    OpenCount,
    #[error("there is no valid count between {{ and }}")]
    BadCount,
    #[error("there is nothing to repeat before *, +, ? or {{")]
    NothingToRepeat,
    #[error("unknown character class in [: :]")]
    BadClass,
    #[error("unknown element in [. .] or [= =]")]
    BadElement,
    #[error("a range in brackets ends before it starts")]
    BadRange,
    #[error("the pattern ends with a backslash")]
    OpenEscape,
    #[error("back-references such as \\1 are not supported")]
    BackReference,
    #[error("the pattern is too large")]
    TooBig,
}
