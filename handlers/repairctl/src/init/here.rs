//! This server's side: directories, key and policy, each with its owner. What is there is never touched.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown, lchown};
use std::path::Path;
use std::process::{Command, Stdio};

use plugin_kit::{Out, Problem};
use serde_json::{Value, json};

use super::recipe::Recipe;
use crate::nagios::{Account, MainFile};

/// What is to be there.
pub struct Here<'a> {
    /// policy.json; key and known_hosts stand beside it.
    pub policy: &'a Path,
    /// The ledger's directory.
    pub dir: &'a Path,
    /// As whom Nagios runs.
    pub account: &'a Account,
    /// Its main configuration.
    pub main: Option<&'a MainFile>,
}

impl Here<'_> {
    /// The private key.
    pub fn key(&self) -> std::path::PathBuf {
        self.policy.with_file_name("id_ed25519")
    }

    /// Makes what is missing.
    pub fn set_up(&self, recipes: &[Recipe], out: &mut Out) -> Result<(), Problem> {
        let Account { uid, gid, .. } = *self.account;
        let configuration = self.policy.parent().unwrap_or(Path::new("/"));
        self.directory(configuration, 0, out)?;
        if let Some(parent) = self.dir.parent().filter(|parent| !parent.exists()) {
            // Root's, and open to all, so that a gate on this same machine can keep its records below it.
            DirBuilder::new().mode(0o755).create(parent).map_err(|why| failed(parent, why))?;
            told(true, parent, "directory, root 755", out);
        }
        self.directory(self.dir, uid, out)?;
        self.new_key(&self.key(), out)?;
        let text = policy_text(self, recipes);
        handle_repair::config::parse(text.as_bytes(), self.policy).map_err(|bad| Problem::Internal(bad.to_string()))?;
        let made = clear_packaged(self.policy).and_then(|()| new_file(self.policy, &text, 0o640, (0, gid)));
        let made = made.map_err(|why| failed(self.policy, why))?;
        told(made, self.policy, &format!("the rules, root:{} 640", self.account.group), out);
        Ok(())
    }

    fn directory(&self, path: &Path, owner: u32, out: &mut Out) -> Result<(), Problem> {
        let whose = if owner == 0 { "root" } else { &self.account.name };
        let made = match DirBuilder::new().mode(0o750).create(path) {
            Err(why) if why.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
            Err(why) => Err(why),
            Ok(()) => lchown(path, Some(owner), Some(self.account.gid))
                .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o750)))
                .map(|()| true),
        };
        let made = made.map_err(|why| failed(path, why))?;
        told(made, path, &format!("directory, {whose}:{} 750", self.account.group), out);
        Ok(())
    }

    /// By ssh-keygen(1), which every server with an ssh client has.
    fn new_key(&self, path: &Path, out: &mut Out) -> Result<(), Problem> {
        let public = path.with_added_extension("pub");
        let is_there = path.exists();
        if !is_there && public.exists() {
            return Err(Problem::Usage(format!(
                "{} is there without its private key {}: put that back, or remove the public one for a new pair",
                public.display(),
                path.display()
            )));
        }
        if !is_there {
            let mut keygen = Command::new("/usr/bin/ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "nagios-selfheal", "-f"]).arg(path);
            let done = keygen.stdin(Stdio::null()).output();
            let done = done.map_err(|why| {
                Problem::Usage(format!("/usr/bin/ssh-keygen: {why}; install your distribution's openssh-client, then come back"))
            })?;
            if !done.status.success() {
                let why = String::from_utf8_lossy(&done.stderr).into_owned();
                return Err(Problem::Usage(format!("ssh-keygen made no key at {}: {why}", path.display())));
            }
            for file in [path, &public] {
                lchown(file, Some(self.account.uid), Some(self.account.gid)).map_err(|why| failed(file, why))?;
            }
        }
        told(!is_there, path, &format!("the private key, {} 600", self.account.name), out);
        Ok(())
    }
}

fn failed(path: &Path, why: io::Error) -> Problem {
    Problem::Usage(format!("cannot make {}: {why}", path.display()))
}

fn told(made: bool, path: &Path, what: &str, out: &mut Out) {
    let path = path.display();
    out.line(if made { format!("made  {path} ({what})") } else { format!("kept  {path}: it is there already") });
}

/// The policy as the package brings it: it names no repair, so it is nothing to be kept.
const PACKAGED: &str = include_str!("../../../../packaging/policy.json");

/// Makes way for the first policy.
fn clear_packaged(path: &Path) -> io::Result<()> {
    match fs::read(path) {
        Ok(text) if text == PACKAGED.as_bytes() => fs::remove_file(path),
        Err(why) if why.kind() != ErrorKind::NotFound => Err(why),
        _ => Ok(()),
    }
}

/// Whole or not at all; whether it was made.
fn new_file(path: &Path, text: &str, mode: u32, owner: (u32, u32)) -> io::Result<bool> {
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(why) if why.kind() == ErrorKind::AlreadyExists => return Ok(false),
        opened => opened?,
    };
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| fchown(&file, Some(owner.0), Some(owner.1)))
        .and_then(|()| file.set_permissions(fs::Permissions::from_mode(mode)))
        .and_then(|()| file.sync_all());
    if written.is_err() {
        let _ = fs::remove_file(path);
    }
    written.map(|()| true)
}

fn policy_text(here: &Here<'_>, recipes: &[Recipe]) -> String {
    let mut policy = serde_json::Map::new();
    for name in ["command_file", "status_file"] {
        let place = here.main.and_then(|main| main.get(name)).filter(|place| place.starts_with('/'));
        policy.extend(place.map(|place| (name.to_owned(), json!(place))));
    }
    policy.insert("ledger".into(), json!(here.dir.join("ledger.sqlite")));
    let known_hosts = here.policy.with_file_name("known_hosts");
    policy.insert("ssh".into(), json!({"user": "repair", "key": here.key(), "known_hosts": [known_hosts]}));
    let repairs = recipes.iter().map(|recipe| (recipe.name.to_string(), recipe.for_policy()));
    policy.insert("repairs".into(), Value::Object(repairs.collect()));
    format!("{:#}\n", Value::Object(policy))
}
