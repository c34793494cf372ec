//! A macro for enums whose variants have fixed names in the ledger, in JSON and in output that
//! scripts match.

/// Defines an enum with a fixed word for each variant. The macro also requires documentation for
/// each variant, because the manual pages list that documentation next to the word.
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
            /// All variants, in the order of their definition.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// Returns the variant's word.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            /// Returns the variant's documentation.
            pub fn about(self) -> &'static str {
                match self {
                    $($name::$variant => concat!($($doc),+).trim_ascii_start(),)+
                }
            }

            /// Returns the variant with this word, or `None` if there is none.
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
