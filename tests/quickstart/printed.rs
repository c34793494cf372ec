//! Parses doctor's output and the commands in it.

use std::time::Duration;

use e2e::{Machine, Site};

/// A finding as doctor prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// Name of the host, or `this server`.
    pub about: String,
    pub verdict: String,
    pub check: String,
    pub text: String,
    /// Text after `fix: ` on the next line, or an empty string.
    pub fix: String,
}

/// Runs `repairctl doctor` and returns its exit code and findings.
pub fn doctor(server: &Machine, options: &str) -> (i32, Vec<Printed>) {
    let done = server.root(&format!("repairctl doctor {options}"));
    let shown = String::from_utf8_lossy(&done.stdout).into_owned();
    let (mut findings, mut about) = (Vec::<Printed>::new(), String::new());
    for line in shown.lines() {
        if let Some(fix) = line.strip_prefix("        fix: ") {
            findings.last_mut().unwrap().fix = fix.to_owned();
        } else if let Some(finding) = line.strip_prefix("  ") {
            let (verdict, rest) = finding.split_at(6);
            let (check, text) = rest.split_at(14.min(rest.len()));
            let [verdict, check, text] = [verdict, check, text].map(|part| part.trim().to_owned());
            findings.push(Printed {
                about: about.clone(),
                verdict,
                check,
                text,
                fix: String::new(),
            });
        } else {
            about = line.to_owned();
        }
    }
    let code = done.status.code().unwrap();
    assert!(code < 2, "{shown}{}", String::from_utf8_lossy(&done.stderr));
    (code, findings)
}

/// A command in a message, with the account and the machine that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub account: Account,
    pub place: Place,
    pub line: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    Root,
    /// A person with sudo rights and their own SSH key.
    Yourself,
    Nagios,
}

/// The machine on which a command must run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Web1,
    /// The machine that printed the message.
    Here,
}

/// Phrases that come before a command in a message, and the account that each of them names.
const ACCOUNTS: [(&str, Account); 4] = [
    ("as root: ", Account::Root),
    ("as root here: ", Account::Root),
    ("as yourself: ", Account::Yourself),
    ("as the user Nagios runs as: ", Account::Nagios),
];

/// Returns the command in a line, or `None` if there is none. A command is in backticks, or it
/// takes up the rest of the line except for a closing quote.
pub fn command(line: &str) -> Option<Command> {
    let found = ACCOUNTS.into_iter().filter_map(|(mark, account)| {
        let (before, rest) = line.split_once(mark)?;
        Some((before, rest, account))
    });
    let (before, rest, account) = found.max_by_key(|(before, ..)| before.len())?;
    let line = match rest.strip_prefix('`') {
        Some(rest) => rest.split('`').next().unwrap_or_default(),
        None => rest.trim_end_matches("\"}").trim_end_matches('"'),
    };
    let place = if before.ends_with("on web1, ") { Place::Web1 } else { Place::Here };
    Some(Command { account, place, line: line.to_owned() })
}

/// Returns the command in the first line that contains one. A line from the gate can also end with
/// a chown or chmod command for root on the host.
pub fn next_command(screen: &str) -> Option<Command> {
    let of_gate = |line: &str| {
        let (_, found) = line.rsplit_once(": ")?;
        let is_one = ["chown ", "chmod "].iter().any(|word| found.starts_with(word));
        let line = found.to_owned();
        is_one.then_some(Command { account: Account::Root, place: Place::Web1, line })
    };
    screen.lines().map(str::trim_end).find_map(|line| command(line).or_else(|| of_gate(line)))
}

impl Command {
    /// Pastes the command into a terminal, and answers every question with yes. Returns whether the
    /// command succeeded, and the terminal's output.
    pub fn paste(&self, site: &Site, here: &Machine) -> (bool, String) {
        let machine = match self.place {
            Place::Web1 => &site.web1,
            Place::Here => here,
        };
        machine.must(&format!("cat > /tmp/pasted <<'END_OF_PASTED'\n{}\nEND_OF_PASTED", self.line));
        machine.typed(match self.account {
            Account::Root => "sudo --login bash /tmp/pasted",
            Account::Yourself => "bash /tmp/pasted",
            Account::Nagios => "sudo runuser -u nagios -- bash /tmp/pasted",
        })
    }
}

/// Returns whether a finding disappears within 20 s. A daemon that was just started needs some
/// time.
pub fn is_gone(site: &Site, options: &str, finding: &Printed) -> bool {
    let same = |found: &Printed| {
        found.verdict != "ok" && (&found.about, &found.check) == (&finding.about, &finding.check)
    };
    e2e::within(Duration::from_secs(20), || {
        (!doctor(&site.server, options).1.iter().any(same)).then_some(())
    })
    .is_some()
}

/// Waits up to 20 s until doctor finds no problem. Returns the remaining problems.
pub fn unwell(site: &Site) -> Vec<Printed> {
    let mut last = Vec::new();
    e2e::within(Duration::from_secs(20), || {
        let (_, findings) = doctor(&site.server, "");
        last = findings.into_iter().filter(|found| found.verdict != "ok").collect();
        last.is_empty().then_some(())
    });
    last
}
