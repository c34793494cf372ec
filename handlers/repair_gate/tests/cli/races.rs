//! Replaces files as fast as possible while the gate reads them, to show that the gate reads
//! exactly the file that it has checked. In production, only root or the gate's account could
//! replace them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{GateLab, JOB};
use serde_json::json;

/// When this value is dropped, it stops the thread that replaces the file, even if the test fails.
struct EndExchange<'a>(&'a AtomicBool);

impl Drop for EndExchange<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Calls `check` repeatedly while a thread keeps replacing `path`, alternately with the original
/// file and with a symlink to `evil`.
fn while_exchanged(path: &Path, evil: &Path, check: impl Fn()) {
    let honest = path.with_extension("honest");
    let link = path.with_extension("link");
    fs::copy(path, &honest).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                symlink(evil, &link).unwrap();
                fs::rename(&link, path).unwrap();
                let copy = path.with_extension("copy");
                fs::hard_link(&honest, &copy).unwrap();
                fs::rename(&copy, path).unwrap();
                // rename(2) does nothing if both names already refer to the same file. In that
                // case, remove the copy.
                let _ = fs::remove_file(&copy);
            }
        });
        let _end = EndExchange(&over);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(2) {
            check();
        }
    });
}

#[test]
fn never_reads_symlink_that_replaces_the_file() {
    let lab = GateLab::new();
    fs::create_dir(lab.path("elsewhere")).unwrap();
    let evil = lab.path("elsewhere/evil.json");
    fs::write(
        &evil,
        json!({"repairs": {"evil": {"run": ["/usr/bin/touch", lab.path("evil-ran")]}}}).to_string(),
    )
    .unwrap();
    while_exchanged(&lab.config(), &evil, || {
        let list = lab.request("list");
        assert!(
            list.json["repairs"] == json!(["touch"]) || list.json["reason"] == json!("config"),
            "{}",
            list.json
        );
        let repair = lab.request("repair evil 20261123-evil");
        assert!(
            repair.json["reason"] == json!("unknown-repair")
                || repair.json["reason"] == json!("config"),
            "{}",
            repair.json
        );
    });
    assert!(!lab.path("evil-ran").exists());
}

#[test]
fn never_reports_symlink_that_replaces_a_record() {
    let lab = GateLab::with("echo ran >> \"$1/runs\"; exit 3", &json!({}));
    lab.repair(JOB).is("failed");
    fs::create_dir(lab.path("elsewhere")).unwrap();
    let evil = lab.path("elsewhere/evil.json");
    let record = fs::read_to_string(lab.record_path(JOB)).unwrap();
    fs::write(&evil, record.replace("\"failed\"", "\"done\"").replace("\"exit\":3", "\"exit\":0"))
        .unwrap();
    // The thread creates temporary files next to the record, and the gate would refuse to work if
    // it read them. Therefore request a known job. For such a job, the gate reads only the job's
    // own record.
    while_exchanged(&lab.record_path(JOB), &evil, || {
        let status = lab.request(&format!("status {JOB}"));
        assert!(
            status.json["state"] == json!("failed") || status.json["reason"] == json!("state"),
            "{}",
            status.json
        );
        let repair = lab.repair(JOB);
        assert!(
            repair.json["state"] == json!("failed") || repair.json["reason"] == json!("state"),
            "{}",
            repair.json
        );
    });
    assert_eq!(lab.runs(), 1);
}
