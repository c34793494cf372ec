//! The debs, on a plain Debian with its own nagios4, apache2 and openssh-server.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use e2e::{Machine, Place, Plan, Site, run, shipped, system_program};
use rusqlite::Connection;

use crate::lifecycle::Lifecycle;
use crate::{
    WRITTEN, assert_files, assert_installed, assert_kept_what_programs_wrote, assert_no_unit_is_on,
    assert_still_paused, debian, kept, packages, programs,
};

const SERVER: [&str; 3] = ["nagios-selfheal", "nagios-plugins-selfheal", "nagios-selfheal-config"];
const GATE: &str = "repair-gate";

/// The debs in a directory of the lab.
fn parts(place: &Place) -> PathBuf {
    let parts = place.directory("debs", None);
    for deb in packages(".deb") {
        fs::copy(&deb, parts.join(deb.file_name().unwrap())).unwrap();
    }
    parts
}

/// apt as it runs unattended: configuration files that an admin has changed stay.
fn apt(machine: &Machine, words: &str) -> String {
    let options = "--yes --quiet --no-install-recommends -o Dpkg::Options::=--force-confdef -o \
                   Dpkg::Options::=--force-confold";
    machine.must(&format!("DEBIAN_FRONTEND=noninteractive apt-get {options} {words} </dev/null"))
}

/// Installs them as an admin would, with what they ask for: there is no network, so all of it must
/// be there.
fn install(machine: &Machine, names: &[&str]) {
    let files: Vec<String> = names.iter().map(|name| format!("/parts/{name}_*.deb")).collect();
    apt(machine, &format!("install {}", files.join(" ")));
}

#[test]
fn debs_and_readme_lead_from_a_plain_debian_to_a_healed_apache() {
    let place = Place::new();
    let parts = parts(&place);
    let site =
        Site::boot(place, &Plan { base: debian::root(), parts: &parts, server: "", web1: "" });
    install(&site.server, &SERVER);
    install(&site.web1, &[GATE]);
    let screen = site.follow_readme();
    assert!(screen.contains(": all is well"), "{screen}");
    site.wait_until_nagios_has_healed_apache();
    // The sweep runs as its unit has it, once it is asked to.
    site.server.must(
        "systemctl start repairctl-sweep.service || { journalctl -u repairctl-sweep; exit 1; }",
    );
    let history = site.server.must("repairctl history");
    assert!(history.contains("web1/HTTP") && history.contains("httpd"), "{history}");
}

#[test]
fn debs_put_everything_in_its_place_and_start_nothing() {
    let place = Place::new();
    let machine = Machine::alone(&place, debian::root(), &parts(&place));
    install(&machine, &SERVER);
    install(&machine, &[GATE]);
    assert_installed(
        &machine,
        &[
            "root:root 755 /usr/libexec/nagios-selfheal/plugins/check_http_openssl",
            "root:root 644 /etc/nagios4/conf.d/selfheal-commands.cfg",
            "root:root 644 /etc/nagios4/conf.d/selfheal-templates.cfg",
            "root:root 644 /usr/share/man/man1/handle_repair.1.gz",
            "root:root 644 /usr/share/man/man1/repairctl.1.gz",
            "root:root 644 /usr/share/man/man1/check_repairs.1.gz",
            "root:root 644 /usr/share/man/man8/repair_gate.8.gz",
            "root:root 644 /usr/share/bash-completion/completions/repairctl",
        ],
    );
    assert_no_unit_is_on(&machine);
    machine.must("nagios4 -v /etc/nagios4/nagios.cfg && visudo -c");
    // Nothing is trusted yet: no repair is named, no key opens the account, and sudo lets it do
    // nothing.
    assert_eq!(machine.must("/usr/libexec/nagios-selfheal/repair_gate check"), "");
    let allowed = machine.root("sudo -l -U repair");
    assert!(!String::from_utf8_lossy(&allowed.stdout).contains("NOPASSWD"), "{allowed:?}");
    assert!(
        !machine
            .root("test -e /var/lib/nagios-selfheal/home/.ssh/authorized_keys")
            .status
            .success()
    );
    // A repair outlives its connection, even with KillUserProcesses=yes.
    let spared = machine.must(
        "busctl get-property org.freedesktop.login1 /org/freedesktop/login1 \
         org.freedesktop.login1.Manager KillExcludeUsers",
    );
    assert_eq!(spared, "as 2 \"root\" \"repair\"\n");
    // As on old RHEL, sudo asks for a terminal: the unit finds out, and the account needs none.
    machine.must(
        "set -e; sed -i '1i Defaults requiretty' /etc/sudoers; systemctl start repair-gate-sudoers
        grep -q '^Defaults:repair !requiretty' /etc/sudoers.d/nagios-selfheal
        sed -i 1d /etc/sudoers; systemctl start repair-gate-sudoers
        ! grep requiretty /etc/sudoers.d/nagios-selfheal",
    );
    // Once it is asked to, it follows repairs.json however often that is written.
    machine.must(
        r#"systemctl enable --now repair-gate-sudoers.path
        for n in 1 2 3 4 5 6 7 8; do
            echo "{\"repairs\": {\"x\": {\"run\": [\"/bin/echo\", \"$n\"], \"as\": \"root\"}}}" > /etc/nagios-selfheal/repairs.json
            timeout 300 sh -c "until grep -q 'echo $n' /etc/sudoers.d/nagios-selfheal; do sleep 0.1; done"
        done"#,
    );
}

#[test]
fn debs_take_over_nobody_and_follow_no_link() {
    let place = Place::new();
    let machine = Machine::alone(&place, debian::root(), &parts(&place));
    // Somebody who is called Repair, and has locked the account for a while.
    machine.must(
        "useradd --create-home repair && echo repair:secret | chpasswd && usermod --lock repair",
    );
    let entry = "getent passwd repair && getent shadow repair";
    let before = machine.must(entry);
    let told = machine.root("apt-get install --yes /parts/repair-gate_*.deb </dev/null");
    let text = String::from_utf8_lossy(&told.stderr) + String::from_utf8_lossy(&told.stdout);
    assert!(!told.status.success() && text.contains("seems to be a person's"), "{text}");
    assert_eq!(machine.must(entry), before);
    machine.must("userdel --remove repair; apt-get purge --yes repair-gate");

    // Nagios' user had the directories to itself once, and planted links in one of them.
    machine.must(
        "install -d -o nagios /etc/nagios-selfheal /var/lib/nagios-selfheal
        cd /var/lib/nagios-selfheal && for link in /etc=ledger /srv=gate /mnt=home; do
            runuser -u nagios -- ln -s ${link%=*} ${link#*=}
        done",
    );
    let strangers = "stat --format '%U:%G %a %n' /etc /srv /mnt && ls -A /srv /mnt";
    let before = machine.must(strangers);
    // With systemd-tmpfiles and, as in a container, without.
    for without in ["", "mv /usr/bin/systemd-tmpfiles /usr/bin/away; "] {
        machine.must(&format!(
            "{without}dpkg --install /parts/nagios-selfheal_*.deb /parts/repair-gate_*.deb"
        ));
        assert_eq!(machine.must(strangers), before);
        assert_eq!(machine.must("ls -A /etc/nagios-selfheal"), "");
    }
    assert!(
        machine.must("getent shadow repair").starts_with("repair:*:"),
        "sshd would take it for a locked account"
    );
    // A rule that an admin has written there is not written over, nor removed.
    machine.must("echo '# mine' > /etc/sudoers.d/nagios-selfheal");
    let told = machine.root("/usr/libexec/nagios-selfheal/repair-gate-sudoers");
    assert!(!told.status.success(), "{told:?}");
    machine.must("dpkg --purge repair-gate");
    assert_eq!(machine.must("cat /etc/sudoers.d/nagios-selfheal"), "# mine\n");
}

/// The same packages under a higher version, with other files for a first installation, and other
/// conffiles if they had any.
fn newer(machine: &Machine) {
    machine.must(
        "mkdir /newer; for deb in /parts/*.deb; do
            rm -rf /tmp/deb; dpkg-deb --raw-extract $deb /tmp/deb
            sed -i \"s/$(dpkg-deb --field $deb Version)/99-1/\" /tmp/deb/DEBIAN/control
            for file in /tmp/deb/usr/share/nagios-selfheal/defaults/* \
                /tmp/deb/etc/nagios-selfheal/*; do
                if [ -e $file ]; then echo >> $file; fi
            done
            dpkg-deb -Znone --build --root-owner-group /tmp/deb /newer/$(basename $deb) >/dev/null
        done",
    );
}

#[test]
fn an_upgrade_keeps_what_was_written() {
    let place = Place::new();
    let machine = Machine::alone(&place, debian::root(), &parts(&place));
    install(&machine, &SERVER);
    install(&machine, &[GATE]);
    machine.must(WRITTEN);
    let before = kept(&machine);
    newer(&machine);
    apt(&machine, "install /newer/*.deb");
    let versions = machine.must(
        "dpkg-query --show --showformat '${Package} ${Version} \
                      ${db:Status-Status}\\n' '*selfheal*' repair-gate",
    );
    assert_eq!(versions.matches(" 99-1 installed\n").count(), 4, "{versions}");
    assert_eq!(kept(&machine), before);
    assert_still_paused(&machine);
}

/// What commit 7740e3e made of a package: its scripts and its conffiles, with today's programs.
fn old(place: &Place, name: &str) {
    let deb = packages(".deb").into_iter().find(|deb| {
        deb.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&format!("{name}_")))
    });
    let script = "work=$1 deb=$2 scripts=$3 out=$4
        dpkg-deb --raw-extract $deb $work
        rm -rf $work/usr/share/nagios-selfheal/defaults
        cd $work/DEBIAN; rm -f preinst postinst prerm postrm md5sums; cp $scripts/* .
        sed -i 's/^Version: .*/Version: 0.0.9-1/' control
        for file in $(cat conffiles); do [ -e ..$file ] || echo '{\"repairs\": {}}' > ..$file; done
        dpkg-deb -Znone --build --root-owner-group $work $out >/dev/null";
    let work = place.directory(&format!("old/{name}"), None);
    let scripts = shipped("tests/packages/7740e3e").join(name);
    let out = place.directory("debs/old", None);
    let words = [&work, &deb.expect("a deb"), &scripts, &out.join(format!("{name}_old.deb"))];
    run(Command::new(system_program(&["sh"])).args(["-euc", script, "sh"]).args(words));
}

/// A machine with the old packages, those under test and the next ones.
fn generations(place: &Place) -> Machine {
    let parts = parts(place);
    for name in ["nagios-selfheal", GATE] {
        old(place, name);
    }
    let machine = Machine::alone(place, debian::root(), &parts);
    newer(&machine);
    machine
}

/// apt as it is, with nobody to answer.
const APT: &str = "DEBIAN_FRONTEND=noninteractive apt-get --yes --quiet --no-install-recommends";

fn with_lifecycle(test: impl FnOnce(&Lifecycle<'_>)) {
    let place = Place::new();
    let machine = generations(&place);
    let install = |directory: &str| {
        let names = format!("{directory}/nagios-selfheal_*.deb {directory}/repair-gate_*.deb");
        format!("{APT} install {names} </dev/null")
    };
    test(&Lifecycle {
        machine: &machine,
        old: &install("/parts/old"),
        new: &install("/parts"),
        newer: &install("/newer"),
        remove: &format!("{APT} remove nagios-selfheal repair-gate </dev/null"),
    });
}

#[test]
fn an_upgrade_never_asks_about_nor_loses_configuration() {
    with_lifecycle(|life| {
        life.keeps_configuration(&format!(
            "{APT} purge nagios-selfheal repair-gate; ! test -e /etc/nagios-selfheal"
        ));
    });
}

#[test]
fn a_new_installation_keeps_what_a_removal_left() {
    with_lifecycle(|life| life.keeps_configuration_of_a_removed_package());
}

#[test]
fn a_first_installation_keeps_what_is_there() {
    with_lifecycle(|life| life.installs_beside_configuration());
}

#[test]
fn an_upgrade_leaves_units_as_they_are() {
    with_lifecycle(|life| life.keeps_units_as_they_are());
}

#[test]
fn a_removal_leaves_no_unit_at_work_or_failed() {
    with_lifecycle(|life| life.removes_units());
}

#[test]
fn an_upgrade_renews_the_rules_of_sudo() {
    with_lifecycle(|life| life.renews_sudoers());
}

#[test]
fn rules_that_visudo_refuses_are_not_put_in_place() {
    let place = Place::new();
    let machine = Machine::alone(&place, debian::root(), &parts(&place));
    install(&machine, &[GATE]);
    newer(&machine);
    machine.must(
        r#"dpkg-deb --raw-extract /newer/repair-gate_*.deb /tmp/gate
        printf '#!/bin/sh\n[ "$1" = check ] || echo "repair ALL=((("\n' > /tmp/gate/usr/libexec/nagios-selfheal/repair_gate
        dpkg-deb -Znone --build --root-owner-group /tmp/gate /newer/repair-gate_*.deb"#,
    );
    let rules = "cat /etc/sudoers.d/nagios-selfheal; ls -A /etc/sudoers.d";
    let before = machine.must(rules);
    let told = apt(&machine, "install /newer/repair-gate_*.deb");
    assert!(told.contains("visudo refuses"), "{told}");
    assert_eq!(machine.must(rules), before);
}

#[test]
fn an_upgrade_migrates_a_ledger_of_an_older_version() {
    let place = Place::new();
    let parts = parts(&place);
    let old = Connection::open(parts.join("old.sqlite")).unwrap();
    old.execute_batch(include_str!("../../handlers/ledger/tests/old/7740e3e.sql")).unwrap();
    old.close().unwrap();
    let machine = Machine::alone(&place, debian::root(), &parts);
    install(&machine, &SERVER);
    let ledger = "/var/lib/nagios-selfheal/ledger/ledger.sqlite";
    machine.must(&format!("install -o nagios -m 600 /parts/old.sqlite {ledger}"));
    newer(&machine);
    apt(&machine, "install /newer/nagios-selfheal_*.deb");
    assert_files(&machine, &[&format!("nagios:nagios 600 {ledger}.schema-1")]);
    let shown = machine.must("runuser -u nagios -- repairctl history");
    assert!(shown.contains("web1") && shown.contains("db1"), "{shown}");
}

#[test]
fn a_removal_leaves_no_program_behind_and_a_purge_nothing_but_accounts() {
    let place = Place::new();
    let machine = Machine::alone(&place, debian::root(), &parts(&place));
    let before = programs(&machine);
    install(&machine, &SERVER);
    install(&machine, &[GATE]);
    assert_ne!(programs(&machine), before);
    machine.must(WRITTEN);
    apt(&machine, &format!("remove {} {GATE}", SERVER.join(" ")));
    assert_eq!(programs(&machine), before);
    // What may be run as root goes with the gate that ran it; what was written stays.
    assert!(!machine.root("test -e /etc/sudoers.d/nagios-selfheal").status.success());
    assert_files(
        &machine,
        &[
            "nagios:root 600 /etc/nagios-selfheal/policy.json",
            "root:root 644 /etc/nagios-selfheal/repairs.json",
        ],
    );
    assert_kept_what_programs_wrote(&machine);
    machine.must("nagios4 -v /etc/nagios4/nagios.cfg");

    let told = apt(&machine, &format!("purge {} {GATE}", SERVER.join(" ")));
    let left = machine.must(
        r"find /etc /var /usr \( -name '*selfheal*' -o -name 'repair[-_c]*' \) -not -path '/var/log/*' \
          -not -path '/var/cache/*'",
    );
    assert!(left.trim().is_empty(), "{left}\n{told}");
    // Accounts stay, as files of theirs may be anywhere.
    machine.must("id nagios && id repair");
}
