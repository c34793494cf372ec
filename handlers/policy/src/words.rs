//! Enums whose variants are words: of the record, of JSON, of output that scripts match.

/// Defines an enum with one word for each variant. The manual pages list the words with the
/// variants' documentation. A new variant cannot be written without its word and a sentence.
#[macro_export]
macro_rules! words {
    ($(#[$attribute:meta])* $visible:vis enum $name:ident {
        $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+
    }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visible enum $name {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl $name {
            /// All of them, in the order of their definition.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            /// The documentation of the word.
            pub fn about(self) -> &'static str {
                match self {
                    $($name::$variant => concat!($($doc),+).trim_ascii_start(),)+
                }
            }

            /// Reads a word; `None` when it is not one of these.
            pub fn from_word(word: &str) -> Option<$name> {
                $name::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
