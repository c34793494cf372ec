//! The manual page of policy.json, generated from the chapter "policy.json" of README.md.

use std::io;

use clap_mangen::roff::{Inline, Roff, bold, roman};

/// Name of the manual page.
pub const NAME: &str = "nagios-selfheal-policy";

const README: &str = include_str!("../../../README.md");

/// Writes the page from its title to the end of the chapter.
pub fn page(roff: &mut Roff, source: &str) -> io::Result<()> {
    roff.control("TH", [NAME, "5", "", source, "nagios-selfheal"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(format!(
        "{NAME} - format of /etc/nagios-selfheal/policy.json, the rules of handle_repair"
    ))]);
    roff.control("SH", ["DESCRIPTION"]);
    let chapter =
        README.split("\n## policy.json\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let chapter =
        chapter.ok_or_else(|| io::Error::other("README.md has no chapter policy.json"))?;
    for line in chapter.trim().lines() {
        match (line.strip_prefix("    "), line.strip_prefix("| ")) {
            (Some(code), _) => {
                roff.control("nf", []);
                roff.text([roman(code)]);
                roff.control("fi", []);
            }
            (None, Some(row)) if row.starts_with('`') => key(roff, row),
            (None, Some(_)) => {}
            (None, None) if line.is_empty() => drop(roff.control("PP", [])),
            (None, None) => drop(roff.text([plain(line)])),
        }
    }
    Ok(())
}

/// Writes a row of the table, which has the columns key, default and description.
fn key(roff: &mut Roff, row: &str) {
    let mut cells = row.trim_end_matches('|').splitn(3, '|').map(str::trim);
    let mut cell = || cells.next().unwrap_or_default();
    let (key, default, what) = (cell(), cell(), cell());
    roff.control("TP", []);
    let default = if default.is_empty() {
        String::new()
    } else {
        format!(" [default: {}]", default.replace('`', ""))
    };
    roff.text([bold(key.replace('`', "")), roman(default)]);
    roff.text([plain(what)]);
}

fn plain(text: &str) -> Inline {
    roman(text.replace('`', ""))
}
