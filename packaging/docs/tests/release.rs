//! Tests that `make release` refuses files whose versions differ, and names the wrong file. The
//! tests use copies of the files in a temporary repository.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const PLACES: [&str; 5] = [
    "Cargo.toml",
    "Cargo.lock",
    "CHANGELOG.md",
    "packaging/rpm/nagios-selfheal.spec",
    "packaging/debian/changelog",
];

struct Copy(tempfile::TempDir);

impl Copy {
    /// Creates a repository that is ready for release. The newest section of the change log has the
    /// version in Cargo.toml, and everything is committed and tagged.
    fn ready() -> Copy {
        let copy = Copy(tempfile::tempdir().unwrap());
        for place in PLACES {
            fs::create_dir_all(copy.at(place).parent().unwrap()).unwrap();
            fs::copy(project().join(place), copy.at(place)).unwrap();
        }
        let version = env!("CARGO_PKG_VERSION");
        let changes = fs::read_to_string(copy.at("CHANGELOG.md")).unwrap();
        let newest = changes.lines().find(|line| line.starts_with("## ")).unwrap();
        copy.replace("CHANGELOG.md", newest, &format!("## [{version}] - 2026-11-24"));
        copy.git(&["init", "-q"]);
        copy.commit();
        copy.git(&["tag", &format!("v{version}")]);
        copy
    }

    fn at(&self, place: &str) -> PathBuf {
        self.0.path().join(place)
    }

    fn replace(&self, place: &str, old: &str, new: &str) {
        let text = fs::read_to_string(self.at(place)).unwrap();
        assert!(text.contains(old), "{place} has no '{old}'");
        fs::write(self.at(place), text.replacen(old, new, 1)).unwrap();
    }

    fn git(&self, words: &[&str]) {
        let who = ["-c", "user.name=test", "-c", "user.email=test@example.org"];
        let done = Command::new("git")
            .arg("-C")
            .arg(self.0.path())
            .args(who)
            .args(words)
            .output()
            .unwrap();
        assert!(done.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    fn commit(&self) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", "a change"]);
    }

    fn release(&self) -> Output {
        Command::new(project().join("packaging/release")).arg(self.0.path()).output().unwrap()
    }

    fn refusal(&self) -> String {
        let done = self.release();
        assert!(!done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
        String::from_utf8(done.stderr).unwrap()
    }
}

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn accepts_files_with_the_same_version() {
    let done = Copy::ready().release();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn refuses_and_names_a_file_with_another_version() {
    let version = env!("CARGO_PKG_VERSION");
    let spec = "packaging/rpm/nagios-selfheal.spec";
    for (place, old, named) in [
        ("Cargo.toml", format!("\nversion = \"{version}\""), "Cargo.lock"),
        ("Cargo.lock", format!("name = \"policy\"\nversion = \"{version}\""), "Cargo.lock"),
        ("CHANGELOG.md", format!("## [{version}]"), "CHANGELOG.md"),
        (spec, format!("Version:        {version}"), "Version in packaging/rpm"),
        (spec, format!("> - {version}-1"), "%changelog of packaging/rpm"),
        ("packaging/debian/changelog", format!("({version}-1)"), "packaging/debian/changelog"),
    ] {
        let copy = Copy::ready();
        copy.replace(place, &old, &old.replace(version, "9.9.9"));
        copy.commit();
        copy.git(&["tag", "--force", &format!("v{version}")]);
        let refusal = copy.refusal();
        assert!(refusal.contains(named) && refusal.contains("9.9.9"), "{place}: {refusal}");
    }
}

#[test]
fn refuses_uncommitted_changes_and_missing_or_wrong_tag() {
    let copy = Copy::ready();
    fs::write(copy.at("new"), "").unwrap();
    assert!(copy.refusal().contains("uncommitted changes"));
    copy.commit();
    let refusal = copy.refusal();
    assert!(refusal.contains("tag of this commit") && refusal.contains("version ''"), "{refusal}");
    copy.git(&["tag", "v9.9.9"]);
    assert!(copy.refusal().contains("version '9.9.9'"));
}
