//! Mistakes during setup: doctor names each one and its fix.

use e2e::Machine;
use serde_json::Value;

use crate::boot;

/// A mistake, how doctor names it, and what undoes it.
struct Turn {
    name: &'static str,
    on: On,
    plant: &'static str,
    check: &'static str,
    text: &'static str,
    fix: &'static str,
    undo: &'static str,
}

#[derive(Clone, Copy)]
enum On {
    Server,
    Web1,
}

const POLICY: &str = "/etc/nagios-selfheal/policy.json";

const TURNS: &[Turn] = &[
    Turn {
        name: "the key was not copied",
        on: On::Web1,
        plant: "mv ~repair/.ssh/authorized_keys /root/keys",
        check: "login",
        text: "repair@web1 (192.0.2.2:22) refused key /etc/nagios-selfheal/id_ed25519",
        fix: "restrict,command=\"/usr/libexec/nagios-selfheal/repair_gate\" ssh-ed25519 AAAAC3",
        undo: "mv /root/keys ~repair/.ssh/authorized_keys",
    },
    Turn {
        name: "the host's key is not known",
        on: On::Server,
        plant: "mv /etc/nagios-selfheal/known_hosts /root",
        check: "known host",
        text: "known_hosts does not exist",
        fix: "sudo repairctl trust web1",
        undo: "mv /root/known_hosts /etc/nagios-selfheal",
    },
    Turn {
        name: "the host has another key",
        on: On::Server,
        plant: "cd /etc/nagios-selfheal; cp known_hosts /root; rm -f /root/x; ssh-keygen -q -t \
                ed25519 -N '' -f /root/x; echo \"web1 $(cat /root/x.pub)\" > known_hosts",
        check: "known host",
        text: "host key of web1 at 192.0.2.2:22 is ssh-ed25519 SHA256:",
        fix: "only then: sudo repairctl trust web1 --replace",
        undo: "mv /root/known_hosts /etc/nagios-selfheal",
    },
    Turn {
        name: "the sudo rule is missing",
        on: On::Web1,
        plant: "mv /etc/sudoers.d/nagios-selfheal /root",
        check: "can repair",
        text: "sudo does not let this account run '/usr/bin/systemctl restart apache2.service' as \
               root",
        fix: "repair_gate sudoers > /etc/sudoers.d/nagios-selfheal",
        undo: "mv /root/nagios-selfheal /etc/sudoers.d",
    },
    Turn {
        name: "sudo logs what a repair prints",
        on: On::Web1,
        plant: "(umask 226; echo 'Defaults log_output' > /etc/sudoers.d/zz-admin)",
        check: "can repair",
        text: "sudo's option log_output kills a daemon that a repair has started",
        fix: "on web1, as root: /usr/libexec/nagios-selfheal/repair_gate check",
        undo: "rm /etc/sudoers.d/zz-admin",
    },
    Turn {
        name: "logind kills what is left of a session, whatever init has written",
        on: On::Web1,
        plant:
            "test -e /etc/systemd/logind.conf.d/repair-gate.conf
            printf '[Login]\\nKillUserProcesses=yes\\nKillExcludeUsers=\\n' > \
            /etc/systemd/logind.conf.d/z.conf; systemctl kill --kill-who=main -s HUP systemd-logind",
        check: "can repair",
        text: "systemd-logind kills a repair",
        fix: "on web1, as root: /usr/libexec/nagios-selfheal/repair_gate check",
        undo: "rm /etc/systemd/logind.conf.d/z.conf; systemctl kill --kill-who=main -s HUP \
               systemd-logind",
    },
    Turn {
        name: "the private key is root's",
        on: On::Server,
        plant: "chown root /etc/nagios-selfheal/id_ed25519",
        check: "key",
        text: "Permission denied",
        fix: "chown nagios /etc/nagios-selfheal/id_ed25519 && chmod 600",
        undo: "chown nagios /etc/nagios-selfheal/id_ed25519",
    },
    Turn {
        name: "the private key can be read by others",
        on: On::Server,
        plant: "chmod 644 /etc/nagios-selfheal/id_ed25519",
        check: "key",
        text: "may be used by others (mode 0644)",
        fix: "chmod 600 /etc/nagios-selfheal/id_ed25519",
        undo: "chmod 600 /etc/nagios-selfheal/id_ed25519",
    },
    Turn {
        name: "repairs.json belongs to the gate's account",
        on: On::Web1,
        plant: "chown repair /etc/nagios-selfheal/repairs.json",
        check: "repairs.json",
        text: "not to root: chown root '/etc/nagios-selfheal/repairs.json'",
        fix: "repair_gate check",
        undo: "chown root /etc/nagios-selfheal/repairs.json",
    },
    Turn {
        name: "the gate's records belong to root",
        on: On::Web1,
        plant: "chown root /var/lib/nagios-selfheal/gate",
        check: "can repair",
        text: "/var/lib/nagios-selfheal/gate belongs to root",
        fix: "on web1, as root: install -d -o repair -g repair -m 700 \
              /var/lib/nagios-selfheal/gate",
        undo: "chown repair /var/lib/nagios-selfheal/gate",
    },
    Turn {
        name: "the gate is missing",
        on: On::Web1,
        plant: "mv /usr/libexec/nagios-selfheal/repair_gate /root",
        check: "gate",
        text: "no answer that can be believed to `version`",
        fix: "copy /usr/libexec/nagios-selfheal/repair_gate to web1",
        undo: "mv /root/repair_gate /usr/libexec/nagios-selfheal",
    },
    Turn {
        name: "sshd's port is closed",
        on: On::Web1,
        plant: "systemctl stop ssh",
        check: "port",
        text: "Connection refused",
        fix: "start sshd there, open the firewall, or correct ssh.port",
        undo: "systemctl start ssh",
    },
    Turn {
        name: "the policy has a wrong user",
        on: On::Server,
        plant: "sed -i.good 's/\"user\": \"repair\"/\"user\": \"nobody\"/' \
            /etc/nagios-selfheal/policy.json",
        check: "login",
        text: "nobody@web1",
        fix: "create the account nobody (ssh.user)",
        undo: "mv /etc/nagios-selfheal/policy.json.good /etc/nagios-selfheal/policy.json; chgrp \
               nagios /etc/nagios-selfheal/policy.json",
    },
    Turn {
        name: "the gate does not name the repair",
        on: On::Web1,
        plant: "sed -i.good 's/\"httpd\"/\"web\"/' /etc/nagios-selfheal/repairs.json",
        check: "repairs",
        text: "the gate offers web; the policy also asks for httpd",
        fix: "name it in /etc/nagios-selfheal/repairs.json on web1",
        undo: "mv /etc/nagios-selfheal/repairs.json.good /etc/nagios-selfheal/repairs.json",
    },
    Turn {
        name: "the service names a repair that the policy has not",
        on: On::Server,
        plant: "sed -i.good 's/_REPAIR.*httpd/_REPAIR http/' /var/lib/nagios4/objects.cache",
        check: "opted in",
        text: "web1: _REPAIR http",
        fix: "the policy has no such repair",
        undo: "mv /var/lib/nagios4/objects.cache.good /var/lib/nagios4/objects.cache; chmod a+r \
               /var/lib/nagios4/objects.cache",
    },
    Turn {
        name: "the policy's directory is closed",
        on: On::Server,
        plant: "chmod 700 /etc/nagios-selfheal",
        check: "policy",
        text: "Permission denied",
        fix: "chmod 755 /etc/nagios-selfheal",
        undo: "chmod 755 /etc/nagios-selfheal",
    },
    Turn {
        name: "the policy is not for Nagios' group",
        on: On::Server,
        plant: "chgrp root /etc/nagios-selfheal/policy.json",
        check: "policy",
        text: "Permission denied",
        fix: "chgrp nagios /etc/nagios-selfheal/policy.json && chmod 640",
        undo: "chgrp nagios /etc/nagios-selfheal/policy.json",
    },
    Turn {
        name: "the ledger's directory is root's",
        on: On::Server,
        plant: "chown root /var/lib/nagios-selfheal/ledger",
        check: "ledger",
        text: "not this user's to write",
        fix: "install -d -o nagios -g nagios -m 750 /var/lib/nagios-selfheal/ledger",
        undo: "chown nagios /var/lib/nagios-selfheal/ledger",
    },
    Turn {
        name: "Nagios does not run",
        on: On::Server,
        plant: "systemctl stop nagios4",
        check: "command file",
        text: "Nagios is not told: /var/lib/nagios4/rw/nagios.cmd",
        fix: "start Nagios",
        undo: "systemctl start nagios4; until [ -p /var/lib/nagios4/rw/nagios.cmd ] && [ -e \
               /var/lib/nagios4/status.dat ]; do sleep 0.1; done",
    },
    Turn {
        name: "event handlers are off",
        on: On::Server,
        plant: "sed -i.good 's/^enable_event_handlers=.*/enable_event_handlers=0/' \
                /etc/nagios4/nagios.cfg",
        check: "nagios.cfg",
        text: "enable_event_handlers=0",
        fix: "change it there and restart Nagios",
        undo: "mv /etc/nagios4/nagios.cfg.good /etc/nagios4/nagios.cfg",
    },
    Turn {
        name: "the verify command is not there",
        on: On::Server,
        plant: "sed -i.good 's/\"check_http\"/\"check_htpt\"/' /etc/nagios-selfheal/policy.json; \
                                                            chgrp nagios \
                                                            /etc/nagios-selfheal/policy.json",
        check: "verify",
        text: "the verify command 'check_htpt' is in none of",
        fix: "plugin_path",
        undo: "mv /etc/nagios-selfheal/policy.json.good /etc/nagios-selfheal/policy.json; chgrp \
               nagios /etc/nagios-selfheal/policy.json",
    },
];

/// Exit code and checks.
fn doctor(server: &Machine) -> (i32, Vec<Value>) {
    let done = server.root("repairctl doctor --json");
    let text = String::from_utf8_lossy(&done.stdout);
    let report: Value =
        serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}{done:?}"));
    (done.status.code().unwrap(), report["checks"].as_array().unwrap().clone())
}

fn wrong(checks: &[Value]) -> Vec<&Value> {
    checks.iter().filter(|check| check["verdict"] == "wrong").collect()
}

#[test]
fn doctor_names_every_mistake_and_its_fix() {
    let site = boot();
    site.follow_readme();
    site.web1.must("systemctl start apache2");
    let mut missed = Vec::new();
    for turn in TURNS {
        let machine = match turn.on {
            On::Server => &site.server,
            On::Web1 => &site.web1,
        };
        machine.must(turn.plant);
        let (code, checks) = doctor(&site.server);
        machine.must(turn.undo);
        let names_it = |check: &&Value| {
            let has =
                |key: &str, part: &str| check[key].as_str().is_some_and(|text| text.contains(part));
            check["check"] == turn.check && has("text", turn.text) && has("fix", turn.fix)
        };
        let all = wrong(&checks);
        if code != 1 || !all.iter().any(names_it) {
            missed.push(format!("{}: exit {code}, {all:#?}", turn.name));
        }
        let (code, checks) = doctor(&site.server);
        assert_eq!(code, 0, "after '{}' was undone: {:#?}", turn.name, wrong(&checks));
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    assert!(site.server.root(&format!("test -s {POLICY}")).status.success());
}
