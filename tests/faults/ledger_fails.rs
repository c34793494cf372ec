//! Tests what happens if the ledger fails. If the handler cannot read or write the history, it must
//! run nothing, reset nothing, and report the failure and what to do about it. After the cause is
//! fixed, all records must still be there.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use e2e::{run, until};
use rusqlite::Connection;
use serde_json::json;

use crate::bed::{Bed, CALL};

/// A lab whose ledger is on a separate disk and contains one repair.
struct OnDisk {
    bed: Bed,
    disk: PathBuf,
}

impl OnDisk {
    fn new(size: &str) -> OnDisk {
        let mut bed = Bed::new();
        let disk = bed.monitor.ledger.with_file_name("disk");
        fs::create_dir(&disk).unwrap();
        run(Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size},mode=0750"), "tmpfs"])
            .arg(&disk));
        chown(&disk, Some(bed.monitor.nagios.uid), Some(bed.monitor.nagios.gid)).unwrap();
        bed.monitor.ledger = disk.join("ledger.sqlite");
        bed.policy(|policy| policy["repairs"]["httpd"]["cooldown"] = json!("0s"));
        let on_disk = OnDisk { bed, disk };
        on_disk.repairs();
        on_disk
    }

    fn remount(&self, option: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,{option}")]).arg(&self.disk));
    }

    /// Calls the handler, and checks that it runs one repair and adds one record.
    fn repairs(&self) {
        let known = self.bed.monitor.records().len();
        self.bed.wait_for_the_gates_cooldown();
        let seen = self.bed.call(CALL);
        assert!(seen.code == 0 && seen.text.starts_with("REPAIRED web1/HTTP"), "{}", seen.text);
        assert_eq!(self.bed.monitor.records().len(), known + 1, "records are missing");
        fs::remove_file(&self.bed.mark).unwrap();
    }

    /// Checks that a call and a dry run do nothing and print a single line that contains all of
    /// `wanted`.
    fn does_nothing(&self, wanted: &[&str]) {
        for call in [CALL.to_owned(), CALL.replace("--foreground", "--dry-run")] {
            let seen = self.bed.call(&call);
            let dry = call.ends_with("--dry-run");
            // A dry run never writes to the ledger, so it succeeds even when writes fail, as long
            // as reads work.
            if !(dry && seen.text.starts_with("WOULD REPAIR")) {
                assert_eq!((seen.code, seen.text.lines().count()), (3, 1), "{}", seen.text);
                assert!(seen.text.trim_end().ends_with("nothing was run"), "{}", seen.text);
                assert!(
                    wanted.iter().all(|words| seen.text.contains(words)),
                    "no {wanted:?} in: {}",
                    seen.text
                );
            }
        }
        assert!(!self.bed.mark.exists(), "a repair was run");
        assert!(
            self.bed
                .call("OK HARD 1 --host web1 --service HTTP --repair httpd")
                .text
                .starts_with("NO ACTION")
        );
    }
}

impl Drop for OnDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.disk).status();
    }
}

#[test]
fn runs_nothing_when_disk_is_read_only() {
    let on_disk = OnDisk::new("4m");
    on_disk.remount("ro");
    on_disk.does_nothing(&["Read-only file system", "mount the ledger's disk read-write again"]);
    on_disk.remount("rw");
    on_disk.repairs();
}

#[test]
fn runs_nothing_when_disk_is_full() {
    let on_disk = OnDisk::new("512k");
    let filler = on_disk.disk.join("filler");
    assert!(fs::write(&filler, vec![0; 1 << 20]).is_err(), "the disk is not full");
    on_disk.does_nothing(&["free some space on the ledger's disk"]);
    fs::remove_file(filler).unwrap();
    on_disk.repairs();
}

/// A description of the damage, a function that does the damage, and strings that the message must
/// contain.
type Damage<'a> = (&'a str, &'a dyn Fn(&Path), &'a [&'a str]);

#[test]
fn refuses_damaged_or_foreign_ledger_unchanged() {
    let damages: [Damage; 6] = [
        (
            "garbage after the first page",
            &garble,
            &["the file is damaged, and no program overwrites it"],
        ),
        (
            "empty",
            &|path| fs::write(path, "").unwrap(),
            &["is not a ledger of nagios-selfheal, and no program overwrites it"],
        ),
        (
            "truncated",
            &|path| fs::OpenOptions::new().write(true).open(path).unwrap().set_len(5000).unwrap(),
            &["no program overwrites it"],
        ),
        (
            "owned by another user",
            &|path| chown(path, Some(65534), None).unwrap(),
            &["belongs to uid 65534", "find out who made the file"],
        ),
        (
            "newer schema",
            &|path| {
                Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap()
            },
            &["has schema 99, but this program knows only schema", "upgrade the package"],
        ),
        (
            "symbolic link",
            &|path| {
                fs::rename(path, path.with_extension("moved")).unwrap();
                symlink(path.with_extension("moved"), path).unwrap();
            },
            &["is a symbolic link or not a regular file; name the file itself"],
        ),
    ];
    for (what, damage, wanted) in damages {
        let on_disk = OnDisk::new("4m");
        let ledger = &on_disk.bed.monitor.ledger;
        damage(ledger);
        let before = fs::read(ledger).unwrap();
        on_disk.does_nothing(wanted);
        assert!(fs::read(ledger).unwrap() == before, "{what}: the ledger was changed");
    }
}

/// Overwrites everything after the first page. The header stays, so the file still looks like a
/// ledger.
fn garble(path: &Path) {
    let mut content = fs::read(path).unwrap();
    content[4096..].fill(0xa5);
    fs::write(path, content).unwrap();
}

/// If a service changes its state all the time, or an admin's script calls the handler in a loop,
/// many handlers can run at the same time.
#[test]
fn runs_one_repair_for_500_parallel_handlers() {
    let bed = Bed::new();
    bed.policy(|policy| policy["repairs"]["httpd"]["cooldown"] = json!("10m"));
    let background = CALL.replace(" --foreground", "");
    let mut handlers: Vec<_> = (0..500)
        .map(|_| {
            let mut command = bed.monitor.as_nagios(&bed.monitor.handler);
            command.args(background.split_whitespace()).arg("--policy").arg(&bed.monitor.policy);
            command
                .stdin(std::process::Stdio::null())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    for handler in handlers.drain(..) {
        let output = handler.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.starts_with("DISPATCHED web1/HTTP"), "{text}");
    }
    until("all 500 on record", Duration::from_secs(120), || {
        (bed.monitor.ledger.exists()
            && bed.monitor.records().len() + bed.monitor.refusals().len() == 500)
            .then_some(())
    });
    until("the end of the repair", Duration::from_secs(30), || bed.monitor.records()[0].outcome);
    let refusals = bed.monitor.refusals();
    assert_eq!((bed.monitor.records().len(), refusals.len(), bed.web.jobs().len()), (1, 499, 1));
    for refusal in &refusals {
        assert!(
            ["already-running", "cooling-down"].contains(&refusal.reason.as_str()),
            "{refusal:?}"
        );
        assert!(
            refusal.text.contains(&bed.monitor.records()[0].job),
            "the refusal does not name the running job: {refusal:?}"
        );
    }
}
