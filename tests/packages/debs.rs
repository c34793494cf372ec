//! Tests of the debs on a minimal Debian with Debian's nagios4, apache2 and openssh-server.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use e2e::{Machine, Place, Plan, Site, run, shipped, system_program};
use rusqlite::Connection;

use crate::lifecycle::Lifecycle;
use crate::{
    WRITTEN, assert_files, assert_installed, assert_no_unit_is_on, assert_programs_files_exist,
    assert_still_paused, debian, kept, packages, programs,
};

const SERVER: [&str; 3] = ["nagios-selfheal", "nagios-plugins-selfheal", "nagios-selfheal-config"];
const GATE: &str = "repair-gate";

/// Copies the debs into a directory of the lab.
fn parts(place: &Place) -> PathBuf {
    let parts = place.directory("debs", None);
    for deb in packages(".deb") {
        fs::copy(&deb, parts.join(deb.file_name().unwrap())).unwrap();
    }
    parts
}

/// Runs apt-get unattended, with options that keep configuration files which an admin has changed.
fn apt(machine: &Machine, words: &str) -> String {
    let options = "--yes --quiet --no-install-recommends -o Dpkg::Options::=--force-confdef -o \
                   Dpkg::Options::=--force-confold";
    machine.must(&format!("DEBIAN_FRONTEND=noninteractive apt-get {options} {words} </dev/null"))
}

/// Installs packages as an admin would. There is no network, so the system must already have their
/// dependencies.
fn install(machine: &Machine, names: &[&str]) {
    let files: Vec<String> = names.iter().map(|name| format!("/parts/{name}_*.deb")).collect();
    apt(machine, &format!("install {}", files.join(" ")));
}

#[test]
fn quick_start_with_debs_heals_apache() {
    let place = Place::new();
    let parts = parts(&place);
    let site =
        Site::boot(place, &Plan { base: debian::root(), parts: &parts, server: "", web1: "" });
    install(&site.server, &SERVER);
    install(&site.web1, &[GATE]);
    let screen = site.follow_readme();
    assert!(screen.contains(": all is well"), "{screen}");
    site.wait_until_nagios_has_healed_apache();
    // The sweep's unit must work if an admin starts it.
    site.server.must(
        "systemctl start repairctl-sweep.service || { journalctl -u repairctl-sweep; exit 1; }",
    );
    let history = site.server.must("repairctl history");
    assert!(history.contains("web1/HTTP") && history.contains("httpd"), "{history}");
}

#[test]
fn debs_install_all_files_and_start_nothing() {
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
    // Initially there is no repair, no key gives access to the account, and sudo allows the account
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
    // A repair must survive the end of its connection, even with KillUserProcesses=yes.
    let spared = machine.must(
        "busctl get-property org.freedesktop.login1 /org/freedesktop/login1 \
         org.freedesktop.login1.Manager KillExcludeUsers",
    );
    assert_eq!(spared, "as 2 \"root\" \"repair\"\n");
    // Make sudo require a terminal, as on old RHEL versions. The unit repair-gate-sudoers must
    // notice this and write a rule that exempts the gate's account.
    machine.must(
        "set -e; sed -i '1i Defaults requiretty' /etc/sudoers; systemctl start repair-gate-sudoers
        grep -q '^Defaults:repair !requiretty' /etc/sudoers.d/nagios-selfheal
        sed -i 1d /etc/sudoers; systemctl start repair-gate-sudoers
        ! grep requiretty /etc/sudoers.d/nagios-selfheal",
    );
    // Once the path unit is enabled, it must react to changes to repairs.json, no matter how often
    // the file is written.
    machine.must(
        r#"systemctl enable --now repair-gate-sudoers.path
        for n in 1 2 3 4 5 6 7 8; do
            echo "{\"repairs\": {\"x\": {\"run\": [\"/bin/echo\", \"$n\"], \"as\": \"root\"}}}" > /etc/nagios-selfheal/repairs.json
            timeout 300 sh -c "until grep -q 'echo $n' /etc/sudoers.d/nagios-selfheal; do sleep 0.1; done"
        done"#,
    );
}

#[test]
fn debs_take_over_no_account_and_follow_no_link() {
    let place = Place::new();
    let machine = Machine::alone(&place, debian::root(), &parts(&place));
    // Create an account named `repair` that belongs to a person and that the admin has locked.
    machine.must(
        "useradd --create-home repair && echo repair:secret | chpasswd && usermod --lock repair",
    );
    let entry = "getent passwd repair && getent shadow repair";
    let before = machine.must(entry);
    let told = machine.root("apt-get install --yes /parts/repair-gate_*.deb </dev/null");
    let text = String::from_utf8_lossy(&told.stderr) + String::from_utf8_lossy(&told.stdout);
    assert!(!told.status.success() && text.contains("seems to belong to a person"), "{text}");
    assert_eq!(machine.must(entry), before);
    machine.must("userdel --remove repair; apt-get purge --yes repair-gate");

    // Let Nagios' user own the directories and plant links in one of them.
    machine.must(
        "install -d -o nagios /etc/nagios-selfheal /var/lib/nagios-selfheal
        cd /var/lib/nagios-selfheal && for link in /etc=ledger /srv=gate /mnt=home; do
            runuser -u nagios -- ln -s ${link%=*} ${link#*=}
        done",
    );
    let strangers = "stat --format '%U:%G %a %n' /etc /srv /mnt && ls -A /srv /mnt";
    let before = machine.must(strangers);
    // Test once with systemd-tmpfiles and once without it, as in a container.
    for without in ["", "mv /usr/bin/systemd-tmpfiles /usr/bin/away; "] {
        machine.must(&format!(
            "{without}dpkg --install /parts/nagios-selfheal_*.deb /parts/repair-gate_*.deb"
        ));
        assert_eq!(machine.must(strangers), before);
        assert_eq!(machine.must("ls -A /etc/nagios-selfheal"), "");
    }
    assert!(
        machine.must("getent shadow repair").starts_with("repair:*:"),
        "sshd would treat the account as locked"
    );
    // Neither repair-gate-sudoers nor the removal of the package may touch rules that an admin has
    // written.
    machine.must("echo '# mine' > /etc/sudoers.d/nagios-selfheal");
    let told = machine.root("/usr/libexec/nagios-selfheal/repair-gate-sudoers");
    assert!(!told.status.success(), "{told:?}");
    machine.must("dpkg --purge repair-gate");
    assert_eq!(machine.must("cat /etc/sudoers.d/nagios-selfheal"), "# mine\n");
}

/// Builds the same packages with a higher version, different initial files and different conffiles.
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
fn upgrade_keeps_written_files() {
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

/// Builds a package from the scripts and conffiles of commit 7740e3e and the programs under test.
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

/// Boots a machine and gives it the files of the old packages, the packages under test and the
/// newer packages. None of them is installed yet.
fn generations(place: &Place) -> Machine {
    let parts = parts(place);
    for name in ["nagios-selfheal", GATE] {
        old(place, name);
    }
    let machine = Machine::alone(place, debian::root(), &parts);
    newer(&machine);
    machine
}

/// The apt-get command with its default handling of conffiles. The packages must not make it ask
/// questions.
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
fn upgrade_keeps_configuration_without_questions() {
    with_lifecycle(|life| {
        life.keeps_configuration(&format!(
            "{APT} purge nagios-selfheal repair-gate; ! test -e /etc/nagios-selfheal"
        ));
    });
}

#[test]
fn reinstallation_keeps_configuration() {
    with_lifecycle(|life| life.keeps_configuration_of_a_removed_package());
}

#[test]
fn first_installation_keeps_existing_files() {
    with_lifecycle(|life| life.installs_beside_configuration());
}

#[test]
fn upgrade_keeps_state_of_units() {
    with_lifecycle(|life| life.keeps_units_as_they_are());
}

#[test]
fn removal_leaves_no_active_or_failed_unit() {
    with_lifecycle(|life| life.removes_units());
}

#[test]
fn upgrade_updates_sudo_rules() {
    with_lifecycle(|life| life.renews_sudoers());
}

#[test]
fn keeps_sudo_rules_if_visudo_rejects_new_ones() {
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
    assert!(told.contains("visudo rejects"), "{told}");
    assert_eq!(machine.must(rules), before);
}

#[test]
fn upgrade_migrates_old_ledger() {
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
fn removal_deletes_programs_and_purge_deletes_files() {
    let place = Place::new();
    let machine = Machine::alone(&place, debian::root(), &parts(&place));
    let before = programs(&machine);
    install(&machine, &SERVER);
    install(&machine, &[GATE]);
    assert_ne!(programs(&machine), before);
    machine.must(WRITTEN);
    apt(&machine, &format!("remove {} {GATE}", SERVER.join(" ")));
    assert_eq!(programs(&machine), before);
    // Removing the package deletes the sudo rules together with the gate, and keeps the
    // configuration.
    assert!(!machine.root("test -e /etc/sudoers.d/nagios-selfheal").status.success());
    assert_files(
        &machine,
        &[
            "nagios:root 600 /etc/nagios-selfheal/policy.json",
            "root:root 644 /etc/nagios-selfheal/repairs.json",
        ],
    );
    assert_programs_files_exist(&machine);
    machine.must("nagios4 -v /etc/nagios4/nagios.cfg");

    let told = apt(&machine, &format!("purge {} {GATE}", SERVER.join(" ")));
    let left = machine.must(
        r"find /etc /var /usr \( -name '*selfheal*' -o -name 'repair[-_c]*' \) -not -path '/var/log/*' \
          -not -path '/var/cache/*'",
    );
    assert!(left.trim().is_empty(), "{left}\n{told}");
    // The accounts stay, because files that belong to them can be anywhere.
    machine.must("id nagios && id repair");
}
