//! Counts how many times a sweep reads the ledger while it waits for a worker.

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use e2e::{Place, system_program, until};
use serde_json::json;

/// While a worker runs, another object on the same host waits for its repair. strace(1) counts how
/// many times the sweep checks whether the running repair's worker is alive.
#[test]
fn looks_at_ledger_when_a_worker_ends_and_seldom_in_between() {
    let place = Place::new();
    let (repairctl, _) = (place.program("repairctl"), place.program("repair_worker"));
    let (go, trace) = (place.at("go"), place.at("trace"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let service = |name: &str| {
        format!(
            "servicestatus {{\n\thost_name=web1\n\tservice_description={name}\n\tcurrent_state=2\n\
             \tstate_type=1\n\tcurrent_attempt=4\n\tmax_attempts=4\n\tlast_check={}\n\
             \tevent_handler_enabled=1\n\t_REPAIR=0;httpd\n\t}}\n",
            now - 5
        )
    };
    let status = format!(
        "info {{\n\tcreated={now}\n\t}}\nprogramstatus {{\n\tenable_event_handlers=1\n\
         \tprogram_start=1\n\t}}\nhoststatus {{\n\thost_name=web1\n\tcurrent_state=0\n\t}}\n{}{}",
        service("HTTP"),
        service("Disk")
    );
    let objects = "define host {\n\thost_name\tweb1\n\taddress\t127.0.0.1\n\t}\n";
    place.file("objects.cache", objects, 0o644, None);
    let wait = format!("until [ -e {} ]; do sleep 0.05; done", go.display());
    let policy = json!({
        "ledger": place.at("ledger.sqlite"),
        "status_file": place.file("status.dat", &status, 0o644, None),
        "fleet": {"share": 100},
        "repairs": {"httpd": {
            "ladder": [{"local": ["/bin/sh", "-c", wait]}], "verify": ["/bin/true"],
            "settle": "0s", "cooldown": "0s",
        }},
    });
    let policy = place.file("policy.json", &policy.to_string(), 0o644, None);
    let sweep = Command::new(system_program(&["strace"]))
        .args(["-e", "trace=openat", "-o"])
        .args([&trace, &repairctl])
        .arg("--policy")
        .args([&policy.display().to_string(), "sweep"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let looks = || {
        let text = fs::read_to_string(&trace).unwrap_or_default();
        text.lines().filter(|line| line.contains("ledger.sqlite.jobs/")).count()
    };
    until("a running worker", Duration::from_secs(60), || (looks() > 0).then_some(()));
    let before = looks();
    thread::sleep(Duration::from_secs(5));
    let waited = looks() - before;
    fs::write(&go, "").unwrap();
    let output = sweep.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("Swept: 2 healed."), "{text}");
    assert!(waited < 20, "{waited} looks in 5 seconds");
}
