//! Whether systemd-logind(8) kills a repair, and what it has started, when the SSH connection ends.

use crate::rejection::{Rejection, RejectionReason};
use crate::run;
use crate::timeout::ProcessEnd;

const BUSCTL: &str = "/usr/bin/busctl";
const MANAGER: [&str; 3] =
    ["org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager"];

/// Checks that what the gate runs, under the account `user`, outlives its session.
///
/// # Errors
/// It does not, or logind does not say.
pub(crate) fn check(cgroup: &str, user: &str) -> Result<(), Rejection> {
    if !in_session(cgroup) {
        return Ok(());
    }
    let settings = LogindSettings::of_this_host().map_err(|why| {
        RejectionReason::State.because(format!(
            "whether systemd-logind kills a repair when the connection ends is not known: {why}"
        ))
    })?;
    match settings.harm(user) {
        Some(wrong) => Err(RejectionReason::Config.because(wrong)),
        None => Ok(()),
    }
}

/// Returns what root is warned of; nothing where there is no logind.
pub(crate) fn warning(user: &str) -> Option<String> {
    LogindSettings::of_this_host().ok()?.harm(user)
}

/// Whether a process with this /proc/self/cgroup belongs to a session of logind, which
/// pam_systemd(8) opens: `.../session-3.scope`.
fn in_session(cgroup: &str) -> bool {
    cgroup
        .lines()
        .flat_map(|line| line.split('/'))
        .any(|part| part.starts_with("session-") && part.ends_with(".scope"))
}

/// What logind.conf(5) says about the processes of a session that has ended.
#[derive(Debug, PartialEq, Eq)]
struct LogindSettings {
    kill: bool,
    only: Vec<String>,
    exclude: Vec<String>,
}

impl LogindSettings {
    fn of_this_host() -> Result<LogindSettings, String> {
        let names = ["KillUserProcesses", "KillOnlyUsers", "KillExcludeUsers"];
        let words = [BUSCTL, "get-property"].into_iter().chain(MANAGER).chain(names);
        let ran = run::query(&words.map(str::to_owned).collect::<Vec<_>>());
        if let Some(why) = ran.no_exit_code() {
            return Err(format!("busctl: {why}"));
        }
        let printed = ran.output.join("; ");
        let read = LogindSettings::read(&ran.output).filter(|_| ran.end == Ok(ProcessEnd::Exit(0)));
        read.ok_or_else(|| format!("busctl: {printed}"))
    }

    /// Reads `b true`, `as 1 "ann"`, `as 0`.
    fn read(printed: &[String]) -> Option<LogindSettings> {
        let [kill, only, exclude] = printed else { return None };
        let list = |line: &str| {
            let names = line.strip_prefix("as ")?.split(' ').skip(1);
            Some(names.map(|name| name.trim_matches('"').to_owned()).collect())
        };
        let kill = kill.strip_prefix("b ")?.parse().ok()?;
        Some(LogindSettings { kill, only: list(only)?, exclude: list(exclude)? })
    }

    /// Returns why a session of `user` is killed as a whole, and the fix.
    fn harm(&self, user: &str) -> Option<String> {
        let has = |names: &[String], name: &str| names.iter().any(|one| one == name);
        let chosen = if self.only.is_empty() { self.kill } else { has(&self.only, user) };
        if !chosen || has(&self.exclude, user) {
            return None;
        }
        // Without a list root is spared, with one only who is named (logind.conf(5)).
        let root = if self.exclude.is_empty() || has(&self.exclude, "root") { "root " } else { "" };
        let directory = "/etc/systemd/logind.conf.d";
        Some(format!(
            "systemd-logind kills a repair, and every daemon that it has started, when the SSH \
             connection ends (KillUserProcesses); as root here: mkdir -p {directory} && printf \
             '[Login]\\nKillExcludeUsers={root}{user}\\n' > {directory}/zz-repair-gate.conf && \
             systemctl kill --kill-who=main --signal=HUP systemd-logind"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(kill: &str, only: &str, exclude: &str) -> LogindSettings {
        LogindSettings::read(&[kill, only, exclude].map(str::to_owned)).unwrap()
    }

    #[test]
    fn a_session_is_known_by_its_scope() {
        assert!(in_session("0::/user.slice/user-998.slice/session-3.scope\n"));
        assert!(in_session("1:name=systemd:/user.slice/user-0.slice/session-c1.scope\n0::/\n"));
        assert!(!in_session("0::/system.slice/ssh.service\n"));
    }

    #[test]
    fn those_excluded_and_those_not_chosen_live_on() {
        let harm = |kill, only, exclude| settings(kill, only, exclude).harm("repair");
        assert_eq!(harm("b false", "as 0", "as 0"), None);
        assert_eq!(harm("b true", "as 1 \"ann\"", "as 0"), None);
        assert_eq!(harm("b true", "as 0", "as 2 \"root\" \"repair\""), None);
        for (kill, only, exclude, names) in [
            ("b true", "as 0", "as 0", "=root repair\\n"),
            ("b true", "as 0", "as 2 \"ann\" \"root\"", "=root repair\\n"),
            ("b true", "as 0", "as 1 \"ann\"", "=repair\\n"),
            ("b false", "as 1 \"repair\"", "as 0", "=root repair\\n"),
        ] {
            let text = harm(kill, only, exclude).unwrap();
            assert!(text.contains(&format!("KillExcludeUsers{names}")), "{text}");
        }
    }

    #[test]
    fn what_is_no_answer_is_not_read() {
        for lines in [&[][..], &["b true", "as 0"], &["b maybe", "as 0", "as 0"], &["x", "y", "z"]]
        {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            assert_eq!(LogindSettings::read(&lines), None);
        }
    }
}
