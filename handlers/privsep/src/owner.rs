//! Whether a site is root's alone, or belongs to an account that root must not trust.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;

use safe_file::Directory;

use crate::{Account, Error};

/// The account that owns one of `directories`, or a directory above it, when we are root and it is not root's; `None` for
/// everybody else, and when none of them is there.
///
/// # Errors
/// When more than one account can change one of them, or its owner has no account.
pub fn other_owner<'a>(directories: impl IntoIterator<Item = &'a Path>) -> Result<Option<Account>, Error> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    directories.into_iter().find_map(|directory| owner_but_root(directory).transpose()).transpose()
}

fn owner_but_root(directory: &Path) -> Result<Option<Account>, Error> {
    match Directory::open(directory) {
        Ok(_) => Ok(None),
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(None),
        Err(safe_file::Error::Exposed { owner, .. }) if owner != 0 => {
            Account::of_uid(owner)?.map(Some).ok_or_else(|| Error::NoAccount(owner.to_string()))
        }
        Err(why) => Err(Error::Owner { path: directory.to_owned(), why }),
    }
}

/// Nothing is done as root for a site whose `directories` are another account's.
///
/// # Errors
/// [`Error::AsRoot`] with the line to use instead, and those of [`other_owner`].
pub fn refuse_root<'a>(directories: impl IntoIterator<Item = &'a Path>, program: &str, argv: &[OsString]) -> Result<(), Error> {
    match other_owner(directories)? {
        None => Ok(()),
        Some(account) => Err(Error::AsRoot { line: line_to_use(&account, program, argv), account: account.name }),
    }
}

/// The line with which root runs `program` as `account`, ready to be pasted.
fn line_to_use(account: &Account, program: &str, argv: &[OsString]) -> String {
    let words: Vec<String> = argv.iter().map(|word| quoted(&word.to_string_lossy())).collect();
    format!("runuser -u {} -- {program} {}", quoted(&account.name), words.join(" "))
}

/// A word as a shell reads it back.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_what_a_shell_would_take_apart() {
        let root = Account::named("root").unwrap().unwrap();
        let words = ["--host", "web 1", "it's", "", "$(id)"].map(OsString::from);
        let line = line_to_use(&root, "handle_repair", &words);
        assert_eq!(line, r"runuser -u root -- handle_repair --host 'web 1' 'it'\''s' '' '$(id)'");
    }
}
