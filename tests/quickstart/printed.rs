//! What doctor prints, and the commands in it.

use std::time::Duration;

use e2e::{Machine, Site};

/// A finding of doctor as it is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printed {
    /// Its host; `this server` for the server.
    pub about: String,
    pub verdict: String,
    pub check: String,
    pub text: String,
    /// The line below it, after `fix: `.
    pub fix: String,
}

/// Exit code and findings of `repairctl doctor`.
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

/// A command in a text for people, and where it says it is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub account: Account,
    pub place: Place,
    pub line: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account {
    Root,
    /// A person who may use sudo, with keys of their own.
    Yourself,
    Nagios,
}

/// The machine that a text names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Web1,
    /// Where the text was printed.
    Here,
}

/// How a text names an account in front of a command.
const ACCOUNTS: [(&str, Account); 4] = [
    ("as root: ", Account::Root),
    ("as root here: ", Account::Root),
    ("as yourself: ", Account::Yourself),
    ("as the user Nagios runs as: ", Account::Nagios),
];

/// Returns the command in a line: in backticks, or else at the end of the line, which may be a text
/// in quotes. Nothing for words alone.
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

/// Returns the command of the first line that has one, or that ends with what the gate's own texts
/// tell root of the host to do.
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
    /// Pastes it at a terminal, and returns what that showed. Every question is answered with yes.
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

/// Waits until doctor finds nothing wrong with what this is about any more: a daemon that was
/// started needs a moment.
pub fn is_gone(site: &Site, options: &str, finding: &Printed) -> bool {
    let same = |found: &Printed| {
        found.verdict != "ok" && (&found.about, &found.check) == (&finding.about, &finding.check)
    };
    e2e::within(Duration::from_secs(20), || {
        (!doctor(&site.server, options).1.iter().any(same)).then_some(())
    })
    .is_some()
}

/// Waits until all is well again, and returns what is not.
pub fn unwell(site: &Site) -> Vec<Printed> {
    let mut last = Vec::new();
    e2e::within(Duration::from_secs(20), || {
        let (_, findings) = doctor(&site.server, "");
        last = findings.into_iter().filter(|found| found.verdict != "ok").collect();
        last.is_empty().then_some(())
    });
    last
}
