//! How an option is written on the command line, and how its values are stored.

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgAction};

/// How an option takes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueSyntax {
    /// The option is a flag without a value.
    Nothing,
    /// The value is attached or is the next word.
    Value,
    /// The value is optional and must be attached: `-S1.2`, `--ssl=1.2`.
    Attached,
}

/// An option's names and its value. The help is elsewhere, because every pointer in this table
/// slows down the start of the program.
#[derive(Debug, Clone, Copy)]
pub struct OptionSyntax {
    /// Letter of the short form, if the option has one.
    pub short: Option<char>,
    /// Long name without dashes.
    pub long: &'static str,
    /// Second long name, if the option has one.
    pub alias: Option<&'static str>,
    /// How the option takes a value.
    pub takes: ValueSyntax,
    /// Name of the value in the help.
    pub value_name: &'static str,
    /// Whether repeating the option has an effect.
    pub repeats: bool,
}

/// What the help says about an option.
#[derive(Debug, Clone, Copy, Default)]
pub struct OptionHelp {
    /// Heading below which the option is listed.
    pub heading: &'static str,
    /// The text, as one line that starts with a space.
    pub text: &'static str,
}

/// Defines a flag with the long name `long`. The methods of [`OptionSyntax`] add other names and a
/// value.
pub const fn option(long: &'static str) -> OptionSyntax {
    OptionSyntax {
        short: None,
        long,
        alias: None,
        takes: ValueSyntax::Nothing,
        value_name: "",
        repeats: false,
    }
}

impl OptionSyntax {
    /// Adds the letter of the short form.
    pub const fn short(mut self, letter: char) -> OptionSyntax {
        self.short = Some(letter);
        self
    }

    /// Adds a second long name.
    pub const fn alias(mut self, alias: &'static str) -> OptionSyntax {
        self.alias = Some(alias);
        self
    }

    /// Makes the option take a value.
    pub const fn value(mut self, name: &'static str) -> OptionSyntax {
        (self.takes, self.value_name) = (ValueSyntax::Value, name);
        self
    }

    /// Makes the option take an optional value.
    pub const fn optional_value(mut self, name: &'static str) -> OptionSyntax {
        (self.takes, self.value_name) = (ValueSyntax::Attached, name);
        self
    }

    /// Returns all long names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.long).chain(self.alias)
    }

    /// Converts the option for clap.
    pub fn arg(&self, help: OptionHelp) -> Arg {
        let action = match (self.takes, self.repeats) {
            (ValueSyntax::Nothing, false) => ArgAction::SetTrue,
            (ValueSyntax::Nothing, true) => ArgAction::Count,
            (_, false) => ArgAction::Set,
            (_, true) => ArgAction::Append,
        };
        let text = help.text.trim_start();
        let arg = Arg::new(self.long)
            .long(self.long)
            .short(self.short)
            .visible_aliases(self.alias)
            .action(action)
            .help_heading(help.heading)
            .help(text.strip_suffix('.').unwrap_or(text));
        match self.takes {
            ValueSyntax::Nothing => arg,
            ValueSyntax::Value => arg.value_name(self.value_name),
            ValueSyntax::Attached => {
                arg.value_name(self.value_name).num_args(0..=1).require_equals(true)
            }
        }
    }
}

/// An option on the command line.
#[derive(Debug, Clone)]
pub struct TypedOption {
    /// Definition of the option.
    pub option: &'static OptionSyntax,
    /// Value as typed, or `None` if the option was typed without a value.
    pub value: Option<OsString>,
}

impl TypedOption {
    /// Creates an option with a copy of its value.
    pub fn new(option: &'static OptionSyntax, value: Option<&OsStr>) -> TypedOption {
        TypedOption { option, value: value.map(OsStr::to_owned) }
    }
}

/// The type of an option's field in `Cli`.
pub trait OptionValue {
    /// Whether repeating the option has an effect.
    const REPEATS: bool;

    /// Stores an occurrence of the option. `value` is `None` if the option was given without one.
    fn add(&mut self, value: Option<OsString>);
}

/// A flag.
impl OptionValue for bool {
    const REPEATS: bool = false;

    fn add(&mut self, _: Option<OsString>) {
        *self = true;
    }
}

/// The number of times that a flag is given.
impl OptionValue for u8 {
    const REPEATS: bool = true;

    fn add(&mut self, _: Option<OsString>) {
        *self = self.saturating_add(1);
    }
}

/// The last value. It is empty if the option was given without its optional value.
impl OptionValue for Option<OsString> {
    const REPEATS: bool = false;

    fn add(&mut self, value: Option<OsString>) {
        *self = Some(value.unwrap_or_default());
    }
}

/// All values, in the order of the command line.
impl OptionValue for Vec<OsString> {
    const REPEATS: bool = true;

    fn add(&mut self, value: Option<OsString>) {
        self.extend(value);
    }
}

/// Defines the options: the struct `Cli`, which holds their values, and the table `OPTIONS`. The
/// doc comment of an option is also its help. `["TEXT"]` is the heading of the options that follow.
macro_rules! options {
    ($(
        [$heading:literal]
        $(
            $(#[doc = $help:literal])+
            $field:ident: $type:ty = $long:literal $(.$method:ident($argument:literal))*;
        )+
    )+) => {
        /// The values of the options on the command line.
        #[derive(Debug, Default)]
        #[allow(clippy::struct_excessive_bools, reason = "each bool is a command line flag")]
        pub struct Cli {
            $($($(#[doc = $help])+ pub $field: $type,)+)+
        }

        impl Cli {
            /// Stores an occurrence of the option with this long name.
            pub fn add(&mut self, long: &str, value: Option<OsString>) {
                use $crate::cli::syntax::OptionValue;
                match long {
                    $($($long => self.$field.add(value),)+)+
                    _ => {}
                }
            }
        }

        /// All options, in the order of the help.
        pub static OPTIONS: &[OptionSyntax] = &[$($(OptionSyntax {
            repeats: <$type as $crate::cli::syntax::OptionValue>::REPEATS,
            ..option($long)$(.$method($argument))*
        },)+)+];

        /// Returns the help of the option with this long name.
        fn described(long: &str) -> OptionHelp {
            match long {
                $($($long => OptionHelp { heading: $heading, text: concat!($($help),+) },)+)+
                _ => OptionHelp::default(),
            }
        }
    };
}
pub(super) use options;

/// Formats a parsed command line for comparison: the options, `--` and the operands.
#[cfg(test)]
pub fn shown((options, operands): &(Vec<TypedOption>, Vec<OsString>)) -> String {
    let mut words = Vec::new();
    for TypedOption { option, value } in options {
        let value = value.as_ref().map(|value| format!("={}", value.to_string_lossy()));
        words.push(format!("--{}{}", option.long, value.unwrap_or_default()));
    }
    words.push("--".into());
    words.extend(operands.iter().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}
