//! The rpms, from a repository of our own by dnf. There is no Fedora here: what they ask for is on
//! this system under the names of Debian, and one package without files says so.

use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::{Machine, Place, run, shipped, system_program};

use crate::{
    WRITTEN, assert_installed, assert_kept_what_programs_wrote, assert_no_program_is_left,
    assert_no_unit_is_on, assert_still_paused, kept, packages,
};

/// What this system has and its own packages do not tell rpm of.
const THERE: &str = "Name: there
Version: 1
Release: 1
Summary: What this system has
License: none
BuildArch: noarch
Provides: nagios, openssh-clients, openssh-server, sudo, systemd, /bin/sh, /bin/kill, /usr/bin/kill
Provides: /usr/sbin/groupadd, /usr/sbin/useradd, /usr/sbin/usermod, user(nagios), group(nagios), \
user(repair), group(repair)
%description
%files
";

/// A machine that can install the rpms from /parts/repository, and the newer ones of [`upgrade`]
/// from /parts/newer.
fn machine(place: &Place) -> Machine {
    let repository = place.directory("rpms/repository", None);
    for rpm in packages(".rpm") {
        fs::copy(&rpm, repository.join(rpm.file_name().unwrap())).unwrap();
    }
    build(place, &place.file("there.spec", &with_libraries(), 0o644, None), &repository, &[]);
    index(&repository);
    Machine::alone(place, Path::new("/"), &place.at("rpms"))
}

/// Makes a repository of what is in a directory.
fn index(directory: &Path) {
    run(Command::new(system_program(&["createrepo_c"])).arg("--quiet").arg(directory));
}

/// And the libraries, by the names under which rpm knows them.
fn with_libraries() -> String {
    let mut asked: Vec<String> = Vec::new();
    for rpm in packages(".rpm") {
        let told = run(Command::new(system_program(&["rpm"]))
            .args(["--query", "--requires", "--package"])
            .arg(rpm));
        asked.extend(
            told.lines()
                .filter(|line| ["lib", "ld-", "rtld("].iter().any(|kind| line.starts_with(kind)))
                .map(str::to_owned),
        );
    }
    asked.sort();
    asked.dedup();
    let provides: String = asked.iter().map(|library| format!("Provides: {library}\n")).collect();
    THERE.replace("%description", &format!("{provides}%description"))
}

/// Builds a spec file into a directory.
fn build(place: &Place, spec: &Path, into: &Path, more: &[String]) {
    let top = place.directory("rpmbuild", None);
    let mut rpmbuild = Command::new(system_program(&["rpmbuild"]));
    rpmbuild
        .args(["-bb", "--quiet", "--nodeps", "--define"])
        .arg(format!("_topdir {}", top.display()))
        .args(more)
        .arg(spec);
    rpmbuild.args(["--define", &format!("_rpmdir {}", into.display())]);
    run(&mut rpmbuild);
}

/// Builds the same programs with a higher release, and with configuration files that were changed
/// by whoever makes them.
fn upgrade(place: &Place) {
    let sources = packages(".rpm")[0].with_file_name("");
    let target = sources.parent().unwrap();
    let spec = fs::read_to_string(shipped("packaging/rpm/nagios-selfheal.spec")).unwrap();
    let spec = spec.replace("\nRelease:        1%{?dist}\n", "\nRelease:        99%{?dist}\n");
    assert!(spec.contains("99%"), "the spec has another Release");
    let spec = place.file("newer.spec", &spec, 0o644, None);
    let work = place.directory("sources", None);
    let script =
        "cd $1; tar -xzf $2/nagios-selfheal-*[0-9].tar.gz; for file in */packaging/policy.json \
         */packaging/gate/repairs.json; do
        echo >> $file; done; for name in nagios-selfheal-*; do tar -czf $name.tar.gz $name; done";
    run(Command::new("/bin/sh").args(["-euc", script, "sh"]).arg(&work).arg(&sources));
    let define =
        |name: &str, value: &Path| ["--define".to_owned(), format!("{name} {}", value.display())];
    let mut more =
        ["--with", "prebuilt", "--define", "_binary_payload w0.ufdio"].map(str::to_owned).to_vec();
    more.extend(define("_sourcedir", &work));
    more.extend(define("programs", &target.join("release").canonicalize().unwrap()));
    more.extend(define("docs", &target.join("docs").canonicalize().unwrap()));
    let newer = place.directory("rpms/newer", None);
    build(place, &spec, &newer, &more);
    index(&newer);
}

const DNF: &str = "dnf --quiet --assumeyes --nogpgcheck --disablerepo='*' \
                   --repofrompath=lab,/parts/repository --setopt=lab.gpgcheck=0 \
                   --releasever=1";

const NAMES: &str = "nagios-selfheal nagios-plugins-selfheal nagios-selfheal-config repair-gate";

fn install(machine: &Machine) {
    machine.must(&format!("{DNF} install {NAMES}"));
}

#[test]
fn rpms_put_everything_in_its_place_and_start_nothing() {
    let place = Place::new();
    let machine = machine(&place);
    install(&machine);
    assert_installed(
        &machine,
        &[
            "root:root 644 /etc/nagios/conf.d/selfheal-commands.cfg",
            "root:root 644 /etc/nagios/conf.d/selfheal-templates.cfg",
            "root:root 440 /etc/sudoers.d/nagios-selfheal",
        ],
    );
    machine.must(
        "ls /usr/share/man/man1/repairctl.1* /usr/share/man/man8/repair_gate.8* \
         /usr/share/bash-completion/completions/repairctl",
    );
    // rpm itself finds all as it was packaged: contents, owners, modes, dependencies.
    machine.must(&format!("rpm --verify {NAMES}"));
    assert_no_unit_is_on(&machine);
    assert!(
        machine.must("getent shadow repair").starts_with("repair:*:"),
        "sshd would take it for a locked account"
    );
    machine.must("visudo -c && runuser -u nagios -- repairctl status");
}

#[test]
fn an_upgrade_keeps_what_was_written() {
    let place = Place::new();
    upgrade(&place);
    let machine = machine(&place);
    install(&machine);
    machine.must(WRITTEN);
    let before = kept(&machine);
    machine.must(&format!("{DNF} --repofrompath=newer,/parts/newer upgrade"));
    let versions =
        machine.must(&format!("rpm --query --queryformat '%{{name}} %{{release}}\\n' {NAMES}"));
    assert_eq!(versions.matches(" 99\n").count(), 4, "{versions}");
    assert_eq!(kept(&machine), before);
    // The makers' files lie beside the admin's.
    machine
        .must("cd /etc/nagios-selfheal; test -e policy.json.rpmnew; test -e repairs.json.rpmnew");
    assert_still_paused(&machine);
}

#[test]
fn a_removal_leaves_no_program_behind_and_keeps_what_was_written() {
    let place = Place::new();
    let machine = machine(&place);
    install(&machine);
    machine.must(WRITTEN);
    machine.must(&format!("{DNF} remove {NAMES}"));
    assert_no_program_is_left(&machine);
    assert!(
        !machine.root("test -e /etc/sudoers.d/nagios-selfheal").status.success(),
        "a rule without its gate"
    );
    assert_kept_what_programs_wrote(&machine);
    machine
        .must("cd /etc/nagios-selfheal; test -e policy.json.rpmsave; test -e repairs.json.rpmsave");
}
