//! Looks up accounts with getpwnam(3) and getgrnam(3), which also query directory services.

use std::io;
use std::path::PathBuf;

use nix::unistd::{Gid, Group, Uid, User};

use crate::error::Error;

/// An account, and the group that owns its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Login name, as in passwd(5).
    pub name: String,
    /// User ID of the account.
    pub uid: u32,
    /// Name of the account's group, or the group ID if it has no name.
    pub group: String,
    /// ID of the account's group.
    pub gid: u32,
    /// Home directory according to passwd(5).
    pub home: PathBuf,
}

impl Account {
    /// Looks up the account with this name, and its primary group. Returns `None` if the account
    /// does not exist.
    ///
    /// # Errors
    /// Fails if the lookup fails.
    pub fn named(name: &str) -> Result<Option<Account>, Error> {
        Account::of(User::from_name(name).map_err(|why| unknown(name, why))?)
    }

    /// Looks up the account with this user ID, and its primary group. Returns `None` if the account
    /// does not exist.
    ///
    /// # Errors
    /// Fails if the lookup fails.
    pub fn of_uid(uid: u32) -> Result<Option<Account>, Error> {
        Account::of(
            User::from_uid(Uid::from_raw(uid)).map_err(|why| unknown(&uid.to_string(), why))?,
        )
    }

    /// Replaces the account's group, for example with the one named in nagios.cfg. Keeps the
    /// current group if `group` does not exist.
    ///
    /// # Errors
    /// Fails if the lookup fails.
    pub fn with_group(self, group: &str) -> Result<Account, Error> {
        Ok(match Group::from_name(group).map_err(|why| unknown(group, why))? {
            Some(found) => Account { group: found.name, gid: found.gid.as_raw(), ..self },
            None => self,
        })
    }

    fn of(user: Option<User>) -> Result<Option<Account>, Error> {
        let Some(user) = user else { return Ok(None) };
        Ok(Some(Account {
            group: group_name(user.gid)?,
            gid: user.gid.as_raw(),
            uid: user.uid.as_raw(),
            home: user.dir,
            name: user.name,
        }))
    }
}

/// Returns the name of a group, or its ID if it has no name.
fn group_name(gid: Gid) -> Result<String, Error> {
    let group = Group::from_gid(gid).map_err(|why| unknown(&gid.to_string(), why))?;
    Ok(group.map_or_else(|| gid.to_string(), |group| group.name))
}

fn unknown(account: &str, why: nix::Error) -> Error {
    Error::Lookup { account: account.to_owned(), why: io::Error::from(why) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_none_for_unknown_account() {
        let root = Account::named("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid, root.group.as_str()), (0, 0, "root"));
        assert_eq!(Account::of_uid(0).unwrap(), Some(root.clone()));
        assert_eq!(root.clone().with_group("no-such-group").unwrap(), root);
        assert_eq!(root.with_group("daemon").unwrap().group, "daemon");
        assert_eq!(Account::named("no-such-user-here").unwrap(), None);
        assert_eq!(Account::named("-u").unwrap(), None);
    }
}
