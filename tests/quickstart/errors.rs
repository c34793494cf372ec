//! Tests that the commands in error messages, and in the next steps that programs print, work as
//! printed. doctor's fixes have separate tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use e2e::{Site, shipped};
use proc_macro2::{TokenStream, TokenTree};

use crate::boot;
use crate::errors_table::{ERRORS, NOT_FOR_PASTING, PastedError, Then};
use crate::mistake::machine;
use crate::printed::{command, doctor, is_gone, next_command};

impl PastedError {
    fn is_fixed(&self, site: &Site) -> Result<(), String> {
        let at = machine(site, self.on);
        at.must(self.plant);
        let (_, screen) = at.typed(self.call);
        let lines = screen.split_once(self.text).map(|(_, rest)| [self.text, rest].concat());
        let command = lines.as_deref().and_then(next_command);
        let result = match command {
            None => Err(format!("no command after '{}' in\n{screen}", self.text)),
            Some(command) => {
                let (done, mut pasted) = command.paste(site, at);
                let works = match self.then {
                    Then::CallAgain => {
                        let (done, again) = at.typed(self.call);
                        pasted.push_str(&again);
                        done && !again.contains(self.text)
                    }
                    Then::Instead(proof) => done && at.root(proof).status.success(),
                };
                works.then_some(()).ok_or(format!("{command:?} did not help:\n{screen}\n{pasted}"))
            }
        };
        let undone = at.root(self.undo).status.success();
        let result = result.and_then(|()| undone.then_some(()).ok_or("not undone".to_owned()));
        result.map_err(|why| format!("{}: {why}", self.name))
    }
}

#[test]
fn every_command_in_errors_works_as_printed() {
    let site = boot();
    site.follow_readme();
    site.web1.must("systemctl start apache2");
    let mut missed = Vec::new();
    for error in ERRORS {
        println!("{}", error.name);
        missed.extend(error.is_fixed(&site).err());
    }
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));
    println!(
        "{} commands in errors pasted; {} texts with a command word that is not for pasting",
        ERRORS.len(),
        NOT_FOR_PASTING.len()
    );
}

/// Words that show that a message contains a shell command.
const WORDS: [&str; 12] = [
    "chmod ",
    "chown ",
    "rm ",
    "mv ",
    "install -d",
    "ssh-keygen",
    "runuser ",
    "systemctl ",
    "visudo",
    "sudo ",
    "repairctl trust",
    "sed -i",
];

/// A new message that contains a command needs a test, or a reason why it has none.
#[test]
fn every_message_with_command_has_a_test_or_reason() {
    let mut unknown = Vec::new();
    let mut used = BTreeMap::new();
    for (file, text) in literals() {
        let is_command = WORDS.iter().any(|word| {
            text.match_indices(word).any(|(at, _)| {
                !text.get(..at).unwrap_or_default().ends_with(|c: char| c.is_alphanumeric())
            })
        });
        // doctor's fixes have separate tests, and help texts need no test.
        let is_advice = file.to_string_lossy().ends_with("advice.rs");
        if !is_command || is_advice || file.ends_with("args.rs") {
            continue;
        }
        let pasted = ERRORS.iter().map(|error| error.source);
        let known = pasted.chain(NOT_FOR_PASTING.iter().map(|(part, _)| *part));
        match known.into_iter().find(|part| text.contains(part)) {
            Some(part) => *used.entry(part).or_insert(0) += 1,
            None => unknown.push(format!("{}: {text:?}", file.display())),
        }
    }
    assert!(unknown.is_empty(), "no test pastes\n{}", unknown.join("\n"));
    let unused: Vec<&str> = NOT_FOR_PASTING.iter().map(|(part, _)| *part).collect();
    let unused: Vec<&str> = unused.into_iter().filter(|part| !used.contains_key(part)).collect();
    assert!(unused.is_empty(), "not in the source: {unused:?}");
}

/// Returns the string literals in the sources of all programs, including those in attributes but
/// not those in tests.
fn literals() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for top in ["handlers", "plugins"] {
        for package in fs::read_dir(shipped(top)).unwrap() {
            walk(&package.unwrap().path().join("src"), &mut found);
        }
    }
    found
}

fn walk(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            let source = fs::read_to_string(&path).unwrap();
            collect(source.parse().unwrap(), &path, found);
        }
    }
}

fn collect(tokens: TokenStream, path: &Path, found: &mut Vec<(PathBuf, String)>) {
    let mut before = [String::new(), String::new()];
    let mut is_test = false;
    for token in tokens {
        let text = token.to_string();
        match token {
            TokenTree::Group(group) => {
                is_test |= before[1] == "#" && text.replace(' ', "") == "[cfg(test)]";
                match group.delimiter() {
                    // Skip the test module.
                    proc_macro2::Delimiter::Brace if is_test => is_test = false,
                    _ => collect(group.stream(), path, found),
                }
            }
            // Skip doc comments.
            TokenTree::Literal(_) if before == ["doc", "="] => {}
            TokenTree::Literal(literal) => {
                if let Ok(literal) = syn::parse_str::<syn::LitStr>(&literal.to_string()) {
                    found.push((path.to_owned(), literal.value()));
                }
            }
            TokenTree::Punct(_) | TokenTree::Ident(_) => {}
        }
        before = [std::mem::take(&mut before[1]), text];
    }
}

/// If `init` cannot log in to a host, it prints a script. The script must set the host up when an
/// admin pastes it on the host.
#[test]
fn printed_script_sets_a_host_up() {
    let site = boot();
    let (done, shown) = site.server.typed("sudo repairctl init --repair httpd:apache2");
    let shown = shown.replace('\r', "");
    let (_, script) = shown.split_once("\n(\n").unwrap();
    let (script, _) = script.split_once("\n)\n").unwrap();
    assert!(
        done && shown.contains("copy\n/usr/libexec/nagios-selfheal/repair_gate to "),
        "{shown}"
    );
    site.web1.must("install -D -m 755 -t /usr/libexec/nagios-selfheal /parts/repair_gate");
    site.web1.must(&format!("cat > /tmp/pasted <<'END_OF_PASTED'\n(\n{script}\n)\nEND_OF_PASTED"));
    let (done, screen) = site.web1.typed("sudo --login bash /tmp/pasted");
    assert!(done, "{screen}");
    let (done, _) = site.server.typed("sudo repairctl trust web1");
    let (_, doctor) = site.server.typed("sudo repairctl doctor web1");
    assert!(done && doctor.contains("httpd: its program exists, and sudo lets"), "{doctor}");
}

/// Nagios accepts almost any host name, so a fix must quote it for the shell.
#[test]
fn hostile_host_name_stays_one_word() {
    let site = boot();
    site.follow_readme();
    site.server.must(
        r#"sed -i "s|\"repairs\": {|\"hosts\": {\"it's; touch /tmp/owned\": {\"address\": \"192.0.2.2\"}}, \"repairs\": {|" /etc/nagios-selfheal/policy.json
        chgrp nagios /etc/nagios-selfheal/policy.json; rm /etc/nagios-selfheal/known_hosts"#,
    );
    let (_, findings) = doctor(&site.server, "");
    let found =
        findings.iter().find(|found| found.about.starts_with("it's") && !found.fix.is_empty());
    let found = found.unwrap_or_else(|| panic!("{findings:#?}"));
    assert_eq!(found.fix, r"as root: repairctl trust 'it'\''s; touch /tmp/owned'");
    let (done, screen) = command(&found.fix).unwrap().paste(&site, &site.server);
    assert!(done && is_gone(&site, "", found), "{screen}");
    assert!(!site.server.root("test -e /tmp/owned").status.success());
}
