//! Manual pages. clap_mangen writes the options. The sections after them come from the text that
//! follows the options in `--help`.

use std::fs;
use std::io;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use handle_repair::verdict::Verdict;
use ledger::{RepairOutcome, StepKind};
use policy::ReasonCode;

use crate::programs::{self, programs};
use crate::{families, markdown};

/// Files on the Nagios server that the programs use.
const SERVER: [(&str, &str); 5] = [
    ("/etc/nagios-selfheal/policy.json", "the policy, which defines the repairs"),
    (
        "/etc/nagios-selfheal/id_ed25519",
        "the private key for the gates, readable only by Nagios' user",
    ),
    (
        "/etc/nagios-selfheal/known_hosts",
        "the host keys of the repaired hosts, recorded by repairctl trust",
    ),
    (
        "/var/lib/nagios-selfheal/ledger/",
        "the ledger, which holds the reservations and records of all repairs",
    ),
    (
        "/usr/libexec/nagios-selfheal/repair_worker",
        "the worker, which reserves, runs, verifies and records a repair; handle_repair starts the \
         worker with its own arguments",
    ),
];

/// Files on a repaired host that the gate uses.
const HOST: [(&str, &str); 4] = [
    ("/etc/nagios-selfheal/repairs.json", "the repairs that the gate can run"),
    (
        "/etc/sudoers.d/nagios-selfheal",
        "the sudo rules, which repair-gate-sudoers.service generates from repairs.json",
    ),
    ("/var/lib/nagios-selfheal/gate/", "the gate's records and its lock file"),
    (
        "/var/lib/nagios-selfheal/home/.ssh/authorized_keys",
        "the public keys that give access to the gate; root owns this file if the package has \
         created the account",
    ),
];

/// A Markdown document that becomes a manual page.
struct Document {
    name: &'static str,
    section: &'static str,
    text: &'static str,
    /// Entries in the section FILES. If there are none, the page has no such section.
    files: &'static [(&'static str, &'static str)],
}

impl Document {
    /// Returns the name by which other pages refer to this page, for example `nagios-selfheal(7)`.
    fn title(&self) -> String {
        format!("{}({})", self.name, self.section)
    }
}

const DOCUMENTS: [Document; 2] = [
    Document {
        name: "nagios-selfheal-policy",
        section: "5",
        text: include_str!("../policy.md"),
        files: &SERVER,
    },
    Document {
        name: "nagios-selfheal",
        section: "7",
        text: include_str!("../guide.md"),
        files: &[],
    },
];

/// A manual page, ready to be written to a file.
pub struct Page {
    /// File name of the page, for example `repairctl-lint.1`.
    pub file: String,
    /// Source text in roff.
    pub text: Vec<u8>,
}

/// Writes all pages into `directory`.
pub fn write(directory: &Path) -> io::Result<()> {
    all()?.into_iter().try_for_each(|page| fs::write(directory.join(page.file), page.text))
}

/// Returns a page for every program, every repairctl command and every document.
pub fn all() -> io::Result<Vec<Page>> {
    let mut commands = Vec::new();
    for mut program in programs() {
        program.build();
        add(&mut commands, program);
    }
    let mut names: Vec<String> = commands.iter().map(|one| format!("{}(1)", name(one))).collect();
    names.push("repair_gate(8)".into());
    names.extend(DOCUMENTS.iter().map(Document::title));
    let mut pages = commands
        .into_iter()
        .map(|command| page(command, &names))
        .collect::<io::Result<Vec<_>>>()?;
    pages.push(gate(&names)?);
    for document in &DOCUMENTS {
        pages.push(written(document, &names)?);
    }
    Ok(pages)
}

/// Appends all visible subcommands of `command`, then `command` itself.
fn add(commands: &mut Vec<Command>, command: Command) {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        add(commands, below.clone());
    }
    commands.push(command);
}

fn name(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn page(mut command: Command, names: &[String]) -> io::Result<Page> {
    let name = name(&command);
    let after =
        command.get_after_long_help().or_else(|| command.get_after_help()).map(ToString::to_string);
    let has_commands = command.has_subcommands();
    let usage = command.render_usage().to_string();
    let mut table = Roff::default();
    if name == programs::CHECK_HTTP {
        families::section(&mut table, &command);
    }
    let man = Man::new(command).source(source()).manual("nagios-selfheal");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    let mut synopsis = Roff::default();
    synopsis.control("SH", ["SYNOPSIS"]);
    synopsis.control("nf", []);
    for line in usage.trim_start_matches("Usage:").lines() {
        synopsis.text([roman(line.trim())]);
    }
    synopsis.control("fi", []);
    synopsis.to_writer(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if has_commands {
        man.render_subcommands_section(&mut text)?;
    }
    let mut rest = Roff::default();
    sections(&mut rest, "NOTES", &after.unwrap_or_default());
    if name == "handle_repair" {
        all_words(&mut rest);
    }
    if name == "repairctl" {
        sections(&mut rest, "JSON", repairctl::JSON_FORM);
    }
    rest.extend([table]);
    end(&mut rest, &format!("{name}(1)"), &SERVER, names);
    rest.to_writer(&mut text)?;
    Ok(Page { file: format!("{name}.1"), text })
}

/// Writes the sections that list the words that scripts can match in output, in the ledger and in
/// JSON.
fn all_words(roff: &mut Roff) {
    let verdicts = Verdict::ALL.iter().map(|word| (word.as_str(), word.about()));
    words(roff, "FIRST WORDS", verdicts);
    let reasons = ReasonCode::ALL.iter().map(|word| (word.as_str(), word.about()));
    words(roff, "REASONS FOR NO ACTION", reasons);
    let outcomes = RepairOutcome::ALL.iter().map(|word| (word.as_str(), word.about()));
    words(roff, "OUTCOMES ON RECORD", outcomes);
    let steps = StepKind::ALL.iter().map(|word| (word.as_str(), word.about()));
    words(roff, "STEPS ON RECORD", steps);
}

fn words<'a>(roff: &mut Roff, title: &str, words: impl Iterator<Item = (&'a str, &'a str)>) {
    roff.control("SH", [title]);
    for (word, about) in words {
        roff.control("TP", []);
        roff.text([bold(word)]);
        roff.text([roman(about)]);
    }
}

/// Returns the gate's page. The gate does not use clap, so its page consists of its help text.
fn gate(names: &[String]) -> io::Result<Page> {
    let (about, rest) = repair_gate::HELP.split_once("\n\n").unwrap_or((repair_gate::HELP, ""));
    let mut roff = Roff::default();
    roff.control("TH", ["repair_gate", "8", "", &source(), "nagios-selfheal"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman(about.replacen(": ", " - ", 1).replace('\n', " ").trim_end_matches('.'))]);
    sections(&mut roff, "DESCRIPTION", rest);
    end(&mut roff, "repair_gate(8)", &HOST, names);
    let mut text = Vec::new();
    roff.to_writer(&mut text)?;
    Ok(Page { file: "repair_gate.8".into(), text })
}

/// Returns the page for a Markdown document.
fn written(document: &Document, names: &[String]) -> io::Result<Page> {
    let mut roff = Roff::default();
    roff.control("TH", [document.name, document.section, "", &source(), "nagios-selfheal"]);
    markdown::render(&mut roff, document.text);
    end(&mut roff, &document.title(), document.files, names);
    let mut text = Vec::new();
    roff.to_writer(&mut text)?;
    Ok(Page { file: format!("{}.{}", document.name, document.section), text })
}

fn source() -> String {
    format!("nagios-selfheal {}", env!("CARGO_PKG_VERSION"))
}

/// Converts help text to roff. A line such as `Examples:` starts a section. Indented lines keep
/// their line breaks.
fn sections(roff: &mut Roff, first: &str, text: &str) {
    let mut heading = Some(first.to_owned());
    let mut as_it_is = false;
    let mut after_blank = true;
    for line in text.lines() {
        let title = line
            .strip_suffix(':')
            .filter(|title| after_blank && !title.starts_with(' ') && title.len() < 30);
        after_blank = line.is_empty();
        if let Some(title) = title {
            heading = Some(title.to_uppercase());
            continue;
        }
        if line.starts_with(' ') != as_it_is && !line.is_empty() {
            if as_it_is {
                fill(roff)
            } else {
                keep(roff)
            }
            as_it_is = !as_it_is;
        }
        if let Some(heading) = heading.take_if(|_| !line.is_empty()) {
            roff.control("SH", [heading.as_str()]);
            if as_it_is {
                // Switch to unfilled text again, because the heading has ended it.
                keep(roff);
            }
        } else if line.is_empty() {
            roff.control("PP", []);
        }
        if !line.is_empty() {
            roff.text([roman(line)]);
        }
    }
    if as_it_is {
        fill(roff);
    }
}

/// Starts unfilled text. The text starts at the left margin, because its lines can be as wide as a
/// terminal.
fn keep(roff: &mut Roff) {
    roff.control("RS", ["-7n"]);
    roff.control("nf", []);
}

fn fill(roff: &mut Roff) {
    roff.control("fi", []);
    roff.control("RE", []);
}

fn end(roff: &mut Roff, own: &str, files: &[(&str, &str)], names: &[String]) {
    if !files.is_empty() {
        roff.control("SH", ["FILES"]);
    }
    for (file, what) in files {
        roff.control("TP", []);
        roff.text([bold(*file)]);
        roff.text([roman(*what)]);
    }
    roff.control("SH", ["SEE ALSO"]);
    // Do not hyphenate the names, and do not stretch the spaces between them.
    roff.control("nh", []);
    roff.control("ad", ["l"]);
    let others: Vec<&str> = names.iter().map(String::as_str).filter(|name| *name != own).collect();
    roff.text([roman(others.join(", "))]);
}
