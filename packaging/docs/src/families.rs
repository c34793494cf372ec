//! The table of options of check_http and of the plugins that it replaces.

use check_http::FAMILIES;
use clap::Command;
use clap_mangen::roff::{Roff, roman};

/// Width of the first column.
const OPTION: usize = 37;

/// Writes the section with the table for the options of `command`. There is a row for each option,
/// and a column for each plugin.
pub fn section(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["OPTIONS OF OTHER PLUGINS"]);
    roff.text([roman(
        "Command lines of the following plugins work unchanged. A dash means that the plugin does \
         not have the option. tests/quirks.md in the source describes the deliberate differences.",
    )]);
    roff.control("PP", []);
    roff.control("RS", ["-7n"]);
    roff.control("nf", []);
    let names = FAMILIES.iter().map(|family| family.name);
    roff.text([roman(row("", names))]);
    for argument in command.get_arguments() {
        let Some(long) = argument.get_long() else { continue };
        let aliases = argument.get_visible_aliases().unwrap_or_default();
        for (name, short) in std::iter::once((long, argument.get_short()))
            .chain(aliases.into_iter().map(|alias| (alias, None)))
        {
            let has = FAMILIES.iter().map(|family| if family.has(name) { "yes" } else { "-" });
            roff.text([roman(row(&option(name, short), has))]);
        }
    }
    roff.control("fi", []);
    roff.control("RE", []);
}

fn option(long: &str, short: Option<char>) -> String {
    short.map_or_else(|| format!("    --{long}"), |letter| format!("-{letter}, --{long}"))
}

fn row<'a>(first: &str, cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.map(|cell| format!("{cell:<14}")).collect();
    format!("{first:<OPTION$}{}", cells.concat()).trim_end().to_owned()
}
