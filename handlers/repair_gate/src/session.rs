//! Checks whether systemd kills a repair and its daemons when the SSH connection ends. This depends
//! on logind's settings for sessions or, if systemd starts a service for each connection, on the
//! settings of that service.

use crate::rejection::{Rejection, RejectionReason};
use crate::run;
use crate::timeout::ProcessEnd;

const BUSCTL: &str = "/usr/bin/busctl";
const SYSTEMCTL: &str = "/usr/bin/systemctl";
const MANAGER: [&str; 3] =
    ["org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager"];

/// Checks that processes of the account `user` keep running after the connection has ended.
///
/// # Errors
/// Fails if systemd would kill them or cannot be queried.
pub(crate) fn check(cgroup: &str, user: &str) -> Result<(), Rejection> {
    let harm = if in_session(cgroup) {
        LogindSettings::of_this_host().map(|settings| settings.harm(user))
    } else if let Some(unit) = service_of_connection(cgroup) {
        kill_mode(unit).map(|mode| harm_of_service(unit, &mode))
    } else {
        return Ok(());
    };
    match harm {
        Ok(None) => Ok(()),
        Ok(Some(wrong)) => Err(RejectionReason::Config.because(wrong)),
        Err(why) => Err(RejectionReason::State.because(format!(
            "cannot determine whether systemd kills a repair when the connection ends: {why}"
        ))),
    }
}

/// Returns a warning for root if logind kills repairs of `user` when a session ends. Returns `None`
/// if it does not, or if there is no logind.
pub(crate) fn warning(user: &str) -> Option<String> {
    LogindSettings::of_this_host().ok()?.harm(user)
}

/// Whether /proc/self/cgroup shows that this process is in a logind session, for example
/// `.../session-3.scope`. pam_systemd(8) opens such sessions.
fn in_session(cgroup: &str) -> bool {
    cgroup
        .lines()
        .flat_map(|line| line.split('/'))
        .any(|part| part.starts_with("session-") && part.ends_with(".scope"))
}

/// Returns the service that a socket unit has started for this connection (systemd.socket(5),
/// Accept=), for example `sshd@3-192.0.2.2:22-192.0.2.1:50000.service`.
fn service_of_connection(cgroup: &str) -> Option<&str> {
    let mut units = cgroup.lines().filter_map(|line| line.rsplit('/').next());
    units.find(|unit| unit.contains('@') && unit.ends_with(".service"))
}

fn kill_mode(unit: &str) -> Result<String, String> {
    let words = [SYSTEMCTL, "show", "--property=KillMode", "--", unit].map(str::to_owned);
    let ran = run::query(&words);
    let mode = ran.output.iter().find_map(|line| line.strip_prefix("KillMode="));
    mode.map(str::to_owned).ok_or_else(|| {
        let why = ran.no_exit_code().unwrap_or_else(|| ran.output.join("; "));
        format!("systemctl show: {why}")
    })
}

/// Returns a message with the fix if systemd kills all processes of the unit when the connection
/// ends. `mode` is the unit's KillMode=, see systemd.kill(5).
fn harm_of_service(unit: &str, mode: &str) -> Option<String> {
    if ["process", "none"].contains(&mode) {
        return None;
    }
    let template = unit.split('@').next().unwrap_or_default();
    let directory = format!("/etc/systemd/system/{template}@.service.d");
    Some(format!(
        "when the SSH connection ends, systemd kills a repair, and every daemon that the repair \
         has started, together with {template}@.service (KillMode={mode}); as root here: mkdir -p \
         {directory} && printf '[Service]\\nKillMode=process\\n' > {directory}/repair-gate.conf \
         && systemctl daemon-reload"
    ))
}

/// The settings in logind.conf(5) for processes that still run when a session ends.
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

    /// Parses the output of busctl, for example the lines `b true`, `as 1 "ann"` and `as 0`.
    fn read(printed: &[String]) -> Option<LogindSettings> {
        let [kill, only, exclude] = printed else { return None };
        let list = |line: &str| {
            let names = line.strip_prefix("as ")?.split(' ').skip(1);
            Some(names.map(|name| name.trim_matches('"').to_owned()).collect())
        };
        let kill = kill.strip_prefix("b ")?.parse().ok()?;
        Some(LogindSettings { kill, only: list(only)?, exclude: list(exclude)? })
    }

    /// Returns a message with the fix if logind kills all processes when a session of `user` ends.
    fn harm(&self, user: &str) -> Option<String> {
        let has = |names: &[String], name: &str| names.iter().any(|one| one == name);
        let chosen = if self.only.is_empty() { self.kill } else { has(&self.only, user) };
        if !chosen || has(&self.exclude, user) {
            return None;
        }
        // Without a list of excluded accounts, logind spares root's processes. With a list, it
        // spares only the processes of the accounts in the list, see logind.conf(5).
        let root = if self.exclude.is_empty() || has(&self.exclude, "root") { "root " } else { "" };
        let directory = "/etc/systemd/logind.conf.d";
        Some(format!(
            "when the SSH connection ends, systemd-logind kills a repair, and every daemon that \
             the repair has started (KillUserProcesses); as root here: mkdir -p {directory} && \
             printf '[Login]\\nKillExcludeUsers={root}{user}\\n' > {directory}/zz-repair-gate.conf \
             && systemctl kill --kill-who=main --signal=HUP systemd-logind"
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
    fn recognizes_session_by_its_scope() {
        assert!(in_session("0::/user.slice/user-998.slice/session-3.scope\n"));
        assert!(in_session("1:name=systemd:/user.slice/user-0.slice/session-c1.scope\n0::/\n"));
        assert!(!in_session("0::/system.slice/ssh.service\n"));
    }

    #[test]
    fn reports_connection_service_that_kills_its_processes() {
        let unit = "sshd@3-192.0.2.2:22-192.0.2.1:50000.service";
        let cgroup = format!("0::/system.slice/system-sshd.slice/{unit}\n");
        assert_eq!(service_of_connection(&cgroup), Some(unit));
        assert_eq!(service_of_connection("0::/system.slice/ssh.service\n0::/\n"), None);
        assert_eq!(harm_of_service(unit, "process"), None);
        let text = harm_of_service(unit, "control-group").unwrap();
        assert!(text.contains("> /etc/systemd/system/sshd@.service.d/repair-gate.conf &&"));
    }

    #[test]
    fn reports_only_accounts_whose_sessions_are_killed() {
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
    fn rejects_unexpected_busctl_output() {
        for lines in [&[][..], &["b true", "as 0"], &["b maybe", "as 0", "as 0"], &["x", "y", "z"]]
        {
            let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            assert_eq!(LogindSettings::read(&lines), None);
        }
    }
}
