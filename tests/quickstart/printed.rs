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
    pub on_web1: bool,
    /// As whoever may use sudo, with their own keys, and not as root.
    pub as_yourself: bool,
    pub line: String,
}

/// Returns the command at the end of a line; nothing for words alone.
pub fn command(line: &str) -> Option<Command> {
    let after = |mark: &str| line.rsplit_once(mark);
    let (before, line, as_yourself) = match (after("as root: "), after("as yourself: ")) {
        (_, Some((before, line))) => (before, line, true),
        (Some((before, line)), None) => (before, line, false),
        (None, None) => return None,
    };
    Some(Command { on_web1: before.ends_with("on web1, "), as_yourself, line: line.to_owned() })
}

/// Returns the command of the first line that has one, or that ends with what the gate's own texts
/// tell root of the host to do.
pub fn next_command(screen: &str) -> Option<Command> {
    let of_gate = |line: &str| {
        let (_, found) = line.rsplit_once(": ")?;
        let is_one = ["chown ", "chmod "].iter().any(|word| found.starts_with(word));
        is_one.then(|| Command { on_web1: true, as_yourself: false, line: found.to_owned() })
    };
    screen.lines().map(str::trim_end).find_map(|line| command(line).or_else(|| of_gate(line)))
}

impl Command {
    /// Pastes it at a terminal, and returns what that showed. Every question is answered with yes.
    pub fn paste(&self, site: &Site) -> (bool, String) {
        let machine = if self.on_web1 { &site.web1 } else { &site.server };
        if self.as_yourself {
            return machine.typed(&self.line);
        }
        machine.must(&format!("cat > /tmp/pasted <<'END_OF_PASTED'\n{}\nEND_OF_PASTED", self.line));
        machine.typed("sudo --login bash /tmp/pasted")
    }
}

/// Waits until doctor finds nothing wrong with what this is about any more: a daemon that was started needs a moment.
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
