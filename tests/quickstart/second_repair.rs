//! Tests of `repairctl init --target`, which logs in with the admin's ssh configuration. It must
//! add a second repair on the server and on the host.

use e2e::{Machine, Site};
use serde_json::Value;

use crate::boot;

/// The admin's ssh_config. No other file contains the address of web1 or the name of the admin's
/// account there. On port 22, web1 accepts only the gate's account. Passwords are disabled, so that
/// ssh never asks for one.
const SSH_CONFIG: &str = "Host web1
    HostName 192.0.2.2
    Port 2222
    User boss
    PreferredAuthentications publickey
";
const WEB1: &str = "useradd --create-home --shell /bin/bash boss
echo 'boss ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/boss
chmod 440 /etc/sudoers.d/boss
install -d -o boss -m 700 /home/boss/.ssh
install -o boss -m 600 /home/admin/.ssh/authorized_keys /home/boss/.ssh/authorized_keys
printf 'Port 22\\nPort 2222\\nMatch LocalPort 22\\nAllowUsers repair\\n' > /etc/ssh/sshd_config.d/a.conf
systemctl restart ssh
";

fn ready() -> Site {
    let site = boot();
    site.web1.must(WEB1);
    site.server.must(&format!(
        "sed -i /web1/d /etc/hosts; cat > /home/admin/.ssh/config <<'END'\n{SSH_CONFIG}END\n\
         chown admin /home/admin/.ssh/config"
    ));
    site
}

/// Returns the names of the repairs in a policy.json or repairs.json.
fn repairs(machine: &Machine, file: &str) -> Vec<String> {
    let json: Value = serde_json::from_str(&machine.must(&format!("cat {file}"))).unwrap();
    json["repairs"].as_object().unwrap().keys().cloned().collect()
}

const POLICY: &str = "/etc/nagios-selfheal/policy.json";
const REPAIRS: &str = "/etc/nagios-selfheal/repairs.json";

/// Runs `repairctl init` as the admin without a terminal. Returns its exit code and output.
fn unattended(site: &Site, words: &str) -> (i32, String) {
    let script = format!("runuser -u admin -- env HOME=/home/admin sudo repairctl init {words}");
    let done = site.server.root(&script);
    let shown = [done.stdout, done.stderr].concat();
    (done.status.code().unwrap(), String::from_utf8_lossy(&shown).into_owned())
}

#[test]
fn adds_second_repair_with_ssh_of_admin() {
    let site = ready();
    let both = || (repairs(&site.server, POLICY), repairs(&site.web1, REPAIRS));
    let (done, shown) =
        site.server.typed("sudo repairctl init --repair httpd:apache2 --target web1");
    assert!(done && shown.contains("/usr/bin/ssh -o ConnectTimeout=20 -- web1"), "{shown}");
    // init must have installed the helper that an admin runs after each change to repairs.json.
    site.web1.must("/usr/libexec/nagios-selfheal/repair-gate-sudoers && visudo -cq");

    let second = "sudo repairctl init --repair mariadb --target web1";
    let (done, shown) = site.server.typed(second);
    assert!(done, "{shown}");
    assert_eq!(shown.matches("  +     \"mariadb\": {").count(), 2, "{shown}");
    assert!(shown.contains("Add this?") && shown.contains("Run this script on web1?"), "{shown}");
    let names = || vec!["httpd".to_owned(), "mariadb".to_owned()];
    assert_eq!(both(), (names(), names()));
    let sudoers = site.web1.must("cat /etc/sudoers.d/nagios-selfheal");
    assert!(sudoers.contains("restart apache2.service") && sudoers.contains("restart mariadb"));
    // Nagios' user must still be able to read the policy.
    site.server.must(&format!("runuser -u nagios -- test -r {POLICY}"));
    let (done, shown) = site.server.typed(second);
    assert!(done && !shown.contains("  + ") && shown.contains("already exists"), "{shown}");
    assert_eq!(both(), (names(), names()));

    // Without a terminal, nobody can answer init's question, so init must change nothing.
    let (code, shown) = unattended(&site, "--repair redis --target web1");
    assert!(code == 3 && shown.contains("pass --yes to skip the question"), "{code} {shown}");
    assert_eq!(both(), (names(), names()));
    let (code, shown) = unattended(&site, "--repair redis --target web1 --yes");
    assert_eq!(code, 0, "{shown}");
    assert!(both().0.contains(&"redis".to_owned()) && both().1.contains(&"redis".to_owned()));
    // init must leave an invalid repairs.json unchanged.
    site.web1.must(&format!("cp {REPAIRS} /root/r; echo nonsense > {REPAIRS}"));
    let (code, shown) = unattended(&site, "--repair redis --target web1 --yes");
    assert!(code == 3 && shown.contains("repairs.json on web1: "), "{code} {shown}");
    assert_eq!(site.web1.must(&format!("cat {REPAIRS}")), "nonsense\n");
}

#[test]
fn explains_failed_login_of_admin() {
    let site = ready();
    let (done, shown) = site.server.typed("sudo repairctl init --target web1");
    assert!(done, "{shown}");
    let config = "/home/admin/.ssh/config";
    for (machine, plant, undo, hint) in [
        (
            &site.server,
            format!("sed -i.good 's/Host web1/Host web2/' {config}"),
            format!("mv {config}.good {config}"),
            "ssh cannot resolve web1: add it to your ssh_config",
        ),
        (
            &site.server,
            "mv /home/admin/.ssh/known_hosts /root".into(),
            "mv /root/known_hosts /home/admin/.ssh".into(),
            "your own known_hosts has no key for web1, or the host presents a different key: connect once to compare the keys, as yourself: ssh web1",
        ),
        (
            &site.server,
            format!("sed -i.good 's/Port .*/Port 2223/' {config}"),
            format!("mv {config}.good {config}"),
            "cannot connect to web1: to see why, as yourself: ssh web1",
        ),
        (
            &site.server,
            format!("sed -i.good 's/User .*/User nobody/' {config}"),
            format!("mv {config}.good {config}"),
            "web1 refused your login: to try it by hand, as yourself: ssh web1",
        ),
        (
            &site.web1,
            "mv /etc/sudoers.d/boss /root".into(),
            "mv /root/boss /etc/sudoers.d".into(),
            "may not use sudo without a password on web1",
        ),
        (
            &site.web1,
            "mv /usr/sbin/visudo /root".into(),
            "mv /root/visudo /usr/sbin".into(),
            "The script failed on web1: read its output above",
        ),
    ] {
        machine.must(&plant);
        let (code, shown) = unattended(&site, "--target web1 --yes");
        machine.must(&undo);
        assert!(code == 2 && shown.contains(hint), "{plant}: {code} {shown}");
    }
    assert_eq!(unattended(&site, "--target web1 --yes").0, 0);
}
