//! Reads facts about this host from /proc and /etc/passwd, because a static binary cannot use NSS
//! and std has no getuid.

use std::fs;
use std::io::{self, ErrorKind};

use crate::output::clean;
use crate::rejection::{Rejection, RejectionReason};
use crate::run_times::LARGEST_INDEX;

/// Facts about this host and this process.
pub(crate) struct LocalHost {
    /// The kernel's boot ID. A repair that started under another boot ID is no longer running.
    pub(crate) boot: String,
    /// Effective user ID of the gate.
    pub(crate) uid: u32,
    /// The umask; `None` on kernels before 4.7, which do not report it.
    umask: Option<u32>,
    /// Content of /proc/self/cgroup; empty if the kernel does not provide this file.
    pub(crate) cgroup: String,
    /// Content of /etc/passwd; empty if there is no such file.
    passwd: String,
}

impl LocalHost {
    /// Reads the facts from /proc and /etc/passwd.
    ///
    /// # Errors
    /// Fails if a fact cannot be read, or if the file size limit is too small for the records.
    pub(crate) fn read() -> Result<LocalHost, Rejection> {
        check_file_size_limit(&read("/proc/self/limits")?)?;
        let status = read("/proc/self/status")?;
        let boot = read("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        Ok(LocalHost {
            uid: effective_uid(&status)
                .ok_or_else(|| wrong("/proc/self/status has no Uid line"))?,
            boot: if boot.is_empty() { return Err(wrong("the boot ID is empty")) } else { boot },
            umask: field(&status, "Umask:")
                .and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()),
            cgroup: lossy("/proc/self/cgroup").unwrap_or_default(),
            passwd: passwd()?,
        })
    }

    /// Whether the umask lets everyone write to files that a repair creates. The gate cannot change
    /// the umask, because std has no function for this. sudo(8) itself adds 022 to the umask.
    pub(crate) fn has_world_writable_umask(&self) -> bool {
        self.umask.is_some_and(|mask| mask & 0o002 == 0)
    }

    /// Whether the gate already runs as `account`.
    pub(crate) fn runs_as(&self, account: &str) -> bool {
        uid_of(account, &self.passwd) == Some(self.uid)
    }
}

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    lossy("/proc/self/status").is_ok_and(|status| effective_uid(&status) == Some(0))
}

fn effective_uid(status: &str) -> Option<u32> {
    field(status, "Uid:")?.split_whitespace().nth(1)?.parse().ok()
}

fn wrong(text: &str) -> Rejection {
    RejectionReason::State.because(text)
}

fn unreadable(path: &str, e: &io::Error) -> Rejection {
    wrong(&format!("{path} cannot be read: {e}"))
}

/// Returns the content of /etc/passwd. Replaces invalid UTF-8, because people's names in this file
/// can be in any encoding. If there is no such file, as on a minimal system, returns an empty
/// string.
fn passwd() -> Result<String, Rejection> {
    match lossy("/etc/passwd") {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(String::new()),
        read => read.map_err(|e| unreadable("/etc/passwd", &e)),
    }
}

/// Returns this machine's host name, which every answer contains for information only.
pub(crate) fn name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    clean(name.trim(), 100)
}

/// Whether `account` is in /etc/passwd.
pub(crate) fn has_account(account: &str) -> bool {
    lossy("/etc/passwd").is_ok_and(|passwd| uid_of(account, &passwd).is_some())
}

/// Returns the name of the account with this user ID, or `uid` followed by the number if there is
/// no such account.
pub(crate) fn account(uid: u32) -> String {
    let passwd = lossy("/etc/passwd").unwrap_or_default();
    let number = uid.to_string();
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&number));
    line.and_then(|line| line.split(':').next())
        .map_or(format!("uid {uid}"), |name| clean(name, 40))
}

/// Refuses to run if the file size limit is too small for an index of records, which is the largest
/// file that the gate writes. Otherwise SIGXFSZ could kill the gate while it writes an index, see
/// setrlimit(2). std can neither catch nor ignore this signal.
fn check_file_size_limit(limits: &str) -> Result<(), Rejection> {
    let bytes = field(limits, "Max file size")
        .and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    match bytes {
        Some(bytes) if bytes < LARGEST_INDEX => Err(wrong(&format!(
            "this login can write files of at most {bytes} bytes, but the gate's records can be \
             larger; raise the limit fsize, see limits.conf(5)"
        ))),
        _ => Ok(()),
    }
}

fn read(path: &str) -> Result<String, Rejection> {
    lossy(path).map_err(|e| unreadable(path, &e))
}

fn lossy(path: &str) -> io::Result<String> {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    status.lines().find_map(|line| line.strip_prefix(name))
}

fn uid_of(account: &str, passwd: &str) -> Option<u32> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(account)).then(|| fields.nth(1)?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_accounts_in_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\nrepair:x:998:998::/:/bin/sh\n";
        assert_eq!(uid_of("root", passwd), Some(0));
        assert_eq!(uid_of("repair", passwd), Some(998));
        assert_eq!(uid_of("nobody", passwd), None);
        assert_eq!(uid_of("broken", passwd), None);
    }

    #[test]
    fn refuses_file_size_limit_below_size_of_an_index() {
        let limits = |soft: &str| {
            format!(
                "Limit Soft Hard Units\nMax file size             {soft}     unlimited     bytes\n"
            )
        };
        let refused = check_file_size_limit(&limits("524287")).unwrap_err().text;
        assert!(refused.contains("524287 bytes"), "{refused}");
        check_file_size_limit(&limits("524288")).unwrap();
        check_file_size_limit(&limits("unlimited")).unwrap();
    }

    #[test]
    fn reads_facts_about_this_host() {
        let host = LocalHost::read().unwrap();
        assert!(host.boot.len() > 30 && host.umask.is_some());
    }
}
