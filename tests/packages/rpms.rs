//! Tests of the rpms, which dnf installs from a local repository on this Debian system. The
//! packages that they depend on are installed as debs, which rpm cannot see. An empty rpm provides
//! their names instead.

use std::fs;
use std::path::Path;
use std::process::Command;

use e2e::{Machine, Place, run, shipped, system_program};

use crate::lifecycle::Lifecycle;
use crate::{
    WRITTEN, assert_installed, assert_no_unit_is_on, assert_programs_files_exist,
    assert_still_paused, kept, packages, programs,
};

/// Spec file of the empty package, which provides the dependencies that rpm cannot see on this
/// system.
const THERE: &str = "Name: there
Version: 1
Release: 1
Summary: What this system has
License: none
BuildArch: noarch
Provides: coreutils, nagios, openssh-clients, openssh-server, sudo, systemd, /bin/sh, /bin/kill, /usr/bin/kill
Provides: /usr/sbin/groupadd, /usr/sbin/useradd, /usr/sbin/usermod, user(nagios), group(nagios), \
user(repair), group(repair)
%description
%files
";

/// Boots a machine that can install rpms from two repositories: /parts/repository has those under
/// test, and /parts/newer has the newer ones that [`upgrade`] builds.
fn machine(place: &Place) -> Machine {
    let repository = place.directory("rpms/repository", None);
    for rpm in packages(".rpm") {
        fs::copy(&rpm, repository.join(rpm.file_name().unwrap())).unwrap();
    }
    build(place, &place.file("there.spec", &with_libraries(), 0o644, None), &repository, &[]);
    index(&repository);
    Machine::alone(place, Path::new("/"), &place.at("rpms"))
}

/// Turns a directory with rpms into a repository.
fn index(directory: &Path) {
    run(Command::new(system_program(&["createrepo_c"])).arg("--quiet").arg(directory));
}

/// Adds lines to the spec [`THERE`], so that its package also provides the libraries that the rpms
/// under test require.
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

/// Builds rpms with the same programs, a higher release and different initial configuration files.
fn upgrade(place: &Place) {
    let spec = fs::read_to_string(shipped("packaging/rpm/nagios-selfheal.spec")).unwrap();
    rebuild(place, "newer", &with_release(&spec, "99"));
}

/// Builds rpms with the same programs and the spec from commit 7740e3e.
fn old(place: &Place) {
    let spec = fs::read_to_string(shipped("tests/packages/7740e3e/nagios-selfheal.spec")).unwrap();
    let files = "cd %{buildroot}%{_sysconfdir}/nagios-selfheal
        for file in policy.json repairs.json; do echo '{\"repairs\": {}}' > $file; done";
    let spec = with_release(&spec, "0").replacen("\n%pre\n", &format!("\n{files}\n\n%pre\n"), 1);
    rebuild(place, "old", &format!("%global _unpackaged_files_terminate_build 0\n{spec}"));
}

fn with_release(spec: &str, release: &str) -> String {
    let (before, after) = spec.split_once("\nRelease:        1%").expect("a Release");
    format!("{before}\nRelease:        {release}%{after}")
}

/// Builds rpms from this spec, and puts them into the repository /parts/`name`.
fn rebuild(place: &Place, name: &str, spec: &str) {
    let sources = packages(".rpm")[0].with_file_name("");
    let target = sources.parent().unwrap();
    let spec = place.file(&format!("{name}.spec"), spec, 0o644, None);
    let work = place.directory(&format!("sources/{name}"), None);
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
    let into = place.directory(&format!("rpms/{name}"), None);
    build(place, &spec, &into, &more);
    index(&into);
}

const DNF: &str = "dnf --quiet --assumeyes --nogpgcheck --disablerepo='*' \
                   --repofrompath=lab,/parts/repository --setopt=lab.gpgcheck=0 \
                   --releasever=1";

const NAMES: &str = "nagios-selfheal nagios-plugins-selfheal nagios-selfheal-config repair-gate";

fn install(machine: &Machine) {
    machine.must(&format!("{DNF} install {NAMES}"));
}

#[test]
fn rpms_install_all_files_and_start_nothing() {
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
    // rpm must confirm the contents, owners, modes and dependencies.
    machine.must(&format!("rpm --verify {NAMES}"));
    assert_no_unit_is_on(&machine);
    assert!(
        machine.must("getent shadow repair").starts_with("repair:*:"),
        "sshd would treat the account as locked"
    );
    machine.must("visudo -c && runuser -u nagios -- repairctl status");
}

#[test]
fn upgrade_keeps_written_files() {
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
    assert_still_paused(&machine);
}

fn with_lifecycle(test: impl FnOnce(&Lifecycle<'_>)) {
    let place = Place::new();
    old(&place);
    upgrade(&place);
    let machine = machine(&place);
    let install = |release: &str| {
        let named = ["nagios-selfheal", "repair-gate"]
            .map(|name| format!("{name}-{}-{release}", env!("CARGO_PKG_VERSION")));
        format!(
            "{DNF} --repofrompath=old,/parts/old --repofrompath=newer,/parts/newer \
             --setopt=install_weak_deps=False install {}",
            named.join(" ")
        )
    };
    test(&Lifecycle {
        machine: &machine,
        old: &install("0"),
        new: &install("1"),
        newer: &install("99"),
        remove: &format!("{DNF} remove nagios-selfheal repair-gate"),
    });
}

#[test]
fn upgrade_and_removal_keep_configuration() {
    with_lifecycle(|life| {
        life.keeps_configuration("rm -rf /etc/nagios-selfheal /var/lib/nagios-selfheal");
    });
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
fn removal_deletes_programs_and_keeps_written_files() {
    let place = Place::new();
    let machine = machine(&place);
    let before = programs(&machine);
    install(&machine);
    assert_ne!(programs(&machine), before);
    machine.must(WRITTEN);
    machine.must(&format!("{DNF} remove {NAMES}"));
    assert_eq!(programs(&machine), before);
    assert!(
        !machine.root("test -e /etc/sudoers.d/nagios-selfheal").status.success(),
        "the sudo rules are left without the gate"
    );
    assert_programs_files_exist(&machine);
    machine
        .must("cd /etc/nagios-selfheal; grep -q httpd policy.json && grep -q httpd repairs.json");
}
