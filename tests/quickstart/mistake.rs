//! A mistake, how doctor names it, and what its fix does.

use e2e::{Machine, Site};

use crate::printed::{Command, command, doctor, is_gone, next_command};

/// A mistake during setup or operation.
pub struct Mistake {
    pub name: &'static str,
    /// The fixes that doctor names for it, by their variants.
    pub fixes: &'static [&'static str],
    pub on: On,
    pub plant: &'static str,
    pub check: &'static str,
    pub text: &'static str,
    /// The beginning of the printed fix.
    pub fix: &'static str,
    pub deed: Deed,
    /// What brings the machine back to where it was, after the fix.
    pub undo: &'static str,
}

#[derive(Clone, Copy)]
pub enum On {
    Server,
    Web1,
}

/// How an admin follows the fix.
#[derive(Clone, Copy)]
pub enum Deed {
    /// Pastes its command; and if that names another one, pastes that, then the first one again.
    Paste,
    /// Does what the words say: there is no command.
    Words(On, &'static str),
    /// Does what the words say, then pastes the command.
    WordsThenPaste(On, &'static str),
}

pub fn machine(site: &Site, on: On) -> &Machine {
    match on {
        On::Server => &site.server,
        On::Web1 => &site.web1,
    }
}

impl Mistake {
    /// Plants it, follows the fix, and looks whether it is gone. Returns what went wrong.
    pub fn is_fixed(&self, site: &Site) -> Result<(), String> {
        machine(site, self.on).must(self.plant);
        let result = self.follow(site);
        machine(site, self.on).must(self.undo);
        result.map_err(|why| format!("{}: {why}", self.name))
    }

    fn follow(&self, site: &Site) -> Result<(), String> {
        let (_, findings) = doctor(&site.server, "");
        let named = findings.iter().find(|found| {
            found.check == self.check
                && found.text.contains(self.text)
                && found.fix.starts_with(self.fix)
        });
        let named = named.ok_or_else(|| format!("not named: {findings:#?}"))?;
        let command = command(&named.fix);
        let screen = match (self.deed, command) {
            (Deed::Paste, Some(command)) => paste(&command, site),
            (Deed::Words(on, script), None) => machine(site, on).must(script),
            (Deed::WordsThenPaste(on, script), Some(command)) => {
                machine(site, on).must(script);
                paste(&command, site)
            }
            (_, command) => return Err(format!("{} has {command:?}", named.fix)),
        };
        match is_gone(site, "", named) {
            true => Ok(()),
            false => Err(format!("still there after {}\n{screen}", named.fix)),
        }
    }
}

/// Pastes the command, after any command that its output names as the next step.
fn paste(command: &Command, site: &Site) -> String {
    let (done, mut screen) = command.paste(site, &site.server);
    if let Some(next) = next_command(&screen).filter(|_| !done) {
        screen.push_str(&next.paste(site, &site.server).1);
        screen.push_str(&command.paste(site, &site.server).1);
    }
    screen
}
