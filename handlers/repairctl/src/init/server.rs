//! Sets this server up: directories, key and policy, each with its owner. What is there already is
//! kept.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, fchown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use plugin_kit::{Out, Problem};
use privsep::Account;
use safe_file::Directory;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::InitError;
use super::merge::{MergedFile, merge};
use super::recipe::{self, Recipe};
use crate::ui::question;

/// Settings of Nagios' main configuration, read by Nagios' own user.
#[derive(Serialize, Deserialize)]
pub struct NagiosSettings {
    /// The user that Nagios runs as.
    pub user: Option<String>,
    /// The pipe that Nagios reads commands from.
    pub command_file: Option<String>,
    /// The file that Nagios writes its status to.
    pub status_file: Option<String>,
}

/// The files of this server, and their owner.
pub struct ServerSetup<'a> {
    /// policy.json; key and known_hosts are in the same directory.
    pub policy: &'a Path,
    /// The ledger's directory.
    pub ledger_directory: &'a Path,
    /// The account that Nagios runs as.
    pub account: &'a Account,
    /// What the policy takes over from Nagios.
    pub nagios: &'a NagiosSettings,
}

impl ServerSetup<'_> {
    /// Returns the path of the private key.
    pub fn key(&self) -> PathBuf {
        self.policy.with_file_name("id_ed25519")
    }

    /// Makes everything that is missing.
    pub fn set_up(&self, recipes: &[Recipe], out: &mut Out) -> Result<(), Problem> {
        let Account { uid, gid, group, .. } = self.account;
        let configuration = self.policy.parent().unwrap_or(Path::new("/"));
        self.directory(configuration, (0, "root"), out)?;
        if let Some(parent) = self.ledger_directory.parent().filter(|parent| !parent.exists()) {
            // It is root's, and open to all, so that a gate on this machine can keep its records
            // below it.
            let made = parent_directory(parent)?.create_dir(name(parent), 0o755);
            made.map_err(|why| failed(parent, why))?;
            print_result(true, parent, "directory, root 755", out);
        }
        self.directory(self.ledger_directory, (*uid, &self.account.name), out)?;
        let opened = Directory::open(configuration);
        let configuration = opened.map_err(|why| failed(configuration, why))?;
        self.new_key(&configuration, out)?;
        let text = policy_text(self, recipes);
        policy_file::parse(text.as_bytes(), self.policy)
            .map_err(|bad| Problem::Internal(bad.to_string()))?;
        let made = new_policy(&configuration, name(self.policy), &text, *gid)
            .map_err(|why| failed(self.policy, why))?;
        print_result(made, self.policy, &format!("the rules, root:{group} 640"), out);
        Ok(())
    }

    /// Makes a directory unless it is there. Root gives it away by its descriptor.
    fn directory(
        &self,
        path: &Path,
        (owner, whose): (u32, &str),
        out: &mut Out,
    ) -> Result<(), InitError> {
        let is_there = match Directory::open(path) {
            Ok(_) => true,
            // It is Nagios' own, from an earlier run.
            Err(safe_file::Error::Exposed { path: exposed, owner: theirs, .. })
                if exposed == path && theirs == owner =>
            {
                true
            }
            Err(why) if why.kind() == ErrorKind::NotFound => false,
            Err(why) => return Err(failed(path, why)),
        };
        if !is_there {
            let made = parent_directory(path)?
                .create_dir(name(path), 0o750)
                .and_then(|made| made.give_to(owner, self.account.gid));
            made.map_err(|why| failed(path, why))?;
        }
        let what = format!("directory, {whose}:{} 750", self.account.group);
        print_result(!is_there, path, &what, out);
        Ok(())
    }

    /// Makes the key with ssh-keygen(1), which every server with an ssh client has. Nobody else can
    /// put a link where it writes.
    fn new_key(&self, configuration: &Directory, out: &mut Out) -> Result<(), InitError> {
        let path = &self.key();
        let public = path.with_added_extension("pub");
        let [is_there, is_public] =
            [path, &public].map(|file| configuration.metadata(name(file)).is_ok());
        if !is_there && is_public {
            return Err(InitError::NoPrivateKey { public, private: path.to_owned() });
        }
        if !is_there {
            let mut keygen = Command::new("/usr/bin/ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "nagios-selfheal", "-f"]).arg(path);
            let done = keygen.stdin(Stdio::null()).output().map_err(InitError::NoKeygen)?;
            if !done.status.success() {
                let text = String::from_utf8_lossy(&done.stderr).into_owned();
                return Err(InitError::Keygen { path: path.to_owned(), text });
            }
            for file in [path, &public] {
                let made = configuration.open_file(name(file)).map_err(|why| failed(file, why))?;
                let Account { uid, gid, .. } = self.account;
                fchown(made, Some(*uid), Some(*gid)).map_err(|why| failed(file, why))?;
            }
        }
        print_result(!is_there, path, &format!("the private key, {} 600", self.account.name), out);
        Ok(())
    }
}

/// Opens the directory of `path`. Root makes nothing where another account could lead it elsewhere.
fn parent_directory(path: &Path) -> Result<Directory, InitError> {
    Directory::open(path.parent().unwrap_or(Path::new("/"))).map_err(|why| failed(path, why))
}

fn name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

fn failed(path: &Path, why: impl Into<io::Error>) -> InitError {
    InitError::Make { path: path.to_owned(), why: why.into() }
}

fn print_result(made: bool, path: &Path, what: &str, out: &mut Out) {
    let path = path.display();
    out.line(match made {
        true => format!("made  {path} ({what})"),
        false => format!("kept  {path}: it is there already"),
    });
}

/// The policy of the package: it has no repair, so it is not kept.
const PACKAGED: &str = include_str!("../../../../packaging/policy.json");

/// Makes the policy atomically unless one is there; returns whether it was made.
fn new_policy(directory: &Directory, name: &OsStr, text: &str, group: u32) -> io::Result<bool> {
    match directory.read(name, PACKAGED.len() as u64) {
        Ok(text) if text == PACKAGED.as_bytes() => directory.remove(name)?,
        Err(why) if !matches!(why.kind(), ErrorKind::NotFound | ErrorKind::FileTooLarge) => {
            return Err(why.into());
        }
        _ => {}
    }
    match directory.write_new(name, text.as_bytes(), 0o640, Some((0, group))) {
        Err(why) if why.kind() == ErrorKind::AlreadyExists => Ok(false),
        made => Ok(made.map(|()| true)?),
    }
}

/// Adds repairs that a kept policy lacks, after showing them and asking. Returns whether the policy
/// has all of them now.
pub fn add_repairs(
    policy: &Path,
    recipes: &[Recipe],
    yes: bool,
    out: &mut Out,
) -> Result<bool, Problem> {
    let directory = Directory::open(policy.parent().unwrap_or(Path::new("/")));
    let directory = directory.map_err(|why| failed(policy, why))?;
    let text = directory.read(name(policy), policy_file::LONGEST);
    let text = text.map_err(|why| failed(policy, why))?;
    let shown = policy.display().to_string();
    let merged = merge(&String::from_utf8_lossy(&text), &recipe::for_policy(recipes))
        .map_err(|why| InitError::Merge { place: shown.clone(), why })?;
    let Some(MergedFile { text, added }) = merged else { return Ok(true) };
    policy_file::parse(text.as_bytes(), policy).map_err(Problem::failed)?;
    out.line(format!("\nThe repairs of {shown} get\n{}", difference(&added)));
    let instead = format!("with --yes it is done without asking; {shown} was not changed");
    if !yes && !question::agrees("Add this?", &instead, out)? {
        out.line(format!("{shown} was not changed, and nothing else was done."));
        return Ok(false);
    }
    let found = directory.metadata(name(policy)).map_err(|why| failed(policy, why))?;
    let owner = Some((found.uid(), found.gid()));
    directory
        .replace(name(policy), text.as_bytes(), found.mode() & 0o7777, owner)
        .map_err(|why| failed(policy, why))?;
    out.line(format!("changed  {shown}"));
    Ok(true)
}

/// Each line marked as new.
pub fn difference(added: &str) -> String {
    added
        .lines()
        .map(|line| format!("  + {}", plugin_kit::clean(line)))
        .collect::<Vec<_>>()
        .join("\n")
}

fn policy_text(setup: &ServerSetup<'_>, recipes: &[Recipe]) -> String {
    let mut policy = serde_json::Map::new();
    for (name, place) in
        [("command_file", &setup.nagios.command_file), ("status_file", &setup.nagios.status_file)]
    {
        let place = place.as_ref().filter(|place| place.starts_with('/'));
        policy.extend(place.map(|place| (name.to_owned(), json!(place))));
    }
    policy.insert("ledger".into(), json!(setup.ledger_directory.join("ledger.sqlite")));
    let known_hosts = setup.policy.with_file_name("known_hosts");
    let ssh = json!({"user": "repair", "key": setup.key(), "known_hosts": [known_hosts]});
    policy.insert("ssh".into(), ssh);
    policy.insert("repairs".into(), Value::Object(recipe::for_policy(recipes)));
    format!("{:#}\n", Value::Object(policy))
}
