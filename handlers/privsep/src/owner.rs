//! Finds out whether directories belong to root or to an account that root must not trust.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use safe_file::Directory;

use crate::account::Account;
use crate::error::Error;

/// Returns the account other than root that owns one of `directories` or a directory above it.
/// Ignores directories that do not exist. Returns `None` if there is no such account, or if this
/// process does not run as root.
///
/// # Errors
/// Fails if more than one account can change a directory, or if the owner's user ID belongs to no
/// account.
pub fn other_owner<'a>(
    directories: impl IntoIterator<Item = &'a Path>,
) -> Result<Option<Account>, Error> {
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

/// Fails if this process runs as root and one of `directories` belongs to another account.
///
/// # Errors
/// Returns [`Error::AsRoot`] with the command to use instead, or an error from [`other_owner`].
pub fn refuse_root<'a>(
    directories: impl IntoIterator<Item = &'a Path>,
    argv: &[OsString],
) -> Result<(), Error> {
    let Some(account) = other_owner(directories)? else { return Ok(()) };
    let program = std::env::current_exe()
        .unwrap_or_else(|_| std::env::args_os().next().unwrap_or_default().into());
    Err(Error::AsRoot { line: line_to_use(&account, &program, argv), account: account.name })
}

/// Returns a command that root can copy and paste to run `program` as `account`.
fn line_to_use(account: &Account, program: &Path, argv: &[OsString]) -> String {
    let words = std::iter::once(program.as_os_str()).chain(argv.iter().map(OsString::as_os_str));
    let words: Vec<String> = words.map(quoted_bytes).collect();
    format!("runuser -u {} -- {}", quoted(&account.name), words.join(" "))
}

/// Quotes a word for the shell, even if it contains arbitrary bytes. A word that is not UTF-8 is
/// written in the form `$'Gr\366n'`, which POSIX.1-2024, bash, zsh and ksh support.
fn quoted_bytes(word: &OsStr) -> String {
    let octal = |byte: &u8| match byte {
        b'\'' | b'\\' | ..b' ' | 0x7f.. => format!("\\{byte:03o}"),
        byte => char::from(*byte).to_string(),
    };
    match word.to_str() {
        Some(word) => quoted(word),
        None => format!("$'{}'", word.as_bytes().iter().map(octal).collect::<String>()),
    }
}

/// Quotes a word for the shell if it contains a character that may be special to the shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_words_with_special_characters() {
        let root = Account::named("root").unwrap().unwrap();
        let words = ["--host", "web 1", "it's", "", "$(id)"].map(OsString::from);
        let line = line_to_use(&root, Path::new("/opt/our programs/handle_repair"), &words);
        assert_eq!(
            line,
            "runuser -u root -- '/opt/our programs/handle_repair' --host 'web 1' 'it'\\''s' '' \
             '$(id)'"
        );
        let latin1 = OsStr::from_bytes(b"it's Gr\xf6\xdfe \\1\n");
        let command = format!("printf %s {}", quoted_bytes(latin1));
        let done = std::process::Command::new("bash").args(["-c", &command]).output().unwrap();
        assert_eq!(done.stdout, latin1.as_bytes(), "{command}");
    }
}
