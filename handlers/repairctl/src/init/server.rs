//! Sets up the Nagios server: creates the directories, the key and the policy, and sets their
//! owners. Keeps files that already exist.

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

/// Name of the file with the password for Icinga 2's API. It is next to the policy.
pub const API_PASSWORD: &str = "icinga2.password";

/// Settings from Nagios' main configuration, as read by the process that runs as Nagios' user.
#[derive(Serialize, Deserialize)]
pub struct NagiosSettings {
    /// Value of `nagios_user` in nagios.cfg, or `None` if the setting is missing.
    pub user: Option<String>,
    pub command_file: Option<String>,
    pub status_file: Option<String>,
    /// Name of this node in Icinga 2, or `None` if the server runs Nagios.
    pub icinga2: Option<String>,
}

/// The files to create on this server, and their owner.
pub struct ServerSetup<'a> {
    /// Path of policy.json. The key and known_hosts are in the same directory.
    pub policy: &'a Path,
    pub ledger_directory: &'a Path,
    /// The account that Nagios runs as.
    pub account: &'a Account,
    /// The Nagios settings that init copies into the policy.
    pub nagios: &'a NagiosSettings,
}

impl ServerSetup<'_> {
    /// Returns the path of the private key.
    pub fn key(&self) -> PathBuf {
        self.policy.with_file_name("id_ed25519")
    }

    /// Creates the files and directories that are missing.
    pub fn set_up(&self, recipes: &[Recipe], out: &mut Out) -> Result<(), Problem> {
        let Account { uid, gid, group, .. } = self.account;
        let configuration = self.policy.parent().unwrap_or(Path::new("/"));
        self.directory(configuration, (0, "root"), out)?;
        if let Some(parent) = self.ledger_directory.parent().filter(|parent| !parent.exists()) {
            // Create the parent directory with owner root and mode 755, because a gate on the same
            // machine also keeps its records there.
            let made = parent_directory(parent)?.create_dir(name(parent), 0o755);
            made.map_err(|why| failed(parent, why))?;
            print_result(true, parent, "directory, root 755", out);
        }
        self.directory(self.ledger_directory, (*uid, &self.account.name), out)?;
        let opened = Directory::open(configuration);
        let configuration = opened.map_err(|why| unreadable(configuration, why))?;
        self.new_key(&configuration, out)?;
        let text = policy_text(self, recipes);
        policy_file::parse(text.as_bytes(), self.policy)
            .map_err(|bad| Problem::Internal(bad.to_string()))?;
        let made = new_policy(&configuration, self.policy, &text, *gid)?;
        print_result(made, self.policy, &format!("policy, root:{group} 640"), out);
        Ok(())
    }

    /// Creates a directory unless it exists. Sets its owner through an open file descriptor,
    /// because another account could replace a directory in the path with a link.
    fn directory(
        &self,
        path: &Path,
        (owner, whose): (u32, &str),
        out: &mut Out,
    ) -> Result<(), InitError> {
        let is_there = match Directory::open(path) {
            Ok(_) => true,
            // An earlier run of init created this directory and gave it to Nagios' user. Keep it.
            Err(safe_file::Error::Exposed { path: exposed, owner: theirs, .. })
                if exposed == path && theirs == owner =>
            {
                true
            }
            Err(why) if why.kind() == ErrorKind::NotFound => false,
            Err(why) => return Err(unreadable(path, why)),
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

    /// Creates the key pair with ssh-keygen(1), which comes with every OpenSSH client. ssh-keygen
    /// follows links, but no other account can create links in this directory.
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
                let made = configuration.open_file(name(file));
                let made = made.map_err(|why| unreadable(file, why))?;
                let Account { uid, gid, .. } = self.account;
                fchown(made, Some(*uid), Some(*gid)).map_err(|why| failed(file, why))?;
            }
        }
        print_result(!is_there, path, &format!("private key, {} 600", self.account.name), out);
        Ok(())
    }
}

/// Opens the parent directory of `path`. Fails if another account could replace a directory in the
/// path, because root would then change files in the wrong place.
fn parent_directory(path: &Path) -> Result<Directory, InitError> {
    Directory::open(path.parent().unwrap_or(Path::new("/"))).map_err(|why| unreadable(path, why))
}

/// Returns the last part of a path.
pub fn name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

/// Returns the error for a file or directory that cannot be created or changed.
pub fn failed(path: &Path, why: impl Into<io::Error>) -> InitError {
    InitError::Make { path: path.to_owned(), why: why.into() }
}

/// Returns the error for a file or directory that cannot be opened or read.
pub fn unreadable(path: &Path, why: impl Into<io::Error>) -> InitError {
    InitError::Read { path: path.to_owned(), why: why.into() }
}

/// Prints whether a file was created or kept.
pub fn print_result(made: bool, path: &Path, what: &str, out: &mut Out) {
    let path = path.display();
    out.line(match made {
        true => format!("made  {path} ({what})"),
        false => format!("kept  {path} (already exists)"),
    });
}

/// The policy.json from the package. Init replaces this file, because it contains no repairs.
const PACKAGED: &str = include_str!("../../../../packaging/policy.json");

/// Creates the policy atomically unless there already is one. Returns whether it was created.
fn new_policy(
    directory: &Directory,
    path: &Path,
    text: &str,
    group: u32,
) -> Result<bool, InitError> {
    let name = name(path);
    match directory.read(name, PACKAGED.len() as u64) {
        Ok(text) if text == PACKAGED.as_bytes() => {
            directory.remove(name).map_err(|why| failed(path, why))?;
        }
        Err(why) if !matches!(why.kind(), ErrorKind::NotFound | ErrorKind::FileTooLarge) => {
            return Err(unreadable(path, why));
        }
        _ => {}
    }
    match directory.write_new(name, text.as_bytes(), 0o640, Some((0, group))) {
        Err(why) if why.kind() == ErrorKind::AlreadyExists => Ok(false),
        made => made.map(|()| true).map_err(|why| failed(path, why)),
    }
}

/// Shows the repairs that an existing policy lacks, asks for confirmation, and adds them. Returns
/// whether the policy contains all of `recipes` afterwards.
pub fn add_repairs(
    policy: &Path,
    recipes: &[Recipe],
    yes: bool,
    out: &mut Out,
) -> Result<bool, Problem> {
    let directory = Directory::open(policy.parent().unwrap_or(Path::new("/")));
    let directory = directory.map_err(|why| unreadable(policy, why))?;
    let text = directory.read(name(policy), policy_file::LONGEST);
    let text = text.map_err(|why| unreadable(policy, why))?;
    let shown = policy.display().to_string();
    let merged = merge(&String::from_utf8_lossy(&text), &recipe::for_policy(recipes))
        .map_err(|why| InitError::Merge { place: shown.clone(), why })?;
    let Some(MergedFile { text, added }) = merged else { return Ok(true) };
    policy_file::parse(text.as_bytes(), policy).map_err(Problem::failed)?;
    out.line(format!(
        "\nThese lines will be added to the repairs in {shown}:\n{lines}",
        lines = difference(&added)
    ));
    let instead = format!("pass --yes to skip the question; {shown} was not changed");
    if !yes && !question::agrees("Add this?", &instead, out)? {
        out.line(format!("{shown} was not changed, and nothing else was done."));
        return Ok(false);
    }
    let found = directory.metadata(name(policy)).map_err(|why| unreadable(policy, why))?;
    let owner = Some((found.uid(), found.gid()));
    directory
        .replace(name(policy), text.as_bytes(), found.mode() & 0o7777, owner)
        .map_err(|why| failed(policy, why))?;
    out.line(format!("changed  {shown}"));
    Ok(true)
}

/// Puts a `+` in front of each line, as in a diff.
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
    if let Some(node) = &setup.nagios.icinga2 {
        let password_file = setup.policy.with_file_name(API_PASSWORD);
        let url = format!("https://{node}:5665");
        policy.insert("icinga2".into(), json!({"url": url, "password_file": password_file}));
    }
    policy.insert("ledger".into(), json!(setup.ledger_directory.join("ledger.sqlite")));
    let known_hosts = setup.policy.with_file_name("known_hosts");
    let ssh = json!({"user": "repair", "key": setup.key(), "known_hosts": [known_hosts]});
    policy.insert("ssh".into(), ssh);
    policy.insert("repairs".into(), Value::Object(recipe::for_policy(recipes)));
    format!("{:#}\n", Value::Object(policy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_a_policy_that_cannot_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let policy = directory.path().join("policy.json");
        std::fs::create_dir(&policy).unwrap();
        let open = Directory::open(directory.path()).unwrap();
        let refused = new_policy(&open, &policy, "{}", 0).unwrap_err();
        let begin = format!("cannot open or read {}: ", policy.display());
        assert!(refused.to_string().starts_with(&begin), "{refused}");
    }
}
