//! A minimal system with the same Debian or Ubuntu release as this machine, created from the same
//! package sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::LazyLock;

use e2e::{run, system_program};

/// Packages to install on top of the minimal system: what this project's packages depend on, a
/// Nagios server, and a web server.
const INCLUDE: &str = "systemd-sysv,dbus,nagios4-core,nagios4-common,monitoring-plugins-basic,iputils-ping,apache2,\
                       openssh-server,openssh-client,sudo,logrotate,iproute2";

/// Directory in which the system is kept for later runs. Remove the directory to get newer
/// packages.
const KEPT: &str = "/var/cache/nagios-selfheal-lab";

/// Returns the system's root directory, and creates the system if necessary.
pub fn root() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(made);
    &ROOT
}

fn made() -> PathBuf {
    let release = of_this_system("VERSION_CODENAME");
    let root = Path::new(KEPT).join(&release);
    let has = |root: &Path| {
        fs::read_to_string(root.join("etc/lab-packages")).is_ok_and(|list| list == INCLUDE)
    };
    if has(&root) {
        return root;
    }
    fs::create_dir_all(KEPT).unwrap();
    let new = Path::new(KEPT).join(format!("{release}.{}", process::id()));
    run(Command::new(system_program(&["mmdebstrap"]))
        .args([
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            "--aptopt=Acquire::Languages \"none\"",
        ])
        .arg(format!("--include={INCLUDE}"))
        .args([Path::new(&release), &new])
        .args(sources()));
    fs::write(new.join("etc/lab-packages"), INCLUDE).unwrap();
    let remove =
        |root: &Path| drop(run(Command::new("rm").args(["-rf", "--one-file-system"]).arg(root)));
    if has(&root) {
        // Another run has created the system in the meantime, so remove the one that this run has
        // created.
        remove(&new);
    } else {
        remove(&root);
        fs::rename(&new, &root).unwrap();
    }
    root
}

/// Returns a value from this system's os-release(5).
fn of_this_system(key: &str) -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap();
    let values = text.lines().filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values
        .map(|value| value.trim_matches('"').to_owned())
        .next()
        .unwrap_or_else(|| panic!("os-release has no {key}: {text}"))
}

/// Returns the files that list this system's package sources, except third-party sources.
fn sources() -> Vec<String> {
    let list = || {
        let origin = format!("Origin: {}", of_this_system("NAME").split(' ').next().unwrap());
        run(Command::new("apt-get").args([
            "indextargets",
            "--format",
            "$(SOURCESENTRY)",
            "Created-By: Packages",
            &origin,
        ]))
    };
    let mut entries = list();
    if entries.trim().is_empty() {
        run(Command::new("apt-get").args(["update", "--quiet"]));
        entries = list();
    }
    let mut files: Vec<String> =
        entries.lines().filter_map(|entry| Some(entry.rsplit_once(':')?.0.to_owned())).collect();
    files.sort();
    files.dedup();
    assert!(!files.is_empty(), "apt knows no source of this system");
    files
}
