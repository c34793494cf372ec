//! Tests of the gate on a machine with systemd and an sshd that uses PAM. A running repair, and a
//! daemon that it has started, must survive the end of the connection, even if logind kills the
//! processes that a session leaves behind.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use e2e::{Machine, Place, shipped, until};

/// Script that installs the gate as its package does, and creates a key.
const INSTALL: &str = r#"set -e
ip link set lo up
userdel repair 2>/dev/null || true
useradd --system --home-dir /var/lib/nagios-selfheal/home --shell /bin/sh --password '*' repair
install -D -m 755 -t /usr/libexec/nagios-selfheal /parts/repair_gate
install -d -m 755 /etc/nagios-selfheal /var/lib/nagios-selfheal/home
install -d -o repair -g repair -m 700 /var/lib/nagios-selfheal/gate
install -d -o root -g repair -m 750 /var/lib/nagios-selfheal/home/.ssh
ssh-keygen -q -t ed25519 -N '' -f /root/key
echo "restrict,command=\"/usr/libexec/nagios-selfheal/repair_gate\" $(cat /root/key.pub)" \
    > /var/lib/nagios-selfheal/home/.ssh/authorized_keys
cat > /root/script <<'END'
setsid sh -c 'echo $$ > /root/daemon; exec sleep 600' > /dev/null 2>&1 < /dev/null &
until [ -s /root/daemon ]; do sleep 0.05; done
touch /root/begun
until [ -e /root/go ]; do sleep 0.05; done
touch /root/ended
END
echo '{"repairs": {"x": {"run": ["/bin/sh", "/root/script"], "as": "root", "cooldown": "0s"}}}' \
    > /etc/nagios-selfheal/repairs.json
(umask 226; /usr/libexec/nagios-selfheal/repair_gate sudoers > /etc/sudoers.d/nagios-selfheal)
rm -f /etc/ssh/ssh_host_*
ssh-keygen -A > /dev/null
grep -q '^UsePAM yes' /etc/ssh/sshd_config
grep -q pam_systemd /etc/pam.d/common-session
systemctl start ssh systemd-logind
"#;

const SSH: &str = "ssh -F /dev/null -i /root/key -o BatchMode=yes -o StrictHostKeyChecking=no \
                   -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR repair@127.0.0.1";
const CHECK: &str = "/usr/libexec/nagios-selfheal/repair_gate check";

struct Host(Machine);

impl Host {
    fn boot() -> Host {
        let place = Place::new();
        let parts = place.directory("programs", None);
        fs::copy(place.program("repair_gate"), parts.join("repair_gate")).unwrap();
        fs::copy(shipped("packaging/systemd/repair-gate.conf"), parts.join("repair-gate.conf"))
            .unwrap();
        let machine = Machine::alone(&place, Path::new("/"), &parts);
        machine.must(INSTALL);
        Host(machine)
    }

    /// Writes a configuration file for logind and makes logind read it.
    fn logind(&self, path: &str, text: &str) {
        self.0.must(&format!(
            "install -d $(dirname {path}); printf '[Login]\\n{text}' > {path}; {RELOAD}"
        ));
    }

    /// Waits until the gate reports an obstacle that contains `part`. After SIGHUP, logind needs
    /// some time to read its files.
    fn obstacle(&self, part: &str) -> String {
        until(part, Duration::from_secs(60), || Some(self.ready()).filter(|it| it.contains(part)))
    }

    fn assert_ready(&self) {
        until("a gate that is ready", Duration::from_secs(60), || {
            self.ready().is_empty().then_some(())
        });
    }

    /// Returns the obstacle that the gate reports, or an empty string.
    fn ready(&self) -> String {
        let answer = self.0.root(&format!("{SSH} 'ready x'"));
        let line = String::from_utf8(answer.stdout).unwrap().trim().to_owned();
        let answer: serde_json::Value =
            serde_json::from_str(line.strip_prefix("SHN1 ").unwrap_or_else(|| panic!("{line}")))
                .unwrap();
        answer["text"].as_str().unwrap_or_default().to_owned()
    }

    /// Lets the repair finish, which also ends the session. Checks that the daemon that the repair
    /// started survives if `lives` is set, and dies otherwise.
    fn assert_daemon_after_repair(&self, job: &str, lives: bool) {
        self.0.must(&format!(
            "touch /root/go; {SSH} 'repair x {job}' | grep -q '\"state\":\"done\"'"
        ));
        self.assert_daemon_after_session(lives);
        self.tidy();
    }

    /// Cuts the connection while the repair is running. Checks that the repair and its daemon
    /// survive if `lives` is set, and die otherwise.
    fn assert_repair_after_cut(&self, job: &str, lives: bool) {
        self.0.must(&format!(
            "{SSH} 'repair x {job}' > /root/answer 2>&1 & client=$!
            timeout 60 sh -c 'until [ -e /root/begun ]; do sleep 0.1; done' || cat /root/answer
            kill -KILL $client"
        ));
        self.assert_daemon_after_session(lives);
        self.0.must("touch /root/go");
        let status = format!("{SSH} 'status {job}'");
        if lives {
            self.0.must(&format!(
                "timeout 60 sh -c \"until {status} | grep -q done; do sleep 0.2; done\" && test -e \
                 /root/ended"
            ));
        } else {
            self.0.must(&format!("{status} | grep running; sleep 1; ! test -e /root/ended"));
        }
        self.tidy();
    }

    /// Waits until logind has ended the session in which the daemon was started. Checks that the
    /// daemon survives if `lives` is set, and dies otherwise.
    fn assert_daemon_after_session(&self, lives: bool) {
        let alive = "kill -0 $(cat /root/daemon) 2>/dev/null";
        if lives {
            // The daemon's unit is either a scope that logind has abandoned, or a service whose
            // main process has exited.
            self.0.must(&format!(
                "set -e; unit=$(sed -n 's,^0::.*/,,p' /proc/$(cat /root/daemon)/cgroup)
                timeout 60 sh -c \"until systemctl show -p SubState --value $unit | grep -Eq \
                 'abandoned|dead|failed'; do sleep 0.1; done\"
                sleep 1; {alive}"
            ));
        } else {
            self.0.must(&format!("timeout 60 sh -c 'while {alive}; do sleep 0.1; done'"));
        }
    }

    /// Kills the daemon that a repair has started, and removes the repair's files and records.
    fn tidy(&self) {
        self.0.must(
            "pkill -KILL -F /root/daemon || true; rm -rf /root/begun /root/ended /root/daemon \
             /root/go
            rm -rf /var/lib/nagios-selfheal/gate/jobs/*
            timeout 60 sh -c 'while loginctl list-sessions --no-legend | grep -q repair; do sleep \
             0.2; done'",
        );
    }
}

const RELOAD: &str = "systemctl kill --kill-who=main --signal=HUP systemd-logind";
const ADMINS: &str = "/etc/systemd/logind.conf.d/50-admin.conf";

/// Returns the command that follows "as root here: ".
fn fix(text: &str) -> &str {
    text.split_once("as root here: ").unwrap_or_else(|| panic!("no fix: {text}")).1.trim_end()
}

#[test]
fn repair_survives_lost_connection_with_printed_fix() {
    let host = Host::boot();
    host.assert_ready();
    host.assert_daemon_after_repair("20261123-default", true);
    host.assert_repair_after_cut("20261123-default-cut", true);

    host.logind(ADMINS, "KillUserProcesses=yes\\n");
    let text = host.obstacle("systemd-logind kills a repair");
    assert!(host.0.must(CHECK).contains(fix(&text)));
    // Before the fix is applied, check that logind really kills the repair's processes.
    host.assert_daemon_after_repair("20261123-kill", false);
    host.assert_repair_after_cut("20261123-kill-cut", false);

    host.0.must(fix(&text));
    host.assert_ready();
    assert!(!host.0.must(CHECK).contains("warning: systemd"));
    host.assert_daemon_after_repair("20261123-fixed", true);
    host.assert_repair_after_cut("20261123-fixed-cut", true);
}

#[test]
fn packaged_logind_file_extends_admins_list() {
    let host = Host::boot();
    host.logind(ADMINS, "KillUserProcesses=yes\\nKillExcludeUsers=ann\\n");
    // logind spares root only if the admin's list is empty or contains root. This list is not empty
    // and does not contain root, so logind does not spare root. The printed fix must not change
    // that, so it adds only `repair`.
    host.obstacle("KillExcludeUsers=repair\\n");
    host.0.must(&format!(
        "install -D -m 644 -t /usr/lib/systemd/logind.conf.d /parts/repair-gate.conf; {RELOAD}"
    ));
    host.assert_ready();
    let list = host.0.must(
        "busctl get-property org.freedesktop.login1 /org/freedesktop/login1 \
         org.freedesktop.login1.Manager KillExcludeUsers",
    );
    assert_eq!(list, "as 3 \"ann\" \"root\" \"repair\"\n");
    host.assert_daemon_after_repair("20261123-packaged", true);
    host.assert_repair_after_cut("20261123-packaged-cut", true);
    // With KillOnlyUsers, logind kills the processes of the account `repair` regardless of
    // KillExcludeUsers.
    host.logind("/etc/systemd/logind.conf.d/z.conf", "KillExcludeUsers=\\nKillOnlyUsers=repair\\n");
    let text = host.obstacle("systemd-logind kills a repair");
    host.0.must(fix(&text));
    host.assert_ready();
}

/// Script that makes systemd start a separate sshd service for each connection, without logind
/// sessions. Some systems are configured like this.
const SERVICE_OF_CONNECTION: &str = "set -e
sed -i 's/^UsePAM yes/UsePAM no/' /etc/ssh/sshd_config
cat > /etc/systemd/system/door@.service <<'END'
[Service]
ExecStart=-/usr/sbin/sshd -i
StandardInput=socket
RuntimeDirectory=sshd
RuntimeDirectoryPreserve=yes
END
printf '[Socket]\\nListenStream=127.0.0.1:22\\nAccept=yes\\n' > /etc/systemd/system/door.socket
systemctl daemon-reload
systemctl stop ssh
systemctl start door.socket
";

#[test]
fn repair_survives_sshd_service_per_connection_with_printed_fix() {
    let host = Host::boot();
    host.0.must(SERVICE_OF_CONNECTION);
    let text = host.obstacle("together with door@.service");
    host.assert_daemon_after_repair("20261123-service", false);
    host.assert_repair_after_cut("20261123-service-cut", false);
    host.0.must(fix(&text));
    host.assert_ready();
    host.assert_daemon_after_repair("20261123-fixed", true);
    host.assert_repair_after_cut("20261123-fixed-cut", true);
}
