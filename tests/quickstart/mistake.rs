//! Mistakes that an admin can make, doctor's findings about them, and their fixes.

use e2e::{Machine, Site};

use crate::printed::{Command, command, doctor, is_gone, next_command};

/// A mistake during setup or operation.
pub struct Mistake {
    pub name: &'static str,
    /// Names of the enum variants for the fixes that doctor prints for this mistake.
    pub fixes: &'static [&'static str],
    pub on: On,
    pub plant: &'static str,
    pub check: &'static str,
    pub text: &'static str,
    /// How the printed fix starts.
    pub fix: &'static str,
    pub deed: Deed,
    /// Script that restores the machine after the fix.
    pub undo: &'static str,
}

#[derive(Clone, Copy)]
pub enum On {
    Server,
    Web1,
}

/// What an admin does with the fix.
#[derive(Clone, Copy)]
pub enum Deed {
    /// Paste the command. If its output contains another command, paste that command, and then
    /// paste the first one again.
    Paste,
    /// Run this script. The fix describes a change but contains no command.
    Words(On, &'static str),
    /// Run this script, then paste the command.
    WordsThenPaste(On, &'static str),
}

pub fn machine(site: &Site, on: On) -> &Machine {
    match on {
        On::Server => &site.server,
        On::Web1 => &site.web1,
    }
}

impl Mistake {
    /// Makes the mistake, applies the fix, and checks that doctor no longer reports the mistake.
    /// On failure, returns a description of what went wrong.
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

/// Pastes the command. If it fails and its output contains another command, pastes that command,
/// and then pastes the first one again.
fn paste(command: &Command, site: &Site) -> String {
    let (done, mut screen) = command.paste(site, &site.server);
    if let Some(next) = next_command(&screen).filter(|_| !done) {
        screen.push_str(&next.paste(site, &site.server).1);
        screen.push_str(&command.paste(site, &site.server).1);
    }
    screen
}
