//! User accounts: `nagios`, which comes with the Nagios package, and the gate's account, which the
//! lab creates and removes.

use std::panic::resume_unwind;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_res_gid, set_thread_res_uid};

use crate::place::{run, system_program};

/// Login name of the gate's account in the lab.
const REPAIR: &str = "selfheal-lab";

/// A user account on this machine.
#[derive(Debug)]
pub struct Account {
    /// Login name, for example `nagios`.
    pub name: &'static str,
    /// Numeric user ID.
    pub uid: u32,
    /// Numeric ID of the primary group.
    pub gid: u32,
    ours: bool,
}

/// Number of labs in this process that use the gate's account. The last of them removes the
/// account.
static USERS: Mutex<u32> = Mutex::new(0);

impl Account {
    /// Returns the user that Nagios runs as.
    pub fn nagios() -> Account {
        Account::of("nagios", false)
    }

    /// Returns the gate's unprivileged user and creates the account if necessary. The password
    /// field is `*`, which no password matches. With `!`, an sshd without PAM would treat the
    /// account as locked.
    pub fn repair() -> Account {
        let mut users = USERS.lock().expect("no lab panicked while holding the lock");
        if *users == 0 && !exists(REPAIR) {
            let useradd = system_program(&["useradd"]);
            run(Command::new(useradd)
                .args(["--system", "--user-group", "--password", "*", "--shell", "/bin/sh"])
                .args(["--no-create-home", "--home-dir", "/nonexistent", REPAIR]));
        }
        *users += 1;
        Account::of(REPAIR, true)
    }

    fn of(name: &'static str, ours: bool) -> Account {
        let id = |flag| {
            run(Command::new("id").args([flag, name])).trim().parse().expect("a number from id")
        };
        Account { name, uid: id("-u"), gid: id("-g"), ours }
    }

    /// Runs `work` on a thread that has switched to this user.
    pub fn does<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let (user, group) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let as_user = || {
            set_thread_res_gid(group, group, group).expect("its group");
            set_thread_res_uid(user, user, user).expect("its user");
            work()
        };
        thread::scope(|scope| scope.spawn(as_user).join())
            .unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Returns the user ID and the group ID, in the form that `Place` expects for a file's owner.
    pub fn ids(&self) -> Option<(u32, u32)> {
        Some((self.uid, self.gid))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        if !self.ours {
            return;
        }
        if let Ok(mut users) = USERS.lock() {
            *users -= 1;
            if *users == 0 {
                let _ = Command::new("userdel").arg(self.name).output();
            }
        }
    }
}

fn exists(name: &str) -> bool {
    Command::new("id").arg(name).output().is_ok_and(|done| done.status.success())
}
