//! Tests the records: cooldown and budget, crashes and reboots, and a state directory that is
//! damaged, full or read-only.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::common::{GateLab, JOB, wait_until};
use crate::jobs::{NOTE, other};
use serde_json::json;

/// A description of damage to the state directory, and a function that does the damage.
type StateDamage<'a> = (&'a str, &'a dyn Fn(&GateLab));

#[test]
fn cooldown_and_budget_apply_to_every_client() {
    let lab = GateLab::with(NOTE, &json!({"cooldown": "1h"}));
    lab.repair(JOB).is("done");
    let answer = lab.repair(&other(1));
    answer.refused("cooldown");
    assert!((3590..=3600).contains(&answer.json["retry_after"].as_u64().unwrap()));
    lab.edit_record(JOB, |record| {
        for key in ["started", "ended", "deadline"] {
            record[key] = json!(record[key].as_u64().unwrap() - 3_600_000);
        }
    });
    lab.repair(&other(2)).is("done");

    let lab = GateLab::with(NOTE, &json!({"budget": {"count": 2, "window": "1h"}}));
    lab.repair(JOB).is("done");
    lab.repair(&other(1)).is("done");
    let answer = lab.repair(&other(2));
    answer.refused("budget");
    assert!((3590..=3600).contains(&answer.json["retry_after"].as_u64().unwrap()));
    assert_eq!(lab.runs(), 2);
}

#[test]
fn setting_the_clock_back_allows_no_repair() {
    let lab = GateLab::with(NOTE, &json!({}));
    lab.repair(JOB).is("done");
    lab.edit_record(JOB, |record| {
        for key in ["started", "ended", "deadline"] {
            record[key] = json!(record[key].as_u64().unwrap() + 3_600_000);
        }
    });
    let answer = lab.repair(&other(1));
    assert!(answer.refused("cooldown").contains("the clock was set back"));
    assert_eq!(lab.runs(), 1);
}

#[test]
fn job_of_killed_gate_becomes_unknown_and_is_not_run_again() {
    let lab = GateLab::with(&format!("{NOTE}; sleep 2"), &json!({"timeout": "60s"}));
    let mut gate = lab.spawn(&format!("repair x {JOB}"));
    wait_until("the repair runs", || lab.runs() == 1);
    gate.kill().unwrap();
    gate.wait().unwrap();
    // The killed gate's repair may still be running, so the gate starts no other repair.
    assert!(
        lab.request(&format!("status {JOB}")).is("running").json["seconds"].as_f64().unwrap() > 0.0
    );
    assert_eq!(lab.repair(JOB).is("running").code, 2);
    let busy = lab.repair(&other(1));
    assert!(busy.refused("busy").contains("the gate process that controlled it has died"));
    assert_eq!(busy.json["running"], json!(JOB));

    let reboot = |record: &mut serde_json::Value| record["boot"] = json!("another-boot");
    let saved = fs::read(lab.record_path(JOB)).unwrap();
    lab.edit_record(JOB, reboot);
    lab.request(&format!("status {JOB}")).is("unknown");
    fs::write(lab.record_path(JOB), saved).unwrap();

    lab.edit_record(JOB, |record| {
        record["started"] = json!(record["started"].as_u64().unwrap() - 200_000);
        record["deadline"] = json!(record["deadline"].as_u64().unwrap() - 200_000);
    });
    lab.request(&format!("status {JOB}")).is("unknown");
    assert_eq!(lab.repair(JOB).is("unknown").code, 2);
    lab.repair(&other(2)).is("done");
    assert_eq!(lab.runs(), 2, "the lost job was not run again");
}

#[test]
fn refuses_damaged_state() {
    let damages: [StateDamage; 10] = [
        ("an empty record", &|lab| fs::write(lab.record_path(JOB), "").unwrap()),
        ("garbage", &|lab| fs::write(lab.record_path(JOB), "{\"job\": 1}").unwrap()),
        ("a cut record", &|lab| {
            let text = fs::read(lab.record_path(JOB)).unwrap();
            fs::write(lab.record_path(JOB), &text[..text.len() / 2]).unwrap();
        }),
        ("another job's record", &|lab| {
            lab.edit_record(JOB, |record| record["job"] = json!("20261123-another"))
        }),
        ("a huge record", &|lab| fs::write(lab.record_path(JOB), vec![b' '; 300_000]).unwrap()),
        ("a record others can write", &|lab| lab.chmod(&format!("state/jobs/{JOB}.json"), 0o666)),
        ("a record of another account", &|lab| {
            chown(lab.record_path(JOB), Some(65534), None).unwrap()
        }),
        ("a symlink for a record", &|lab| {
            fs::rename(lab.record_path(JOB), lab.path("moved")).unwrap();
            symlink(lab.path("moved"), lab.record_path(JOB)).unwrap();
        }),
        ("a fifo for a record", &|lab| {
            fs::remove_file(lab.record_path(JOB)).unwrap();
            assert!(
                Command::new("/usr/bin/mkfifo")
                    .arg(lab.record_path(JOB))
                    .status()
                    .unwrap()
                    .success()
            );
        }),
        ("records gone, lock still there", &|lab| {
            fs::remove_dir_all(lab.state().join("jobs")).unwrap()
        }),
    ];
    for (what, damage) in damages {
        let lab = GateLab::with(NOTE, &json!({}));
        lab.repair(JOB).is("done");
        damage(&lab);
        for job in [JOB, &other(1)] {
            let answer = lab.repair(job);
            assert_eq!(answer.json["reason"], json!("state"), "{what}: {}", answer.json);
        }
        assert_eq!(lab.runs(), 1, "{what}");
        assert_eq!((lab.request("list").code, lab.request("version").code), (0, 0), "{what}");
    }
}

#[test]
fn refuses_damaged_directory_of_filed_records() {
    let damages: [StateDamage; 4] = [
        ("writable by others", &|lab| lab.chmod("state/jobs/x", 0o770)),
        ("of another account", &|lab| {
            chown(lab.state().join("jobs/x"), Some(65534), None).unwrap()
        }),
        ("a symlink", &|lab| {
            fs::rename(lab.state().join("jobs/x"), lab.path("moved")).unwrap();
            symlink(lab.path("moved"), lab.state().join("jobs/x")).unwrap();
        }),
        ("a record of another name", &|lab| {
            lab.edit_record(JOB, |record| record["repair"] = json!("y"))
        }),
    ];
    for (what, damage) in damages {
        let lab = GateLab::with(NOTE, &json!({}));
        lab.repair(JOB).is("done");
        lab.repair(&other(1)).is("done");
        damage(&lab);
        for job in [JOB, &other(2)] {
            let answer = lab.repair(job);
            assert_eq!(answer.json["reason"], json!("state"), "{what}: {}", answer.json);
        }
        assert_eq!(lab.request("usage").json["reason"], json!("state"), "{what}");
        assert_eq!(lab.runs(), 2, "{what}");
    }
}

#[test]
fn refuses_damaged_index_until_it_is_removed() {
    let damages: [StateDamage; 5] = [
        ("empty", &|lab| fs::write(lab.state().join("jobs/x/index"), "").unwrap()),
        ("cut", &|lab| {
            let text = fs::read(lab.state().join("jobs/x/index")).unwrap();
            fs::write(lab.state().join("jobs/x/index"), &text[..text.len() / 2]).unwrap();
        }),
        ("of something else", &|lab| fs::write(lab.state().join("jobs/x/index"), "{}").unwrap()),
        ("writable by others", &|lab| lab.chmod("state/jobs/x/index", 0o666)),
        ("a symlink", &|lab| {
            fs::rename(lab.state().join("jobs/x/index"), lab.path("moved")).unwrap();
            symlink(lab.path("moved"), lab.state().join("jobs/x/index")).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let lab = GateLab::with(NOTE, &json!({"budget": {"count": 2, "window": "1h"}}));
        lab.repair(JOB).is("done");
        lab.repair(&other(1)).is("done");
        damage(&lab);
        let answer = lab.repair(&other(2));
        assert!(answer.refused("state").contains("jobs/x/index"), "{what}: {}", answer.json);
        lab.request("ready x").refused("state");
        lab.request("usage").refused("state");
        // The result of a known job is in that job's own record, so the gate can still report it.
        lab.repair(JOB).is("done");
        fs::remove_file(lab.state().join("jobs/x/index")).unwrap();
        lab.repair(&other(2)).refused("budget");
        assert_eq!(lab.runs(), 2, "{what}");
    }
}

/// The files in the directory decide which records exist. A record must count even if it is missing
/// from the index.
#[test]
fn counts_records_that_the_index_lacks() {
    let lab = GateLab::with(NOTE, &json!({"budget": {"count": 3, "window": "1h"}}));
    let index = lab.state().join("jobs/x/index");
    lab.repair(JOB).is("done");
    lab.repair(&other(1)).is("done");
    let outdated = fs::read(&index).unwrap();
    lab.repair(&other(2)).is("done");
    assert_ne!(fs::read(&index).unwrap(), outdated);
    fs::write(&index, outdated).unwrap();
    lab.repair(&other(3)).refused("budget");
    // If an admin removes a record, its run no longer counts.
    fs::remove_file(lab.record_path(JOB)).unwrap();
    lab.repair(&other(3)).is("done");
    lab.repair(&other(4)).refused("budget");
    let indexed = fs::read_to_string(&index).unwrap();
    assert!(indexed.contains(&other(1)) && indexed.contains(&other(2)), "{indexed}");
    assert!(!indexed.contains(JOB), "{indexed}");
}

#[test]
fn refuses_damaged_state_directory() {
    let damages: [StateDamage; 7] = [
        ("missing", &|lab| fs::remove_dir(lab.state()).unwrap()),
        ("writable by others", &|lab| lab.chmod("state", 0o770)),
        ("of another account", &|lab| chown(lab.state(), Some(65534), None).unwrap()),
        ("a symlink", &|lab| {
            fs::rename(lab.state(), lab.path("real")).unwrap();
            symlink(lab.path("real"), lab.state()).unwrap();
        }),
        ("a file", &|lab| {
            fs::remove_dir(lab.state()).unwrap();
            fs::write(lab.state(), "").unwrap();
        }),
        ("a symlink for the lock", &|lab| {
            symlink(lab.path("elsewhere"), lab.state().join("lock")).unwrap()
        }),
        ("a symlink for the records", &|lab| {
            symlink(lab.path("etc"), lab.state().join("jobs")).unwrap()
        }),
    ];
    for (what, damage) in damages {
        let lab = GateLab::with(NOTE, &json!({}));
        damage(&lab);
        let answer = lab.repair(JOB);
        assert_eq!(answer.json["reason"], json!("state"), "{what}: {}", answer.json);
        assert!(!lab.path("elsewhere").exists(), "{what}");
        assert_eq!((lab.runs(), lab.request("list").code), (0, 0), "{what}");
    }
}

/// A separate file system for the state directory. It is unmounted on drop.
struct Mounted(PathBuf);

impl Mounted {
    fn new(lab: &GateLab, options: &str) -> Mounted {
        let mounted = Mounted(lab.state());
        mounted.run("/bin/mount", &["-t", "tmpfs", "-o", options, "tmpfs"]);
        mounted
    }

    fn run(&self, program: &str, words: &[&str]) {
        assert!(
            Command::new(program).args(words).arg(&self.0).status().unwrap().success(),
            "{program} {words:?}"
        );
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("/bin/umount").arg("-l").arg(&self.0).stderr(Stdio::null()).status();
    }
}

#[test]
fn answers_but_runs_nothing_with_read_only_state_directory() {
    let lab = GateLab::with(NOTE, &json!({}));
    let mounted = Mounted::new(&lab, "mode=0700");
    lab.repair(JOB).is("done");
    mounted.run("/bin/mount", &["-o", "remount,ro"]);
    assert!(lab.repair(&other(1)).refused("state").contains("Read-only"));
    lab.request(&format!("status {JOB}")).is("done");
    lab.repair(JOB).is("done");
    assert_eq!((lab.runs(), lab.request("list").code, lab.request("version").code), (1, 0, 0));
}

#[test]
fn runs_nothing_and_keeps_records_on_full_disk() {
    let lab = GateLab::with(NOTE, &json!({}));
    let _mounted = Mounted::new(&lab, "mode=0700,size=64k");
    lab.repair(JOB).is("done");
    let filler = lab.state().join("filler");
    assert!(fs::write(&filler, vec![0; 1 << 20]).is_err(), "the file system should be full now");
    assert!(lab.repair(&other(1)).refused("state").contains("No space"));
    lab.request(&format!("status {JOB}")).is("done");
    assert_eq!((lab.runs(), lab.request("list").code), (1, 0));
    fs::remove_file(filler).unwrap();
    lab.repair(&other(1)).is("done");
}

#[test]
fn removes_old_records_and_keeps_recent_ones() {
    let lab = GateLab::with(NOTE, &json!({}));
    for n in 0..3 {
        lab.repair(&other(n)).is("done");
    }
    for (n, age) in [(0, 25), (1, 23)] {
        lab.edit_record(&other(n), |record| {
            for key in ["started", "ended", "deadline"] {
                record[key] = json!(record[key].as_u64().unwrap() - age * 3_600_000);
            }
        });
    }
    fs::write(lab.state().join("jobs/.20261123-crashed.tmp"), "half a rec").unwrap();
    lab.repair(&other(3)).is("done");
    let files = lab.state_files();
    assert_eq!(
        files,
        [
            "jobs",
            &format!("jobs/{}.json", other(3)),
            "jobs/x",
            &format!("jobs/x/{}.json", other(1)),
            &format!("jobs/x/{}.json", other(2)),
            "jobs/x/index",
            "lock"
        ]
    );
}
