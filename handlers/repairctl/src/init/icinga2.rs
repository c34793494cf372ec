//! Prepares access to Icinga 2's API: finds the name of this node, and creates an ApiUser and its
//! password.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use base64ct::{Base64, Encoding};
use plugin_kit::Out;
use privsep::{Account, quoted};
use safe_file::Directory;

use super::error::InitError;
use super::server::{API_PASSWORD, failed, name, print_result, unreadable};
use crate::paste::{Paste, path};

/// Icinga 2's main file.
const MAIN_FILE: &str = "/etc/icinga2/icinga2.conf";
/// The directory with the certificate of this node. The certificate's file is named after the node.
const CERTIFICATES: &str = "/var/lib/icinga2/certs";
/// The directory from which Icinga 2 reads objects.
const OBJECTS: &str = "/etc/icinga2/conf.d";
/// Number of random bytes in a password.
const PASSWORD_BYTES: usize = 24;

/// The shipped ApiUser, without a password.
const API_USER: &str = include_str!("../../../../nagios-config/icinga2/api-user.conf");

/// Returns the name of this node in Icinga 2, which is also the name in the certificate of its API.
/// Returns `None` if Icinga 2 is not installed, or if a URL cannot contain the name.
pub fn node_name() -> Option<String> {
    let name = Path::new(MAIN_FILE).exists().then(|| certified_name().unwrap_or_else(host_name))?;
    let is_valid = name.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c));
    (is_valid && !name.is_empty()).then_some(name)
}

/// Returns the name of this node according to its certificate. Returns `None` if there is no
/// certificate or more than one.
fn certified_name() -> Option<String> {
    let files = fs::read_dir(CERTIFICATES).ok()?.flatten().map(|entry| entry.path());
    let certificates = files.filter(|file| file.extension() == Some(OsStr::new("crt")));
    let names = certificates.filter_map(|file| file.file_stem()?.to_str().map(str::to_owned));
    let mut names = names.filter(|name| name != "ca");
    names.next().filter(|_| names.next().is_none())
}

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// Name of the file with the ApiUser for Icinga 2. It is next to the policy.
const USER: &str = "icinga2-api-user.conf";

/// Creates a password and an ApiUser with this password, unless the password's file already exists.
pub fn new_user(policy: &Path, account: &Account, out: &mut Out) -> Result<(), InitError> {
    let [password_file, user_file] = [API_PASSWORD, USER].map(|file| policy.with_file_name(file));
    let is_made = write_user(&password_file, &user_file, account)?;
    let user = &account.name;
    print_result(is_made, &password_file, &format!("password for the API, {user} 600"), out);
    if is_made {
        print_result(true, &user_file, &format!("ApiUser for Icinga 2, {user} 600"), out);
    }
    Ok(())
}

/// Writes the two files unless the password's file already exists. Returns whether they were
/// written.
fn write_user(
    password_file: &Path,
    user_file: &Path,
    account: &Account,
) -> Result<bool, InitError> {
    let directory = password_file.parent().unwrap_or(Path::new("/"));
    let configuration = Directory::open(directory).map_err(|why| unreadable(directory, why))?;
    if configuration.metadata(name(password_file)).is_ok() {
        return Ok(false);
    }
    let password = password().map_err(|why| failed(password_file, why))?;
    let owner = Some((account.uid, account.gid));
    let user = API_USER.replace("CHANGE ME", &password);
    // Allow this file to exist already. If an earlier run wrote it but failed to write the
    // password, this run must create both files again.
    configuration
        .replace(name(user_file), user.as_bytes(), 0o600, owner)
        .map_err(|why| failed(user_file, why))?;
    let line = format!("{password}\n");
    configuration
        .write_new(name(password_file), line.as_bytes(), 0o600, owner)
        .map_err(|why| failed(password_file, why))?;
    Ok(true)
}

fn password() -> io::Result<String> {
    let mut bytes = [0; PASSWORD_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(Base64::encode_string(&bytes))
}

/// Returns the command that copies the objects to Icinga 2. Icinga 2's user owns the directory of
/// its objects, so the copy runs as this user. The command then removes the ApiUser's file next to
/// the policy, because the file contains the password. If this file no longer exists, because an
/// earlier run removed it, the command leaves it out.
fn copy_command(policy: &Path, account: &Account, share: &Path) -> String {
    let mut files = ["commands.conf", "templates.conf"]
        .map(|file| path(&share.join("icinga2").join(file)))
        .join(" ");
    let (user_file, mut removal) = (policy.with_file_name(USER), String::new());
    if user_file.exists() {
        let user_file = path(&user_file);
        removal = format!(" && rm {user_file}");
        files = format!("{files} {user_file}");
    }
    let user = quoted(&account.name);
    format!("runuser -u {user} -- cp {files} {OBJECTS}/{removal} && systemctl reload icinga2")
}

/// Prints how to add the objects to Icinga 2, and which lines assign the repair to a service.
pub fn print_objects(policy: &Path, account: &Account, share: &Path, repair: &str, out: &mut Out) {
    out.line(
        "  1. enable Icinga 2's API, if you have not (icinga2 api setup). Then add the objects:",
    );
    out.line(format!("       {}", Paste::here(copy_command(policy, account, share))));
    out.line("     and to each service that needs this repair:");
    out.line("       import \"repairable-service\"");
    out.line(format!("       vars.repair = \"{repair}\""));
    out.line("     then reload Icinga 2");
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn replaces_the_user_of_a_failed_run_and_removes_it_after_the_copy() {
        let directory = tempfile::tempdir().unwrap();
        let policy = directory.path().join("policy.json");
        let [password, user] = [API_PASSWORD, USER].map(|file| policy.with_file_name(file));
        let found = directory.path().metadata().unwrap();
        let account = Account {
            name: "icinga".into(),
            uid: found.uid(),
            group: "icinga".into(),
            gid: found.gid(),
            home: "/".into(),
        };
        fs::write(&user, "of a failed run").unwrap();
        assert!(write_user(&password, &user, &account).unwrap());
        for file in [&password, &user] {
            assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o600, "{}", file.display());
        }
        let [line, text] = [&password, &user].map(|file| fs::read_to_string(file).unwrap());
        assert!(text.contains(&format!("password = \"{}\"", line.trim_end())), "{text}");
        let command = || copy_command(&policy, &account, Path::new("/usr/share"));
        let removal = format!(" && rm {} && systemctl", path(&user));
        assert!(command().contains(&removal), "{}", command());

        fs::remove_file(&user).unwrap();
        assert!(!write_user(&password, &user, &account).unwrap() && !user.exists());
        assert!(!command().contains(USER), "{}", command());
    }

    #[test]
    fn creates_long_passwords_that_differ() {
        let [one, other] = [password().unwrap(), password().unwrap()];
        assert!(one.len() >= 32 && one != other, "{one} {other}");
        assert!(!one.contains(['"', '\\', '$', '\n']), "{one}");
        let user = API_USER.replace("CHANGE ME", &one);
        assert!(user.contains(&format!("password = \"{one}\"")), "{user}");
    }
}
